import EventLoop
import HTTP2

/// The header block of a request while it is read; one per connection, since blocks do not interleave.
struct RequestHead {
  enum ContentKind {
    case none
    case grpc
    case other
  }

  /// Empty for POST.
  private(set) var method: [UInt8] = []
  private(set) var isPost = false
  private(set) var path: [UInt8] = []
  private(set) var authority: [UInt8] = []
  private(set) var userAgent: [UInt8] = []
  private(set) var route: Route?
  private(set) var content = ContentKind.none
  private(set) var timeout: Duration?
  private(set) var timeoutIsMalformed = false
  /// Nil for an encoding not known here.
  private(set) var encoding: MessageEncoding? = .identity
  private(set) var acceptsGzip = false
  private(set) var metadata = Metadata()

  mutating func reset() {
    method.removeAll(keepingCapacity: true)
    isPost = false
    path.removeAll(keepingCapacity: true)
    authority.removeAll(keepingCapacity: true)
    userAgent.removeAll(keepingCapacity: true)
    route = nil
    content = .none
    timeout = nil
    timeoutIsMalformed = false
    encoding = .identity
    acceptsGzip = false
    metadata = Metadata()
  }

  mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ routes: RouteTable) {
    switch name.count {
    case 2 where name.matches("te"): return
    case 4 where name.matches("host"):
      if authority.isEmpty { authority.append(contentsOf: value) }
    case 5 where name.matches(":path"):
      route = routes[value]
      // The route knows its path; keeping an unknown one is for the answer and for plain HTTP.
      if route == nil { path.append(contentsOf: value) }
    case 7 where name.matches(":method"):
      isPost = value.matches("POST")
      if !isPost { method.append(contentsOf: value) }
    case 7 where name.matches(":scheme"): return
    case 10 where name.matches(":authority"): authority.append(contentsOf: value)
    case 10 where name.matches("user-agent"): userAgent.append(contentsOf: value)
    case 12 where name.matches("content-type"):
      content = value.isGRPCContentType ? .grpc : .other
      if content == .other { metadata.appendRaw(name, value) }
    case 12 where name.matches("grpc-timeout"):
      timeout = CallTimeout.parse(value)
      timeoutIsMalformed = timeout == nil
    case 13 where name.matches("grpc-encoding"): encoding = MessageEncoding(value)
    // libnghttp2 has compared it with the body.
    case 14 where name.matches("content-length"): return
    case 20 where name.matches("grpc-accept-encoding"): acceptsGzip = MessageEncoding.hasGzip(value)
    default: metadata.appendRaw(name, value)
    }
  }

  /// The method as text.
  var methodText: String { isPost ? "POST" : String(decoding: method, as: UTF8.self) }

  /// The path as text.
  var pathText: String { route?.path ?? String(decoding: path, as: UTF8.self) }
}
