import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

extension RequestCheck {
  /// Most languages that something can be named in.
  static let languagesMax = 50

  /// Notes what is wrong with the languages of a list of names.
  mutating func languages(_ languages: [String], _ field: String) {
    require(languages.count <= Self.languagesMax, field, "must be at most \(Self.languagesMax)")
    require(Set(languages).count == languages.count, field, "must name each language once")
    for (index, language) in languages.prefix(Self.languagesMax).enumerated() {
      require(NewTicket.isLanguage(language), "\(field)[\(index)].language", "is not an ISO 639-1 code such as en")
    }
  }

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

  /// The paths of an update mask; notes a mask that is missing, and paths that cannot be changed.
  mutating func mask(_ mask: FieldMask?, _ known: [String]) -> Set<String> {
    let paths = mask?.paths ?? []
    require(!paths.isEmpty, "update_mask", "is required: name what to change, of \(known.joined(separator: ", "))")
    for path in Set(paths).sorted() where !known.contains(path) {
      // What was sent may be anything; only what can be a name is repeated.
      let shown = CodeChange.isCode(path) ? path : "a path"
      require(false, "update_mask", "\(shown) cannot be changed; what can: \(known.joined(separator: ", "))")
    }
    return Set(paths)
  }

  /// A mail address in its stored form; empty for none, and when it is noted as wrong.
  mutating func email(_ text: String, _ field: String) -> String {
    if text.isEmpty { return "" }
    let email = ContactData.email(text)
    require(email != nil, field, "is not a mail address such as name@example.com")
    return email ?? ""
  }

  /// A phone number in its stored form; empty for none, and when it is noted as wrong.
  mutating func phone(_ text: String, _ field: String) -> String {
    if text.isEmpty { return "" }
    let phone = ContactData.phone(text)
    require(phone != nil, field, "is not a phone number: 3 to 30 digits, with a leading + when international")
    return phone ?? ""
  }

  /// A time that must be there, between the years 2000 and 2100.
  mutating func time(_ time: Timestamp?, _ field: String) -> Instant {
    let seconds = time?.seconds ?? 0
    let isWithin = (946_684_800..<4_102_444_800).contains(seconds)
    require(isWithin, field, "is required: a time between the years 2000 and 2100")
    return Instant(microsecondsSinceEpoch: isWithin ? seconds * 1_000_000 + Int64(time?.nanos ?? 0) / 1_000 : 0)
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
