import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

extension RequestCheck {
  /// Most languages that something can be named in.
  static let languagesMax = 50

  /// The last place among siblings. Several may have the same; they stand in the order in which they were added.
  static let positionMax: Int32 = 1_000_000

  /// A place among siblings; the first when it is noted as wrong.
  mutating func position(_ position: Int32, _ field: String) -> Int32 {
    let isWithin = (0...Self.positionMax).contains(position)
    require(isWithin, field, "must be 0 to \(Self.positionMax)")
    return isWithin ? position : 0
  }

  /// Notes what is wrong with the languages of a list of names.
  mutating func languages(_ languages: [String], _ field: String) {
    require(languages.count <= Self.languagesMax, field, "must be at most \(Self.languagesMax)")
    require(Set(languages).count == languages.count, field, "must name each language once")
    for (index, language) in languages.prefix(Self.languagesMax).enumerated() {
      require(CanonicalText.isLanguage(language), "\(field)[\(index)].language", "is not an ISO 639-1 code such as en")
    }
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

  /// The code by which the organization's own systems know a customer, in its stored form; empty for none, and when it
  /// is noted as wrong. Asterisks stand for what is masked, so no code has any.
  mutating func userCode(_ text: String, _ field: String) -> String {
    let code = line(text, field, charactersMax: FieldLimits.userCodeCharactersMax, mayBeBlank: true)
    let isReadable = !code.utf8.contains(UInt8(ascii: "*"))
    require(isReadable, field, "must not hold asterisks")
    return isReadable ? code : ""
  }

  /// A time that must be there, between the years 2000 and 2100.
  mutating func time(_ time: Timestamp?, _ field: String) -> Instant {
    let seconds = time?.seconds ?? 0
    let isWithin = (946_684_800..<4_102_444_800).contains(seconds)
    require(isWithin, field, "is required: a time between the years 2000 and 2100")
    return Instant(microsecondsSinceEpoch: isWithin ? seconds * 1_000_000 + Int64(time?.nanos ?? 0) / 1_000 : 0)
  }
}
