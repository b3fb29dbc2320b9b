import Postgres
package import RPCProtos
package import ServiceKit

/// The values of requests that are the same in all services.
extension RequestCheck {
  /// Takes what `read` makes of a field, or notes why that cannot be.
  package mutating func value<Value>(_ field: String, _ read: () throws(ServiceError) -> Value) -> Value? {
    do throws(ServiceError) {
      return try read()
    } catch {
      if error.violations.isEmpty { require(false, field, error.message) }
      for violation in error.violations { require(false, violation.field, violation.description) }
      return nil
    }
  }

  /// A one-line text in canonical form; empty when it is noted as wrong.
  package mutating func line(_ text: String, _ field: String, charactersMax: Int, mayBeBlank: Bool = false) -> String {
    value(field) { () throws(ServiceError) in
      try CanonicalText.line(text, field: field, charactersMax: charactersMax, mayBeBlank: mayBeBlank)
    } ?? ""
  }

  /// A text in canonical form, which may be blank; empty when it is noted as wrong.
  package mutating func text(_ text: String, _ field: String, charactersMax: Int) -> String {
    value(field) { () throws(ServiceError) in
      try CanonicalText.text(text, field: field, charactersMax: charactersMax, mayBeBlank: true)
    } ?? ""
  }

  /// A resource name that may be left out.
  package mutating func optionalName<Name: ResourceName>(_ text: String, _ field: String) -> Name? {
    (value(field) { () throws(ServiceError) in try Name.optional(text, field: field) }) ?? nil
  }

  /// Notes a name that is none; the name itself is read again once the check is done.
  package mutating func name<Name: ResourceName>(_ text: String, _ field: String, _: Name.Type) {
    _ = value(field) { () throws(ServiceError) in try Name(text, field: field) }
  }

  /// A value of an open enumeration; what is left out is `unspecified`, what is not known is noted.
  package mutating func choice<Value: CaseIterable & Equatable>(
    _ number: Int32, _ field: String, unspecified: Value?
  ) -> Value? where Value.AllCases == [Value] {
    if number == 0 { return unspecified }
    let value = Value(number: number)
    require(value != nil, field, "is not a value of this field")
    return value
  }

  /// The paths of an update mask; notes a mask that is missing, and paths that cannot be changed.
  package mutating func mask(_ mask: FieldMask?, _ known: [String]) -> Set<String> {
    let paths = mask?.paths ?? []
    require(!paths.isEmpty, "update_mask", "is required: name what to change, of \(known.joined(separator: ", "))")
    for path in Set(paths).sorted() where !known.contains(path) {
      // What was sent may be anything; only what can be a name is repeated.
      let shown = CodeChange.isCode(path) ? path : "a path"
      require(false, "update_mask", "\(shown) cannot be changed; what can: \(known.joined(separator: ", "))")
    }
    return Set(paths)
  }

  /// Notes a request id that is none.
  package mutating func requestID(_ requestID: String) {
    _ = value("request_id") { () throws(ServiceError) in
      try IdempotencyClaim.check(requestID: requestID)
    }
  }

  /// Notes a version that no ticket can have.
  package mutating func version(_ version: Int64) {
    require(version >= 0, "version", "must not be negative; 0 stands for whatever it is now")
  }
}
