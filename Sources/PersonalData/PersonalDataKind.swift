/// What kinds of personal data Handoff recognizes; raw values and order as in the API.
package enum PersonalDataKind: String, CaseIterable, Sendable {
  /// A phone number.
  case phone = "PHONE"
  /// An e-mail address.
  case email = "EMAIL"
  /// A Korean resident registration number.
  case residentRegistrationNumber = "RESIDENT_REGISTRATION_NUMBER"
  /// A payment card number.
  case cardNumber = "CARD_NUMBER"
  /// A Korean foreigner registration number.
  case foreignerRegistrationNumber = "FOREIGNER_REGISTRATION_NUMBER"
  /// A bank account number.
  case bankAccount = "BANK_ACCOUNT"
  /// A Korean passport number.
  case passport = "PASSPORT"
  /// A Korean driver's licence number.
  case driverLicence = "DRIVER_LICENCE"
  /// A Korean business registration number.
  case businessNumber = "BUSINESS_NUMBER"
  /// An IP address.
  case ipAddress = "IP_ADDRESS"
  /// What a pattern of the service describes.
  case ownPattern = "OWN_PATTERN"
}

/// A span of a text that looks personal, by Unicode scalars.
package struct PersonalDataFinding: Equatable, Sendable {
  /// What it looks like.
  package let kind: PersonalDataKind
  /// Position of the first scalar.
  package let start: Int
  /// Number of scalars.
  package let length: Int
  /// How sure the scanner is: 0 to 100.
  package let confidencePercent: Int32

  /// Position behind the last scalar.
  package var end: Int { start + length }
  /// The span.
  package var span: ScalarSpan { ScalarSpan(start: start, length: length) }

  /// Describes a finding.
  package init(kind: PersonalDataKind, start: Int, length: Int, confidencePercent: Int32) {
    self.kind = kind
    self.start = start
    self.length = length
    self.confidencePercent = confidencePercent
  }
}
