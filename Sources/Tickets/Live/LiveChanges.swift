import EventLoop
import Postgres
package import ServiceKit
import Synchronization
package import TicketLedger

/// The change streams that are watched here: one feed for each service that has a watcher.
package final class LiveChanges: Sendable {
  /// Streams that are watched here at most.
  static let watchersMax = 20_000

  private struct Feed {
    let feed: ServiceFeed
    let task: Task<Void, Never>
    var watcherCount = 0
  }

  private struct State {
    var feeds: [ServiceID: Feed] = [:]
    var watcherCount = 0
    var isClosed = false
  }

  private let ledger: TicketLedger
  private let log: Logger?
  private let state = Mutex(State())

  /// Reads the ledger's change log.
  package init(ledger: TicketLedger, log: Logger? = nil, metrics: Metrics? = nil) {
    self.ledger = ledger
    self.log = log
    metrics?.observed("handoff_live_watchers", "Streams of changes that are open.") { [self] in Double(count) }
  }

  /// Streams that are open.
  package var count: Int { state.withLock { $0.watcherCount } }

  /// Ends all streams, which are to be resumed elsewhere, and takes no further ones.
  package func shutDown() {
    let feeds = state.withLock { state in
      state.isClosed = true
      return state.feeds.values.map(\.feed)
    }
    for feed in feeds { feed.close() }
  }

  /// Has a service's feed while `body` runs.
  ///
  /// - Throws: BACKEND_UNAVAILABLE after ``shutDown()``; TOO_MANY_REQUESTS; what `body` throws.
  func withFeed(
    of service: ServiceRecord, _ body: (ServiceFeed) async throws -> Void
  ) async throws {
    let feed = try enter(service)
    defer { leave(service.id) }
    try await body(feed)
  }

  private func enter(_ service: ServiceRecord) throws(ServiceError) -> ServiceFeed {
    let entered = state.withLock { state -> Result<ServiceFeed, ServiceError> in
      guard !state.isClosed else { return .failure(ServiceFeed.ending) }
      guard state.watcherCount < Self.watchersMax else { return .failure(ServiceError(.tooManyRequests)) }
      state.watcherCount += 1
      state.feeds[service.id, default: begin(service)].watcherCount += 1
      return .success(state.feeds[service.id, default: begin(service)].feed)
    }
    return try entered.get()
  }

  private func leave(_ service: ServiceID) {
    let ended = state.withLock { state -> Feed? in
      state.watcherCount -= 1
      state.feeds[service]?.watcherCount -= 1
      guard state.feeds[service]?.watcherCount == 0 else { return nil }
      return state.feeds.removeValue(forKey: service)
    }
    ended?.task.cancel()
  }

  private func begin(_ service: ServiceRecord) -> Feed {
    let log = log
    let feed = ServiceFeed(service, ledger: ledger) { error in
      log?.warning("live.feed_failed", ["service": .string(service.code), "cause": .string(String(describing: error))])
    }
    let loop = ledger.pool.group.next()
    return Feed(feed: feed, task: Task(executorPreference: loop) { await feed.run(on: loop) })
  }
}
