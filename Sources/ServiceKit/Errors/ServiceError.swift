/// The one error of the services: what went wrong for the caller, and for our logs its cause.
///
/// Message, violations and metadata travel to the caller: no secrets and no personal data in them.
package struct ServiceError: Error, Sendable {
  /// The row of the error catalogue, from which the gRPC and HTTP status follow.
  package let reason: Reason
  /// What is wrong and what to do next, in English, for whoever calls.
  package var message: String
  /// The fields that are wrong, for reasons that are about the request.
  package var violations: [FieldViolation]
  /// Facts for programs, such as `current_version`; keys are lower_snake_case.
  package var metadata: [String: String]
  /// What led here; logged, never sent.
  package var cause: (any Error)?

  /// Makes an error; without a message the catalogue's text is used.
  package init(
    _ reason: Reason, _ message: String? = nil, violations: [FieldViolation] = [], metadata: [String: String] = [:],
    cause: (any Error)? = nil
  ) {
    self.reason = reason
    self.message = message ?? reason.entry.text
    self.violations = violations
    self.metadata = metadata
    self.cause = cause
  }

  /// REQUEST_INVALID for one field; the message is made of the two.
  package static func invalid(_ field: String, _ description: String) -> ServiceError {
    invalid([FieldViolation(field, description)])
  }

  /// REQUEST_INVALID for several fields at once, of which there is at least one.
  package static func invalid(_ violations: [FieldViolation]) -> ServiceError {
    let text = violations.map { "\($0.field): \($0.description)" }.joined(separator: "; ")
    return ServiceError(.requestInvalid, text, violations: violations)
  }

  /// INTERNAL with nothing but the catalogue's text for the caller; `cause` is for the log.
  package static func `internal`(_ cause: any Error) -> ServiceError {
    ServiceError(.internal, cause: cause)
  }
}

/// One wrong field of a request.
package struct FieldViolation: Sendable, Hashable {
  /// The path of the field in the request: `ticket.customer.email`.
  package let field: String
  /// What is wrong, and what would be right.
  package let description: String

  /// Names a field by its path and says what is wrong with it.
  package init(_ field: String, _ description: String) {
    self.field = field
    self.description = description
  }
}

extension ServiceError: Equatable {
  /// Equal when the caller sees the same; causes are not compared.
  package static func == (left: ServiceError, right: ServiceError) -> Bool {
    left.reason == right.reason && left.message == right.message && left.violations == right.violations
      && left.metadata == right.metadata
  }
}

extension ServiceError: CustomStringConvertible {
  /// `STALE_VERSION: someone changed it meanwhile …`
  package var description: String { "\(reason.rawValue): \(message)" }
}

/// Collects the wrong fields of a request, so that a caller learns all of them at once.
package struct RequestCheck: Sendable {
  /// What has been noted so far, in the order of the checks.
  package private(set) var violations: [FieldViolation] = []
  /// The reason that the catalogue has for the first thing that is wrong; nil: none but that it is.
  private var reason: Reason?

  /// Begins a check in which nothing is wrong yet.
  package init() {}

  /// Notes that `field` is wrong unless `condition` holds.
  package mutating func require(_ condition: Bool, _ field: String, _ description: @autoclosure () -> String) {
    if !condition { violations.append(FieldViolation(field, description())) }
  }

  /// Notes that `field` is wrong unless `condition` holds, which the catalogue has a reason for.
  package mutating func require(
    _ condition: Bool, _ field: String, _ description: @autoclosure () -> String, as reason: Reason
  ) {
    if !condition, violations.isEmpty { self.reason = reason }
    require(condition, field, description())
  }

  /// Ends the check.
  ///
  /// - Throws: REQUEST_INVALID with everything noted; when that is one thing that has a reason of its own, that reason.
  package func done() throws(ServiceError) {
    if violations.isEmpty { return }
    if violations.count == 1, let reason { throw ServiceError(reason, violations: violations) }
    throw .invalid(violations)
  }
}
