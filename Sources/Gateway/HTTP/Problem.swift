import MessageJSON
import Protobuf
import RPC
import ServiceKit

/// An error as the JSON API tells it: `application/problem+json` (RFC 9457).
struct Problem {
  /// The HTTP status.
  let status: Int
  /// The header fields of the answer.
  let headers: [(name: String, value: String)]
  /// The JSON text.
  let body: [UInt8]

  /// The path of a field as JSON names it: `customer.display_name` becomes `customer.displayName`.
  static func jsonPath(_ path: String) -> String {
    var result = ""
    var raise = false
    for character in path {
      if character == "_" {
        raise = true
      } else {
        result += raise ? character.uppercased() : String(character)
        raise = false
      }
    }
    return result
  }

  /// Renders an error. What is no ``ServiceError`` or ``RPCError`` is told as "internal error" and nothing more.
  ///
  /// - Parameter isConditional: whether the request named a version by `if-match`, so that HTTP has its own status for
  ///   a version that is not the current one.
  init(_ error: any Error, requestID: String, isConditional: Bool = false) {
    var extra: [(name: String, value: String)] = []
    let known: ServiceError
    var status: Int?
    switch error {
    case let error as ServiceError: known = error
    case let error as VerbNotAllowed:
      extra = [error.field]
      status = 405
      known = ServiceError(.methodNotFound, "This path takes \(error.field.value).")
    case let error as MediaTypeNotSupported:
      extra = [error.accepted]
      status = 415
      known = ServiceError(.requestInvalid, error.detail)
    case let error as RPCError: known = ServiceError(error)
    case let error as any RPCErrorConvertible: known = ServiceError(error.rpcError)
    case is ProtobufError: known = ServiceError(.requestInvalid, "The message is malformed.")
    default: known = ServiceError.internal(error)
    }
    if isConditional, known.reason == .staleVersion {
      status = 412
      if let version = known.metadata["current_version"].flatMap({ Int64($0) }) {
        extra.append(("etag", EntityTag.text(version: version)))
      }
    }
    self.status = status ?? known.reason.entry.httpStatus
    var members = [
      JSONMember(name: "title", value: .string(known.reason.entry.text)),
      JSONMember(name: "status", value: .number(String(self.status))),
      JSONMember(name: "detail", value: .string(known.message)),
      JSONMember(name: "reason", value: .string(known.reason.rawValue)),
      JSONMember(name: "requestId", value: .string(requestID)),
    ]
    if !known.violations.isEmpty {
      let violations = known.violations.map { violation in
        JSONValue.object([
          JSONMember(name: "field", value: .string(Self.jsonPath(violation.field))),
          JSONMember(name: "description", value: .string(violation.description)),
        ])
      }
      members.append(JSONMember(name: "violations", value: .array(violations)))
    }
    if !known.metadata.isEmpty {
      let pairs = known.metadata.sorted { $0.key < $1.key }.map { JSONMember(name: $0.key, value: .string($0.value)) }
      members.append(JSONMember(name: "metadata", value: .object(pairs)))
    }
    body = JSONWriter.bytes(of: .object(members))
    if let seconds = known.metadata["retry_after_seconds"] { extra.append(("retry-after", seconds)) }
    if let limit = known.metadata["limit"], known.reason == .tooManyRequests {
      extra += [("ratelimit-limit", limit), ("ratelimit-remaining", "0")]
      extra.append(("ratelimit-reset", known.metadata["retry_after_seconds"] ?? "1"))
    }
    if self.status == 401 { extra.append(("www-authenticate", "Bearer")) }
    headers = [("content-type", "application/problem+json"), ("cache-control", "no-store")] + extra
  }
}
