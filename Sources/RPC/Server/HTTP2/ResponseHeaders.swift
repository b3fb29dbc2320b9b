import HTTP2

/// Header blocks of answers; those that most answers share are built once.
enum ResponseHeaders {
  static let ok = head()
  static let okTrailers: HTTP2Headers = {
    var headers = HTTP2Headers()
    headers.append("grpc-status", "0")
    return headers
  }()

  static func head(_ metadata: Metadata = Metadata(), compresses: Bool = false) -> HTTP2Headers {
    var headers = HTTP2Headers()
    headers.append(":status", "200")
    headers.append("content-type", "application/grpc")
    if compresses { headers.append("grpc-encoding", MessageEncoding.gzipName) }
    headers.append(metadata)
    return headers
  }

  /// An answer without gRPC in it, for a request that is none.
  static func refusal(_ status: StaticString) -> HTTP2Headers {
    var headers = HTTP2Headers()
    headers.append(":status", status)
    headers.append("content-length", "0")
    return headers
  }

  /// Appends the status fields to a block of headers (trailers-only) or of trailers.
  static func status(_ error: RPCError?, trailers: Metadata?, to headers: inout HTTP2Headers) {
    headers.append("grpc-status", error?.code.wireText ?? "0")
    if let error, !error.message.isEmpty {
      StatusMessage.encode(error.message).withUnsafeBytes { headers.append("grpc-message", bytes: $0) }
    }
    if let error, let details = StatusDetails.encode(error) {
      details.withUnsafeBytes { headers.append(StatusDetails.name, bytes: $0) }
    }
    if let trailers { headers.append(trailers) }
  }
}

extension HTTP2Headers {
  mutating func append(_ metadata: Metadata) {
    metadata.forEachRaw { name, value in append(name: name, value: value) }
  }
}

extension StatusCode {
  /// The decimal number as it stands in `grpc-status`.
  var wireText: StaticString {
    switch self {
    case .ok: "0"
    case .cancelled: "1"
    case .unknown: "2"
    case .invalidArgument: "3"
    case .deadlineExceeded: "4"
    case .notFound: "5"
    case .alreadyExists: "6"
    case .permissionDenied: "7"
    case .resourceExhausted: "8"
    case .failedPrecondition: "9"
    case .aborted: "10"
    case .outOfRange: "11"
    case .unimplemented: "12"
    case .internal: "13"
    case .unavailable: "14"
    case .dataLoss: "15"
    case .unauthenticated: "16"
    }
  }
}
