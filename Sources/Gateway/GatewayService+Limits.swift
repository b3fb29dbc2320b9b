import Protobuf
import ServiceKit

/// What keys have of the methods that are open to them in part.
extension ScopeLimit {
  /// Checks that a request says nothing that is refused.
  ///
  /// - Throws: PERMISSION_DENIED with the fields and the scope that they need; REQUEST_INVALID for bytes that are no
  ///   message.
  func check(_ request: [UInt8], as type: MessageDescriptor, of route: Route) throws(ServiceError) {
    let message: DynamicMessage
    do {
      message = try DynamicMessage(serialized: request, as: type, in: Arena())
    } catch {
      throw ServiceError(.requestInvalid, "the message cannot be read: \(error)")
    }
    let said = fieldsRefused.filter { message.says($0) }
    guard !said.isEmpty else { return }
    let scope = Scope.usual(for: route).rawValue
    throw ServiceError(
      .permissionDenied,
      "this API key may not say \(said.joined(separator: ", ")): leave it out, or use a key with the scope \(scope)",
      violations: said.map { FieldViolation($0, "needs the scope \(scope)") }, metadata: ["scopes": scope])
  }

  /// An answer with what is shown of it.
  func shown(_ answer: [UInt8], as type: MessageDescriptor) throws(ServiceError) -> [UInt8] {
    do {
      return try DynamicMessage(serialized: answer, as: type, in: Arena()).keeping(only: fieldsShown).serialized()
    } catch {
      throw ServiceError.internal(error)
    }
  }
}

extension DynamicMessage {
  /// Whether a field, which is named by a dotted path, is set.
  fileprivate func says(_ path: String) -> Bool {
    var message = self
    var names = path.split(separator: ".")[...]
    while let name = names.popFirst(), let field = message.descriptor.schema.field(named: String(name)) {
      if names.isEmpty { return message.isPresent(field) }
      guard field.kind == .message, !field.isRepeated, let inner = message.message(field) else { return false }
      message = inner
    }
    return false
  }
}
