import Crypto
import EventLoop
import HTTP2

/// One place that a channel's calls of one loop can go to: a connection to the first of its addresses that answers,
/// made when it is wanted and again when it is lost. Loop-confined.
///
/// After a failed connect the next one waits, longer each time.
final class Subchannel {
  private enum State {
    case idle
    case connecting(Connector)
    case ready(ClientConnection)
    case resting(LoopTimer)
    case closed
  }

  /// In the order in which they are tried.
  var addresses: [SocketAddress]
  let loop: EventLoop
  let configuration: RPCChannelConfiguration
  /// Why the last connect failed, or why the server takes no calls; nil while there is hope.
  private(set) var failure: RPCError?
  private weak var owner: ClientLoop?
  private let target: RPCTarget
  private var state = State.idle
  private var failures = 0
  private var health: HealthWatch?
  /// Doubled by a server that is pinged too often.
  private var keepaliveFactor = 1

  init(_ addresses: [SocketAddress], owner: ClientLoop, target: RPCTarget, configuration: RPCChannelConfiguration) {
    self.addresses = addresses
    self.owner = owner
    loop = owner.loop
    self.target = target
    self.configuration = configuration
  }

  /// Where calls can be sent now.
  var connection: ClientConnection? {
    guard case .ready(let connection) = state, connection.hasRoom, health?.isServing ?? true else { return nil }
    return connection
  }

  /// The address of the connection.
  var connectedAddress: SocketAddress? {
    if case .ready(let connection) = state { connection.address } else { nil }
  }

  /// Connects unless it is connected, connecting, or resting after a failure.
  func connect() {
    guard case .idle = state else { return }
    let connector = Connector(addresses, timeout: configuration.connectTimeout, loop) { [self] fd in
      try ClientConnection(
        fd, owner: self, authority: target.authority, keepaliveFactor: keepaliveFactor,
        tls: try configuration.tls.map { try TLSLayer($0.source.current, serverName: $0.serverName ?? target.host) })
    }
    state = .connecting(connector)
    connector.start { [weak self] connector, reason in self?.connectFailed(connector, reason) }
  }

  /// The address is gone from the target, or the channel is closed: takes no more calls.
  ///
  /// - Parameter atOnce: ends the calls on the connection, too.
  func close(atOnce: Bool) {
    let old = state
    state = .closed
    health?.stop()
    switch old {
    case .connecting(let connector): connector.cancel()
    case .ready(let connection):
      if atOnce { connection.shut() } else { leave(connection) }
    case .resting(let timer): timer.cancel()
    case .idle, .closed: break
    }
  }

  // MARK: Told by the connection

  /// A connection has become ready, has room, or takes no more calls.
  func connectionChanged(_ connection: ClientConnection) {
    if case .connecting(let connector) = state, connector.connection === connection, connection.isReady {
      connector.succeeded()
      failures = 0
      failure = nil
      state = .ready(connection)
      watchHealth(connection)
    }
    guard case .ready(let current) = state, current === connection else { return }
    if !connection.isUsable {
      state = .idle
      failure = nil
      health?.stop()
      health = nil
      leave(connection)
    }
    owner?.changed(self)
  }

  func connectionClosed(_ connection: ClientConnection) {
    owner?.left(connection)
    switch state {
    case .ready(let current) where current === connection:
      state = .idle
      failure = nil
      health?.stop()
      health = nil
      owner?.lost(self)
    case .connecting(let connector) where connector.connection === connection:
      connector.connectionFailed()
    default: return
    }
  }

  func startAgain(_ call: ClientCall) {
    if let owner { owner.startAgain(call) } else { call.fail(ClientLoop.closedError) }
  }

  /// The server counts our pings as abuse.
  func pingedTooOften() { keepaliveFactor = min(keepaliveFactor * 2, 1 << 10) }

  private func leave(_ connection: ClientConnection) {
    owner?.leaves(connection)
    connection.retire()
  }

  private func watchHealth(_ connection: ClientConnection) {
    guard let service = configuration.healthService, configuration.balancing == .roundRobin else { return }
    health = HealthWatch(service, on: connection, loop: loop) { [weak self] isServing in
      guard let self else { return }
      failure =
        isServing ? nil : RPCError(.unavailable, "\(connection.address) says that it takes no calls (NOT_SERVING)")
      owner?.changed(self)
    }
  }

  private func connectFailed(_ connector: Connector, _ reason: String) {
    guard case .connecting(let current) = state, current === connector else { return }
    failures += 1
    failure = RPCError(.unavailable, "cannot connect to \(target): \(reason)")
    let delay = configuration.backoff.delay(failures: failures, random: .random(in: -1...1))
    let timer = loop.schedule(after: delay) { [weak self] in
      guard let self, case .resting = state else { return }
      state = .idle
      failure = nil
      owner?.rested(self)
    }
    state = .resting(timer)
    owner?.lost(self)
  }
}
