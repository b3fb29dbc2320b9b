import Crypto
import EventLoop
import HTTP2

/// The part of a channel that lives on one loop: its connection, the calls that wait for it, and the rules of
/// connecting. Loop-confined.
///
/// Connects when there is a call and no connection; after a failure the next connect waits, and calls that do not ask
/// to wait fail with the failure meanwhile.
final class ClientLoop {
  private enum State {
    case idle
    case connecting(Connector)
    case connected(ClientConnection)
    case resting(LoopTimer, RPCError)
    case closed
  }

  let loop: EventLoop
  private let target: RPCTarget
  private let configuration: RPCChannelConfiguration
  private let resolver: BlockingPool
  private var state = State.idle
  private var waiting: [ClientCall] = []
  private var waitingHead = 0
  private var waitingCount = 0
  private var failures = 0
  /// Connections that take no further calls but have some to end.
  private var leaving: [ObjectIdentifier: ClientConnection] = [:]

  init(_ loop: EventLoop, target: RPCTarget, configuration: RPCChannelConfiguration, resolver: BlockingPool) {
    self.loop = loop
    self.target = target
    self.configuration = configuration
    self.resolver = resolver
  }

  /// Begins a call.
  func start(_ call: ClientCall) {
    guard call.prepare() else { return }
    if case .connected(let connection) = state, waitingCount == 0, connection.hasRoom, connection.send(call) { return }
    place(call, first: false)
  }

  /// Begins a call again that its server has refused unseen.
  func startAgain(_ call: ClientCall) { place(call, first: true) }

  /// A connection has become ready, has room, or takes no more calls.
  func connectionChanged(_ connection: ClientConnection) {
    if case .connecting(let connector) = state, connector.connection === connection, connection.isReady {
      connector.succeeded()
      failures = 0
      state = .connected(connection)
    }
    guard case .connected(let current) = state, current === connection else { return }
    if connection.isUsable {
      sendWaiting(connection)
    } else {
      leaving[ObjectIdentifier(connection)] = connection
      state = .idle
      if waitingCount > 0 { connect() }
    }
  }

  func connectionClosed(_ connection: ClientConnection) {
    leaving[ObjectIdentifier(connection)] = nil
    switch state {
    case .connected(let current) where current === connection:
      state = .idle
      if waitingCount > 0 { connect() }
    case .connecting(let connector) where connector.connection === connection:
      connector.connectionFailed()
    default: return
    }
  }

  /// Ends everything: calls fail with UNAVAILABLE, connections close.
  func close() {
    let old = state
    state = .closed
    let error = RPCError(.unavailable, "the channel was closed")
    for call in takeWaiting() { call.fail(error) }
    switch old {
    case .connecting(let connector): connector.cancel()
    case .connected(let connection): shut(connection)
    case .resting(let timer, _): timer.cancel()
    case .idle, .closed: break
    }
    for connection in Array(leaving.values) { shut(connection) }
  }

  private func shut(_ connection: ClientConnection) {
    connection.act { session throws(HTTP2Error) in
      try session.terminate(.noError)
      try session.collectOutput()
    }
    connection.close()
  }

  private func place(_ call: ClientCall, first: Bool) {
    switch state {
    case .closed: return call.fail(RPCError(.unavailable, "the channel was closed"))
    case .resting(_, let error) where !call.options.waitForReady: return call.fail(error)
    default: break
    }
    guard waitingCount < configuration.limits.waitingCallsMax else {
      return call.fail(RPCError(.resourceExhausted, "too many calls wait for \(target)"))
    }
    waitingCount += 1
    call.leftQueue = { [weak self] in self?.waitingCount -= 1 }
    if first { waiting.insert(call, at: waitingHead) } else { waiting.append(call) }
    if case .idle = state { connect() }
    if case .connected(let connection) = state { sendWaiting(connection) }
  }

  private func sendWaiting(_ connection: ClientConnection) {
    while waitingHead < waiting.count, connection.hasRoom {
      let call = waiting[waitingHead]
      waitingHead += 1
      guard !call.isOver else { continue }
      waitingCount -= 1
      call.leftQueue = nil
      guard connection.send(call) else {
        call.fail(RPCError(.unavailable, "the connection failed"))
        continue
      }
    }
    compactWaiting()
  }

  private func compactWaiting() {
    guard waitingHead == waiting.count || waitingHead > 1024 else { return }
    waiting.removeFirst(waitingHead)
    waitingHead = 0
  }

  private func takeWaiting() -> [ClientCall] {
    let taken = waiting[waitingHead...].filter { !$0.isOver }
    for call in taken { call.leftQueue = nil }
    waiting = []
    waitingHead = 0
    waitingCount = 0
    return taken
  }

  private func connect() {
    let connector = Connector(target, resolver: resolver, timeout: configuration.connectTimeout, loop) { [self] fd in
      try ClientConnection(
        fd, owner: self, authority: target.authority, credentials: configuration.credentials,
        limits: configuration.limits,
        tls: try configuration.tls.map { try TLSLayer($0.source.current, serverName: $0.serverName ?? target.host) })
    }
    state = .connecting(connector)
    connector.start { [weak self, unowned connector] error in self?.connectFailed(connector, error) }
  }

  private func connectFailed(_ connector: Connector, _ reason: String) {
    guard case .connecting(let current) = state, current === connector else { return }
    failures += 1
    let error = RPCError(.unavailable, "cannot connect to \(target): \(reason)")
    let delay = configuration.backoff.delay(failures: failures, random: .random(in: -1...1))
    let timer = loop.schedule(after: delay) { [weak self] in
      guard let self else { return }
      state = .idle
      if waitingCount > 0 { connect() }
    }
    state = .resting(timer, error)
    for call in takeWaiting() {
      if call.options.waitForReady { place(call, first: false) } else { call.fail(error) }
    }
  }
}
