import Protobuf
import RPC
import ServiceKit

/// What the header fields of a request say that a field of its message can say, too: `if-match` is `version`,
/// `idempotency-key` is `request_id`.
enum RequestTerms {
  private static let requestIDBytesMax = 128

  /// Puts the fields of the header into the message.
  ///
  /// - Throws: REQUEST_INVALID for a field that is malformed, that the method has no use for (the caller relies on it),
  ///   or that contradicts the message.
  static func apply(_ request: HTTPRequest, to message: DynamicMessage) throws(ServiceError) {
    if let field = request.header("if-match") { try apply(ifMatch: field, to: message) }
    if let field = request.header("idempotency-key") { try apply(idempotencyKey: field, to: message) }
  }

  private static func apply(ifMatch text: String, to message: DynamicMessage) throws(ServiceError) {
    guard let condition = EntityTag.condition(text) else {
      throw .invalid("if-match", "must be one ETag as an answer gave it, such as \"7\", or *")
    }
    guard let field = message.descriptor.schema.field(named: "version"), field.kind == .int64 else {
      throw .invalid("if-match", "is not for this method, which takes no version")
    }
    guard case .version(let version) = condition else { return }
    let said = message.int64(field)
    guard said == 0 || said == version else {
      throw .invalid("if-match", "is another version than the one in the body")
    }
    try put { () throws(ProtobufError) in try message.put(version, in: field) }
  }

  private static func apply(idempotencyKey text: String, to message: DynamicMessage) throws(ServiceError) {
    // The field is a quoted text by its draft, and a bare one in much of the world.
    let isQuoted = text.utf8.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
    let key = isQuoted ? String(text.dropFirst().dropLast()) : text
    guard (1...requestIDBytesMax).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .invalid("idempotency-key", "must be 1 to \(requestIDBytesMax) visible ASCII characters")
    }
    guard let field = message.descriptor.schema.field(named: "request_id"), field.kind == .string else {
      throw .invalid("idempotency-key", "is not for this method, which takes no request id")
    }
    let said = message.string(field)
    guard said.isEmpty || said == key else { throw .invalid("idempotency-key", "is another one than the requestId") }
    try put { () throws(ProtobufError) in try message.put(key, in: field) }
  }

  private static func put(_ body: () throws(ProtobufError) -> Void) throws(ServiceError) {
    do { try body() } catch { throw ServiceError(.internal, cause: error) }
  }
}
