internal import CLibpq
internal import EventLoop
import Synchronization

/// The one connection of a pool that listens to channels, made when the first reader comes; loop-confined.
final class Listener: SessionOwner {
  private static let buffered = 256

  private let configuration: PostgresConfiguration
  private let loop: EventLoop
  private let log: @Sendable (PostgresEvent) -> Void
  private var readers: [String: [UInt64: AsyncStream<String>.Continuation]] = [:]
  private var session: Session?
  private var isConnecting = false
  private var backoff = Backoff()
  private var backoffTimer: LoopTimer?
  private var isClosed = false
  // LISTEN statements without an answer yet.
  private var beginning: [ObjectIdentifier: String] = [:]

  init(_ configuration: PostgresConfiguration, loop: EventLoop, log: @escaping @Sendable (PostgresEvent) -> Void) {
    var configuration = configuration
    configuration.applicationName += " (listen)"
    self.configuration = configuration
    self.loop = loop
    self.log = log
  }

  func add(_ reader: AsyncStream<String>.Continuation, _ id: UInt64, to channel: String) {
    guard !isClosed else { return reader.finish() }
    let isFirst = readers[channel, default: [:]].isEmpty
    readers[channel, default: [:]][id] = reader
    guard session != nil else { return connect() }
    if isFirst {
      begin(channel)
    } else if !beginning.values.contains(channel) {
      reader.yield("")
    }
  }

  func remove(_ id: UInt64, from channel: String) {
    readers[channel]?[id] = nil
    guard readers[channel]?.isEmpty == true else { return }
    readers[channel] = nil
    if readers.isEmpty {
      session?.close()
      session = nil
      beginning = [:]
    } else {
      session?.send([Request(["UNLISTEN \(identifier: channel)"], need: .held, deadline: .never)])
    }
  }

  func close() {
    isClosed = true
    backoffTimer?.cancel()
    session?.close()
    session = nil
    let ended = readers.values.flatMap(\.values)
    readers = [:]
    for reader in ended { reader.finish() }
  }

  private func connect() {
    guard session == nil, !isConnecting, backoffTimer == nil, !readers.isEmpty, !isClosed else { return }
    isConnecting = true
    Connector.start(configuration, loop, PostgresPool.blocking) { [self] result in
      isConnecting = false
      switch result {
      case .success(let connection): connected(connection)
      case .failure(let error):
        let delay = backoff.next()
        log(.connectFailed(error, retryAfter: delay))
        connect(after: delay)
      }
    }
  }

  private func connect(after delay: Duration) {
    guard !isClosed else { return }
    backoffTimer?.cancel()
    backoffTimer = loop.schedule(after: delay) { [self] in
      backoffTimer = nil
      connect()
    }
  }

  private func connected(_ connection: OpaquePointer) {
    guard !isClosed, !readers.isEmpty else { return PQfinish(connection) }
    session = Session(connection, loop: loop, catalog: StatementCatalog(), statementsMax: 0, owner: self)
    log(.connected)
    for channel in readers.keys { begin(channel) }
  }

  private func begin(_ channel: String) {
    let request = Request(["LISTEN \(identifier: channel)"], need: .held, deadline: .never)
    beginning[ObjectIdentifier(request)] = channel
    session?.send([request])
  }

  func session(_ session: Session, completed group: RequestGroup) {
    for request in group.requests {
      guard let channel = beginning.removeValue(forKey: ObjectIdentifier(request)) else { continue }
      if let error = request.error ?? group.syncError { return session.fail(error) }
      backoff = Backoff()
      for reader in readers[channel, default: [:]].values { reader.yield("") }
    }
  }

  func sessionProgressed(_ session: Session) {}

  func session(_ session: Session, lostWith error: PostgresError, unanswered: [RequestGroup]) {
    guard session === self.session else { return }
    self.session = nil
    beginning = [:]
    log(.connectionLost(error))
    connect(after: backoff.next())
  }

  func session(_ session: Session, notifiedOn channel: String, payload: String) {
    for reader in readers[channel, default: [:]].values { reader.yield(payload) }
  }

  fileprivate static func makeStream() -> (AsyncStream<String>, AsyncStream<String>.Continuation) {
    AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(buffered))
  }
}

/// The listener as seen from any thread.
struct ListenerReference: Sendable {
  private let listener: LoopBound<Listener>
  private static let readers = Atomic<UInt64>(0)

  init(_ configuration: PostgresConfiguration, loop: EventLoop, log: @escaping @Sendable (PostgresEvent) -> Void) {
    listener = LoopBound(Listener(configuration, loop: loop, log: log), loop)
  }

  func listen(_ channel: String) -> AsyncStream<String> {
    let (stream, continuation) = Listener.makeStream()
    let id = Self.readers.wrappingAdd(1, ordering: .relaxed).newValue
    let listener = listener
    continuation.onTermination = { _ in
      listener.loop.execute { listener.value.remove(id, from: channel) }
    }
    listener.loop.execute { listener.value.add(continuation, id, to: channel) }
    return stream
  }

  func close() {
    listener.loop.execute { [listener] in listener.value.close() }
  }
}
