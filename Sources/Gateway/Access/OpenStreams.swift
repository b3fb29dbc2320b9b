package import EventLoop
import Postgres
import ServiceKit
import Synchronization

/// The live streams that are open at this gateway, each with the session that it was opened with.
///
/// A stream ends when its session does. One question a second finds that out for all streams together, however many
/// there are.
package final class OpenStreams: Sendable {
  /// Streams that are open at most.
  static let streamsMax = 10_000
  /// How often sessions are looked at.
  static let checkInterval: Duration = .seconds(1)
  private static let timeout: Duration = .seconds(10)

  /// Throws to the one who waits for its end; nothing is ever put into it.
  typealias End = BoundedQueue<Void>

  private struct State {
    var streams: [ObjectIdentifier: (end: End, tokenHash: [UInt8])] = [:]
    var isClosed = false
  }

  private let store: SessionStore
  private let state = Mutex(State())

  init(store: SessionStore) { self.store = store }

  /// How many are open.
  package var count: Int { state.withLock { $0.streams.count } }

  /// Opens a stream.
  ///
  /// - Throws: TOO_MANY_REQUESTS; BACKEND_UNAVAILABLE when the gateway is ending.
  func open(tokenHash: [UInt8]) throws(ServiceError) -> End {
    let end = End(countMax: 0, overflow: CancellationError())
    let problem = state.withLock { state -> ServiceError? in
      guard !state.isClosed else { return Self.ending }
      guard state.streams.count < Self.streamsMax else { return ServiceError(.tooManyRequests) }
      state.streams[ObjectIdentifier(end)] = (end, tokenHash)
      return nil
    }
    if let problem { throw problem }
    return end
  }

  /// A stream is over.
  func close(_ end: End) {
    state.withLock { _ = $0.streams.removeValue(forKey: ObjectIdentifier(end)) }
  }

  /// Ends all streams, which are to be resumed elsewhere, and takes no further ones.
  package func shutDown() {
    let streams = state.withLock { state in
      state.isClosed = true
      return state.streams.values.map(\.end)
    }
    for end in streams { end.cut(Self.ending) }
  }

  /// Looks after the sessions of open streams until cancelled.
  package func watchSessions(
    on loop: EventLoop, failed: @escaping @Sendable (any Error) -> Void
  ) -> Task<Void, Never> {
    Task(executorPreference: loop) {
      while !Task.isCancelled {
        do { try await loop.sleep(for: Self.checkInterval) } catch { return }
        do { try await self.endWithoutSession(deadline: .after(Self.timeout)) } catch { failed(error) }
      }
    }
  }

  /// Ends the streams whose session has ended.
  ///
  /// - Throws: the database's errors as ``ServiceError``; streams go on then.
  package func endWithoutSession(deadline: Deadline) async throws {
    let streams = state.withLock { Array($0.streams.values) }
    guard !streams.isEmpty else { return }
    let hashes = Array(Set(streams.map(\.tokenHash)))
    let open = try await store.open(of: hashes, deadline: deadline)
    for (end, hash) in streams where !open.contains(hash) { end.cut(ServiceError(.sessionExpired)) }
  }

  private static var ending: ServiceError {
    ServiceError(.backendUnavailable, "this gateway is ending; open the stream again behind what you have")
  }
}
