import ServiceKit
import TicketLedger

extension RequestCheck {
  /// Takes what `read` makes of a field, or notes why that cannot be.
  mutating func value<Value>(_ field: String, _ read: () throws(ServiceError) -> Value) -> Value? {
    do throws(ServiceError) {
      return try read()
    } catch {
      if error.violations.isEmpty { require(false, field, error.message) }
      for violation in error.violations { require(false, violation.field, violation.description) }
      return nil
    }
  }

  /// A one-line text in canonical form; empty when it is noted as wrong.
  mutating func line(_ text: String, _ field: String, charactersMax: Int, mayBeBlank: Bool = false) -> String {
    value(field) { () throws(ServiceError) in
      try CanonicalText.line(text, field: field, charactersMax: charactersMax, mayBeBlank: mayBeBlank)
    } ?? ""
  }

  /// A text in canonical form, which may be blank; empty when it is noted as wrong.
  mutating func text(_ text: String, _ field: String, charactersMax: Int) -> String {
    value(field) { () throws(ServiceError) in
      try CanonicalText.text(text, field: field, charactersMax: charactersMax, mayBeBlank: true)
    } ?? ""
  }

  /// A resource name that may be left out.
  mutating func optionalName<Name: ResourceName>(_ text: String, _ field: String) -> Name? {
    (value(field) { () throws(ServiceError) in try Name.optional(text, field: field) }) ?? nil
  }

  /// Notes a name that is none; the name itself is read again once the check is done.
  mutating func name<Name: ResourceName>(_ text: String, _ field: String, _: Name.Type) {
    _ = value(field) { () throws(ServiceError) in try Name(text, field: field) }
  }

  /// A value of an open enumeration; what is left out is `unspecified`, what is not known is noted.
  mutating func choice<Value: CaseIterable & Equatable>(
    _ number: Int32, _ field: String, unspecified: Value?
  ) -> Value? where Value.AllCases == [Value] {
    if number == 0 { return unspecified }
    let value = Value(number: number)
    require(value != nil, field, "is not a value of this field")
    return value
  }

  /// Notes a request id that is none.
  mutating func requestID(_ requestID: String) {
    _ = value("request_id") { () throws(ServiceError) in
      try IdempotencyClaim.claim(caller: "", method: "", requestID: requestID, request: [])
    }
  }

  /// Notes a version that no ticket can have.
  mutating func version(_ version: Int64) {
    require(version >= 0, "version", "must not be negative; 0 stands for whatever it is now")
  }
}
