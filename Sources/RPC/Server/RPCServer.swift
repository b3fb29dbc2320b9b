package import EventLoop
import Synchronization

/// A gRPC server over HTTP/2 on TCP or unix sockets, which also hands plain HTTP requests to a handler of their own.
///
/// Connections are spread over the loops; a connection and the handlers of its calls stay on one loop.
package final class RPCServer: Sendable {
  private let group: EventLoopGroup
  private let configuration: RPCServerConfiguration
  private let loops: [LoopBound<ServerLoop>]
  private let acceptor: LoopBound<Acceptor>
  private let addresses = Mutex<[SocketAddress]>([])

  /// Prepares a server.
  ///
  /// - Parameters:
  ///   - services: what is offered; no two methods may have one path.
  ///   - interceptors: see every call, in this order.
  ///   - http: answers requests whose content type is not gRPC's; without it they get 415 or 405.
  package init(
    group: EventLoopGroup, configuration: RPCServerConfiguration, services: [RPCService],
    interceptors: [any ServerInterceptor] = [], http: (any HTTPHandler)? = nil
  ) {
    self.group = group
    self.configuration = configuration
    let routes = RouteTable(services)
    let acceptor = LoopBound(Acceptor(connectionsMax: configuration.limits.connectionsMax), group.loops[0])
    loops = group.loops.map { loop in
      let core = ServerCore(
        on: loop, routes: routes, interceptors: interceptors, limits: configuration.limits, http: http,
        status: configuration.status, tls: configuration.tls, refusedPeer: configuration.refusedPeer)
      let closed: () -> Void = { acceptor.loop.execute { acceptor.value.connectionClosed() } }
      return LoopBound(ServerLoop(loop, core: core, connectionClosed: closed), loop)
    }
    self.acceptor = acceptor
  }

  /// The addresses listened on, with the ports the system chose; empty before ``start()``.
  package var boundAddresses: [SocketAddress] { addresses.withLock { $0 } }

  /// Listens and begins to serve.
  ///
  /// - Throws: ``SocketError`` when an address cannot be listened on; then none is.
  package func start() async throws {
    let bound = try await acceptor.loop.perform { [acceptor, loops, configuration] in
      try acceptor.value.listen(configuration.listen, on: acceptor.loop, loops)
    }
    addresses.withLock { $0 = bound }
  }

  /// Ends gracefully: no new connections, clients are told to go elsewhere (GOAWAY), running calls may end. What is
  /// left after `grace` is cancelled. Returns when every connection is closed.
  package func drain(within grace: Duration) async {
    let deadline = Deadline.after(grace)
    _ = try? await acceptor.loop.perform { [acceptor] in acceptor.value.close() }
    for loop in loops { loop.loop.execute { loop.value.beginDrain() } }
    for loop in loops {
      await Task(executorPreference: loop.loop) { await loop.value.finishDrain(deadline) }.value
    }
  }
}

/// Accepts for all loops and counts the connections. Loop-confined.
private final class Acceptor {
  private let connectionsMax: Int
  private var connections = 0
  private var listeners: [Listener] = []
  private var nextLoop = 0

  init(connectionsMax: Int) { self.connectionsMax = connectionsMax }

  func listen(
    _ wanted: [SocketAddress], on loop: EventLoop, _ loops: [LoopBound<ServerLoop>]
  ) throws -> [SocketAddress] {
    do {
      for address in wanted {
        let fd = try Socket.listen(address)
        listeners.append(
          try Listener(fd, on: loop) { [unowned self] fd, peer in accepted(fd, peer, loops) })
      }
    } catch {
      close()
      throw error
    }
    return listeners.map(\.address)
  }

  func close() {
    for listener in listeners { listener.close() }
    listeners = []
  }

  func connectionClosed() {
    connections -= 1
    for listener in listeners { listener.pause(false) }
  }

  private func accepted(_ fd: Int32, _ peer: SocketAddress?, _ loops: [LoopBound<ServerLoop>]) {
    connections += 1
    if connections >= connectionsMax { for listener in listeners { listener.pause(true) } }
    let name =
      switch peer {
      case .some(let address) where address.port != nil: address.description
      default: "unix"
      }
    let target = loops[nextLoop % loops.count]
    nextLoop &+= 1
    target.loop.execute { target.value.adopt(fd, peer: name) }
  }
}

extension EventLoop {
  /// Runs `work` on the loop and returns what it returns; from any executor.
  func perform<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Result, any Error>) in
      execute { continuation.resume(with: Swift.Result { try work() }) }
    }
  }
}
