import EventLoop
import HTTP2

/// What a client has read of a response's header blocks, and the status they come to.
struct ResponseHead {
  private(set) var httpStatus = 0
  private(set) var isGRPC = false
  private(set) var encoding: MessageEncoding? = .identity
  private(set) var metadata = Metadata()
  private var status: [UInt8]?
  private var message = ""

  var hasStatus: Bool { status != nil }

  /// What the server says about sending the call again (gRPC proposal A6).
  var pushback: Pushback {
    guard let text = metadata["grpc-retry-pushback-ms"] else { return .none }
    guard let milliseconds = Int32(text), milliseconds >= 0 else { return .never }
    return .after(.milliseconds(milliseconds))
  }

  enum Pushback {
    case none
    case after(Duration)
    case never
  }

  /// Forgets fields of the block before: an informational response, or the headers when trailers come.
  mutating func beginBlock() { metadata = Metadata() }

  mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    switch name.count {
    case 7 where name.matches(":status"):
      httpStatus = value.reduce(0) { $0 * 10 + Int($1) - 48 }
    case 11 where name.matches("grpc-status"): status = Array(value)
    case 12 where name.matches("grpc-message"): message = StatusMessage.decode(value)
    case 12 where name.matches("content-type"): isGRPC = value.isGRPCContentType
    case 13 where name.matches("grpc-encoding"): encoding = MessageEncoding(value)
    case 20 where name.matches("grpc-accept-encoding"): return
    default: metadata.appendRaw(name, value)
    }
  }

  /// The outcome once the response has ended by itself; nil for OK.
  var error: RPCError? {
    guard let status else {
      let (code, text) = Self.code(httpStatus: httpStatus)
      return RPCError(code, text, metadata: metadata)
    }
    // One or two digits; anything else is no status this library knows.
    let number = Int32(String(decoding: status.prefix(3), as: UTF8.self))
    guard let number, let code = StatusCode(rawValue: number) else {
      return RPCError(.unknown, message, metadata: metadata)
    }
    guard code != .ok else { return nil }
    return RPCError(code, message, details: StatusDetails.decode(metadata), metadata: metadata)
  }

  // grpc/doc/http-grpc-status-mapping.md
  private static func code(httpStatus: Int) -> (StatusCode, String) {
    let text = "the server answered with HTTP status \(httpStatus) and no grpc-status"
    return switch httpStatus {
    case 400, 431: (.internal, text)
    case 401: (.unauthenticated, text)
    case 403: (.permissionDenied, text)
    case 404: (.unimplemented, text)
    case 429, 502, 503, 504: (.unavailable, text)
    default: (.unknown, text)
    }
  }
}

extension RPCError {
  /// What a reset of the stream by the server means (gRPC over HTTP/2, "Errors").
  init(reset code: HTTP2ErrorCode) {
    let text = "the stream was reset: \(code)"
    switch code {
    case .refusedStream: self.init(.unavailable, text)
    case .cancel: self.init(.cancelled, text)
    case .enhanceYourCalm: self.init(.resourceExhausted, text)
    case .inadequateSecurity: self.init(.permissionDenied, text)
    case .noError, .protocolError, .internalError, .flowControlError, .settingsTimeout, .frameSizeError,
      .compressionError, .connectError:
      self.init(.internal, text)
    default: self.init(.unknown, text)
    }
  }
}
