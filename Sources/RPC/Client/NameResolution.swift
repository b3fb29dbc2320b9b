import EventLoop

/// Turns a target's endpoints into addresses, again and again. Loop-confined.
///
/// Names are looked up when the first call comes, when connections fail, and regularly while there are calls. Numeric
/// endpoints are known from the start.
final class NameResolution {
  /// The addresses when no name has to be looked up.
  let fixed: [SocketAddress]?
  private let endpoints: [RPCTarget.Endpoint]
  private let configuration: RPCChannelConfiguration
  private let loop: EventLoop
  private let isInUse: () -> Bool
  private let found: (Result<[SocketAddress], any Error>) -> Void
  private var state = State.idle
  private var failures = 0

  private typealias LookUp = @Sendable (String, UInt16) throws -> [SocketAddress]

  private enum State {
    case idle
    case looking
    /// Until the timer fires nothing is looked up; then it is when someone asked for it meanwhile, or at the end of
    /// the interval.
    case resting(LoopTimer, since: MonotonicTime)
    case stopped
  }

  // Names are looked up rarely, and by few channels at a time.
  private static let resolver = BlockingPool(name: "resolver", threads: 2, queueMax: 64)

  /// - Parameters:
  ///   - isInUse: whether there were calls since it was asked last.
  ///   - found: called with every outcome of a look-up, on the loop.
  init(
    _ target: RPCTarget, _ configuration: RPCChannelConfiguration, on loop: EventLoop, isInUse: @escaping () -> Bool,
    found: @escaping (Result<[SocketAddress], any Error>) -> Void
  ) {
    endpoints = target.endpoints
    self.configuration = configuration
    self.loop = loop
    self.isInUse = isInUse
    self.found = found
    let known = target.endpoints.compactMap(Self.known)
    fixed = known.count == target.endpoints.count ? known : nil
  }

  /// Looks up now if it never was, or as soon as the least interval allows.
  func refresh() {
    guard fixed == nil else { return }
    switch state {
    case .idle: look()
    case .resting(let timer, let since):
      let age = loop.now.since(since)
      let pause = failures > 0 ? configuration.backoff.delay(failures: failures, random: 0) : .zero
      timer.cancel()
      rest(max(configuration.resolveIntervalMin, pause) - age, since: since, always: true)
    case .looking, .stopped: return
    }
  }

  func stop() {
    if case .resting(let timer, _) = state { timer.cancel() }
    state = .stopped
  }

  private func look() {
    state = .looking
    Self.look(endpoints, with: configuration.lookUp, for: LoopBound(self, loop))
  }

  private func looked(_ outcome: Result<[SocketAddress], any Error>) {
    guard case .looking = state else { return }
    if case .failure = outcome {
      failures += 1
      rest(configuration.backoff.delay(failures: failures, random: 0), since: loop.now, always: false)
    } else {
      failures = 0
      rest(configuration.resolveInterval, since: loop.now, always: false)
    }
    found(outcome)
  }

  private func rest(_ duration: Duration, since: MonotonicTime, always: Bool) {
    let timer = loop.schedule(after: max(duration, .zero)) { [weak self] in
      guard let self, case .resting = state else { return }
      if always || isInUse() { look() } else { rest(configuration.resolveInterval, since: since, always: false) }
    }
    state = .resting(timer, since: since)
  }

  private static func known(_ endpoint: RPCTarget.Endpoint) -> SocketAddress? {
    switch endpoint {
    case .unix(let path): .unix(path: path)
    case .tcp(let host, let port): SocketAddress(numericHost: host, port: port)
    }
  }

  private static func look(
    _ endpoints: [RPCTarget.Endpoint], with lookUp: @escaping LookUp, for resolution: LoopBound<NameResolution>
  ) {
    _ = Task<Void, Never>(executorPreference: resolution.loop) {
      let outcome: Result<[SocketAddress], any Error>
      do {
        outcome = .success(try await resolver.run { try addresses(endpoints, lookUp) })
      } catch {
        outcome = .failure(error)
      }
      resolution.value.looked(outcome)
    }
  }

  // Blocks. Names that cannot be looked up are left out while others can.
  private static func addresses(_ endpoints: [RPCTarget.Endpoint], _ lookUp: LookUp) throws -> [SocketAddress] {
    var found: [SocketAddress] = []
    var failure: (any Error)?
    for endpoint in endpoints {
      if let address = known(endpoint) {
        if !found.contains(address) { found.append(address) }
      } else if case .tcp(let host, let port) = endpoint {
        do {
          for address in try lookUp(host, port) where !found.contains(address) {
            found.append(address)
          }
        } catch { failure = error }
      }
    }
    if found.isEmpty, let failure { throw failure }
    return found
  }
}
