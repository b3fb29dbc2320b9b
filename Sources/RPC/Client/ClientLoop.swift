import EventLoop
import HTTP2

/// The part of a channel that lives on one loop: the addresses, a connection to each that is used, and the calls that
/// wait for one. Loop-confined.
///
/// Connects when there is a call. While every address has failed, calls that do not ask to wait fail, too.
final class ClientLoop {
  let loop: EventLoop
  private let target: RPCTarget
  private let configuration: RPCChannelConfiguration
  private var resolution: NameResolution!
  private var resolutionFailure: RPCError?
  /// One for all addresses with `pickFirst`, one for each with `roundRobin`.
  private var subchannels: [Subchannel] = []
  private var turn: Int
  private let waiting = CallQueue()
  private var throttle: RetryThrottle
  /// Connections that take no further calls but have some to end.
  private var leaving: [ObjectIdentifier: ClientConnection] = [:]
  private var isClosed = false
  private var wasUsed = false

  init(_ loop: EventLoop, target: RPCTarget, configuration: RPCChannelConfiguration) {
    self.loop = loop
    self.target = target
    self.configuration = configuration
    throttle = configuration.throttle
    turn = .random(in: 0..<1024)
    resolution = NameResolution(
      target, configuration, on: loop,
      isInUse: { [unowned self] in
        defer { wasUsed = false }
        return wasUsed
      },
      found: { [weak self] in self?.resolved($0) })
    if let addresses = resolution.fixed { use(addresses) }
  }

  /// Begins a call.
  func start(_ call: ClientCall) {
    guard call.prepare(by: self) else { return }
    wasUsed = true
    if waiting.count == 0, let connection = pick(), connection.send(call) { return }
    place(call, first: false)
  }

  /// Begins a call again that its server has refused unseen, or that is to be retried.
  func startAgain(_ call: ClientCall) {
    if !call.isOver { place(call, first: true) }
  }

  /// Whether the channel's calls fare well enough for one to be retried; counts its failure.
  func failed(_ call: ClientCall) -> Bool {
    throttle.failed()
    return throttle.allowsRetries && !isClosed
  }

  func succeeded(_ call: ClientCall) { throttle.succeeded() }

  /// Ends everything: calls fail with UNAVAILABLE, connections close.
  func close() {
    isClosed = true
    resolution.stop()
    for call in waiting.takeAll() { call.fail(Self.closedError) }
    for subchannel in subchannels { subchannel.close(atOnce: true) }
    subchannels = []
    for connection in Array(leaving.values) { connection.shut() }
  }

  // MARK: Told by subchannels

  /// Calls may have become possible or impossible.
  func changed(_ subchannel: Subchannel) {
    sendWaiting()
    failHopeless()
  }

  /// A connect has failed or a connection was lost: perhaps the addresses are no longer true.
  func lost(_ subchannel: Subchannel) {
    guard !isClosed else { return }
    resolution.refresh()
    failHopeless()
    if waiting.count > 0 { connect() }
  }

  /// The wait after a failure is over.
  func rested(_ subchannel: Subchannel) {
    if waiting.count > 0 || configuration.balancing == .roundRobin { subchannel.connect() }
  }

  func leaves(_ connection: ClientConnection) { leaving[ObjectIdentifier(connection)] = connection }

  func left(_ connection: ClientConnection) { leaving[ObjectIdentifier(connection)] = nil }

  // MARK: Addresses

  private func resolved(_ outcome: Result<[SocketAddress], any Error>) {
    guard !isClosed else { return }
    switch outcome {
    case .success(let addresses) where !addresses.isEmpty:
      resolutionFailure = nil
      use(addresses)
    case .success: resolutionFailure = RPCError(.unavailable, "\(target) has no address")
    case .failure(let error): resolutionFailure = RPCError(.unavailable, "cannot look up \(target): \(error)")
    }
    if subchannels.isEmpty {
      failHopeless()
      if waiting.count > 0 { resolution.refresh() }
    } else if waiting.count > 0 {
      connect()
      sendWaiting()
    }
  }

  private func use(_ addresses: [SocketAddress]) {
    switch configuration.balancing {
    case .pickFirst:
      if let only = subchannels.first, only.connectedAddress.map(addresses.contains) ?? true {
        // Whatever it is doing goes on; the next connect tries the new ones.
        only.addresses = addresses
      } else {
        replace([], adding: [addresses])
      }
    case .roundRobin:
      let chosen =
        addresses.count > configuration.limits.addressesMax
        ? Array(addresses.shuffled().prefix(configuration.limits.addressesMax)) : addresses
      let kept = subchannels.filter { $0.addresses.allSatisfy(addresses.contains) }
      let known = kept.flatMap(\.addresses)
      let room = max(0, configuration.limits.addressesMax - kept.count)
      replace(kept, adding: chosen.filter { !known.contains($0) }.prefix(room).map { [$0] })
    }
  }

  private func replace(_ kept: [Subchannel], adding new: [[SocketAddress]]) {
    let gone = subchannels.filter { old in !kept.contains { $0 === old } }
    subchannels = kept + new.map { Subchannel($0, owner: self, target: target, configuration: configuration) }
    for subchannel in gone { subchannel.close(atOnce: false) }
  }

  // MARK: Calls

  /// The next connection in turn that has room; starts to connect those that it passes and nobody has.
  private func pick() -> ClientConnection? {
    let count = subchannels.count
    for _ in 0..<count {
      turn &+= 1
      if turn >= count { turn = 0 }
      let subchannel = subchannels[turn]
      if let connection = subchannel.connection { return connection }
      subchannel.connect()
    }
    return nil
  }

  private func place(_ call: ClientCall, first: Bool) {
    guard !isClosed else { return call.fail(Self.closedError) }
    if !call.waitsForReady, let failure { return call.fail(failure) }
    guard waiting.count < configuration.limits.waitingCallsMax else {
      return call.fail(RPCError(.resourceExhausted, "too many calls wait for \(target)"))
    }
    waiting.add(call, first: first)
    if subchannels.isEmpty { resolution.refresh() }
    connect()
    sendWaiting()
  }

  private func connect() { for subchannel in subchannels { subchannel.connect() } }

  private func sendWaiting() {
    while waiting.count > 0, let connection = pick(), let call = waiting.next() {
      if !connection.send(call) { call.fail(RPCError(.unavailable, "the connection failed")) }
    }
  }

  /// Why no call can be sent soon; nil while some address may still answer.
  private var failure: RPCError? {
    guard !subchannels.isEmpty else { return resolutionFailure }
    return subchannels.allSatisfy { $0.failure != nil } ? subchannels.last?.failure : nil
  }

  private func failHopeless() {
    guard waiting.count > 0, let failure else { return }
    for call in waiting.takeAll() {
      if call.waitsForReady { waiting.add(call, first: false) } else { call.fail(failure) }
    }
  }

  static let closedError = RPCError(.unavailable, "the channel was closed")
}
