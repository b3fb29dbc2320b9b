import ServiceKit
import TicketLedger

/// A mail address as accounts and triggers name one.
enum EmailAddress {
  /// Bytes of an address (RFC 5321, 4.5.3.1.3, without the angle brackets).
  static let bytesMax = 254

  /// Takes an address of visible ASCII characters without outer white space.
  ///
  /// - Throws: REQUEST_INVALID naming the field.
  static func checked(_ text: String, field: String) throws(ServiceError) -> String {
    let email = try CanonicalText.line(text, field: field, charactersMax: bytesMax)
    let parts = email.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), email.utf8.count <= bytesMax,
      email.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { throw .invalid(field, "must be an address such as name@example.com") }
    return email
  }
}
