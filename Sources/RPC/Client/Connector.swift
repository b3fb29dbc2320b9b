import EventLoop

/// One attempt to reach a target: every address of every endpoint in turn, until one speaks HTTP/2. Loop-confined.
final class Connector {
  private(set) var connection: ClientConnection?
  private let target: RPCTarget
  private let resolver: BlockingPool
  private let timeout: Duration
  private let loop: EventLoop
  private let make: (Int32) throws -> ClientConnection
  private var failed: ((String) -> Void)?
  private var addresses: [SocketAddress] = []
  private var reason = "no address"
  private var fd: Int32 = -1
  private var watch: Watch?
  private var timer: LoopTimer?

  init(
    _ target: RPCTarget, resolver: BlockingPool, timeout: Duration, _ loop: EventLoop,
    make: @escaping (Int32) throws -> ClientConnection
  ) {
    self.target = target
    self.resolver = resolver
    self.timeout = timeout
    self.loop = loop
    self.make = make
  }

  /// Begins; `failed` is called at most once, with a text for people, unless the connection becomes ready.
  func start(failed: @escaping (String) -> Void) {
    self.failed = failed
    var numeric: [SocketAddress] = []
    for endpoint in target.endpoints {
      guard let address = Self.known(endpoint) else {
        return resolve()
      }
      numeric.append(address)
    }
    addresses = numeric
    tryNext()
  }

  /// The connection has become ready: the attempt is over.
  func succeeded() {
    timer?.cancel()
    failed = nil
  }

  /// The connection was lost before it was ready.
  func connectionFailed() {
    reason = connection?.fault ?? "the connection ended before the server spoke HTTP/2"
    connection = nil
    tryNext()
  }

  /// Gives up silently.
  func cancel() {
    failed = nil
    addresses = []
    dropSocket()
    timer?.cancel()
    let connection = self.connection
    self.connection = nil
    connection?.close()
  }

  private static func known(_ endpoint: RPCTarget.Endpoint) -> SocketAddress? {
    switch endpoint {
    case .unix(let path): .unix(path: path)
    case .tcp(let host, let port): SocketAddress(numericHost: host, port: port)
    }
  }

  private func resolve() {
    Self.resolve(target.endpoints, on: resolver, for: LoopBound(self, loop))
  }

  private static func resolve(
    _ endpoints: [RPCTarget.Endpoint], on resolver: BlockingPool, for connector: LoopBound<Connector>
  ) {
    _ = Task<Void, Never>(executorPreference: connector.loop) {
      let found = await lookUp(endpoints, on: resolver)
      connector.value.resolved(found)
    }
  }

  private static func lookUp(
    _ endpoints: [RPCTarget.Endpoint], on resolver: BlockingPool
  ) async -> Result<[SocketAddress], any Error> {
    do { return .success(try await resolver.run { try lookUp(endpoints) }) } catch { return .failure(error) }
  }

  // Blocks.
  private static func lookUp(_ endpoints: [RPCTarget.Endpoint]) throws -> [SocketAddress] {
    var found: [SocketAddress] = []
    var failure: SocketError?
    for endpoint in endpoints {
      if let address = known(endpoint) {
        found.append(address)
      } else if case .tcp(let host, let port) = endpoint {
        do { found += try SocketAddress.resolve(host: host, port: port) } catch { failure = error }
      }
    }
    if found.isEmpty, let failure { throw failure }
    return found
  }

  private func resolved(_ found: Result<[SocketAddress], any Error>) {
    guard failed != nil else { return }
    switch found {
    case .success(let addresses): self.addresses = addresses
    case .failure(let error): reason = "\(error)"
    }
    tryNext()
  }

  private func tryNext() {
    timer?.cancel()
    guard let failed else { return }
    guard !addresses.isEmpty else {
      self.failed = nil
      return failed(reason)
    }
    do {
      fd = try Socket.connect(addresses.removeFirst())
    } catch {
      reason = "\(error)"
      // Never from within `start`, so that its caller has a state to fail from.
      return loop.executeLocally { self.tryNext() }
    }
    watch = loop.watch(fd, .write) { [unowned self] _ in connected() }
    timer = loop.schedule(after: timeout) { [unowned self] in timedOut() }
  }

  private func connected() {
    watch?.cancel()
    watch = nil
    if let error = Socket.connectError(fd) {
      reason = "\(error)"
      dropSocket()
      return tryNext()
    }
    do {
      let connection = try make(fd)
      fd = -1
      self.connection = connection
      connection.open()
    } catch {
      reason = "\(error)"
      dropSocket()
      tryNext()
    }
  }

  private func timedOut() {
    reason = "timed out"
    if let connection {
      self.connection = nil
      connection.close()
    }
    dropSocket()
    tryNext()
  }

  private func dropSocket() {
    watch?.cancel()
    watch = nil
    if fd >= 0 { Socket.close(fd) }
    fd = -1
  }
}
