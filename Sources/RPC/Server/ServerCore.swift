import Crypto
import EventLoop

/// What the calls of one loop share: the routes, the interceptors, the limits and the count of running handlers.
/// Loop-confined.
final class ServerCore {
  let routes: RouteTable
  let interceptors: [any ServerInterceptor]
  let limits: RPCServerLimits
  let http: (any HTTPHandler)?
  let status: @Sendable (any Error) -> RPCError
  let tls: TLSSource?
  let refusedPeer: @Sendable (_ peer: String, _ reason: String) -> Void
  /// Where the handlers run.
  let handlers: HandlerTasks
  /// Calls that are over, whose objects serve further ones.
  var spareCalls: [HTTP2ServerCall] = []
  /// Handlers that have not ended, also those whose call is over: a client that resets its streams quickly must not be
  /// able to have any number of them.
  var handlersRunning = 0
  /// Bytes of incomplete requests on all connections.
  var bytesHeld = 0
  /// Bytes of answers that wait for clients, as last looked at.
  var bytesWaiting = 0

  var isOverloaded: Bool {
    handlersRunning >= limits.handlersPerLoopMax || bytesHeld + bytesWaiting > limits.heldBytesPerLoopMax
  }

  init(
    on loop: EventLoop, routes: RouteTable, interceptors: [any ServerInterceptor], limits: RPCServerLimits,
    http: (any HTTPHandler)?,
    status: @escaping @Sendable (any Error) -> RPCError = { RPCError(thrown: $0) }, tls: TLSSource? = nil,
    refusedPeer: @escaping @Sendable (_ peer: String, _ reason: String) -> Void = { _, _ in }
  ) {
    handlers = HandlerTasks(loop)
    self.routes = routes
    self.interceptors = interceptors
    self.limits = limits
    self.http = http
    self.status = status
    self.tls = tls
    self.refusedPeer = refusedPeer
  }
}

/// One method at its path.
final class Route: Sendable {
  let target: CallTarget
  let handler: RPCMethodHandler
  private let pathBytes: [UInt8]

  init(path: String, service: String, handler: RPCMethodHandler) {
    target = CallTarget(service: service, method: handler.name, path: path, handlerID: handler.id)
    self.handler = handler
    pathBytes = Array(path.utf8)
  }

  var path: String { target.path }

  func isAt(_ path: UnsafeRawBufferPointer) -> Bool {
    pathBytes.count == path.count && pathBytes.withUnsafeBytes { $0.elementsEqual(path) }
  }
}

/// Finds a method by the bytes of a path, without making a string of them.
struct RouteTable: Sendable {
  private var slots: [Route?]
  private let mask: Int

  init(_ services: [RPCService]) {
    var all: [Route] = []
    for service in services {
      let simple = service.name.split(separator: ".").last.map(String.init) ?? service.name
      for method in service.methods {
        all.append(Route(path: "/\(service.name)/\(method.name)", service: simple, handler: method))
      }
    }
    var size = 16
    while size < all.count * 2 { size *= 2 }
    slots = [Route?](repeating: nil, count: size)
    mask = size - 1
    for route in all { insert(route) }
  }

  subscript(path: UnsafeRawBufferPointer) -> Route? {
    var index = Self.hash(path) & mask
    while let route = slots[index] {
      if route.isAt(path) { return route }
      index = (index + 1) & mask
    }
    return nil
  }

  private mutating func insert(_ route: Route) {
    var path = route.path
    var index = path.withUTF8 { Self.hash(UnsafeRawBufferPointer($0)) } & mask
    while let other = slots[index] {
      precondition(other.path != route.path, "two handlers for \(route.path)")
      index = (index + 1) & mask
    }
    slots[index] = route
  }

  // FNV-1a. Paths of callers are only looked up, never stored, so collisions cannot be piled up.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32) & Int.max
  }
}
