/// A finished mail with its envelope, checked so that nothing in it can be read as a command.
package struct SMTPMessage: Sendable {
  /// Where bounces go; empty for mail that must not bounce (RFC 5321 §4.5.5).
  package let sender: String
  /// Who gets it, 1 to ``recipientsMax`` addresses, each on one line.
  package let recipients: [String]
  /// Header and body as sent: every line ends in CRLF. Dots at line starts are not doubled yet.
  let content: [UInt8]

  /// Most recipients of one mail; RFC 5321 §4.5.3.1.8 has every server take this many.
  package static let recipientsMax = 100
  /// Most bytes of one mail; larger ones are refused by most servers of the world.
  package static let contentBytesMax = 25 * 1024 * 1024

  /// Checks the envelope and brings line ends to CRLF.
  ///
  /// A lone CR or LF becomes CRLF too: servers differ on whether it ends a line, which has let mail be smuggled in
  /// mail.
  ///
  /// - Throws: `SMTPMessageError`: an address that is empty, too long or holds control characters, blanks or angle
  ///   brackets; no or too many recipients; a mail that is empty, too large or holds NUL.
  package init(sender: String, recipients: [String], content: [UInt8]) throws(SMTPMessageError) {
    guard sender.isEmpty || Self.isAddress(sender) else { throw .addressInvalid(sender) }
    for recipient in recipients where !Self.isAddress(recipient) { throw .addressInvalid(recipient) }
    guard !recipients.isEmpty else { throw .recipientsMissing }
    guard recipients.count <= Self.recipientsMax else { throw .recipientsTooMany(recipients.count) }
    guard !content.isEmpty, !content.contains(0) else { throw .contentInvalid }
    guard content.count <= Self.contentBytesMax else { throw .contentTooLarge(content.count) }
    self.sender = sender
    self.recipients = recipients
    self.content = Self.withCanonicalLineEnds(content)
  }

  /// One `@` at least, with something on either side, and no byte that could end or split an SMTP command.
  private static func isAddress(_ text: String) -> Bool {
    // 256 bytes of path, brackets included (RFC 5321 §4.5.3.1.3).
    guard text.utf8.count <= 254, let at = text.lastIndex(of: "@") else { return false }
    guard at != text.startIndex, text.index(after: at) != text.endIndex else { return false }
    return text.utf8.allSatisfy { byte in
      byte > 0x20 && byte != 0x7f && byte != UInt8(ascii: "<") && byte != UInt8(ascii: ">")
    }
  }

  private static func withCanonicalLineEnds(_ content: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(content.count + content.count / 32 + 2)
    var previous: UInt8 = 0
    for byte in content {
      switch byte {
      case 0x0d: result.append(contentsOf: [0x0d, 0x0a])
      case 0x0a: if previous != 0x0d { result.append(contentsOf: [0x0d, 0x0a]) }
      default: result.append(byte)
      }
      previous = byte
    }
    if result.last != 0x0a { result.append(contentsOf: [0x0d, 0x0a]) }
    return result
  }
}

/// Why a mail cannot be sent as it is.
package enum SMTPMessageError: Error, Sendable, Equatable {
  case addressInvalid(String)
  case recipientsMissing
  case recipientsTooMany(Int)
  /// Empty, or with a NUL byte.
  case contentInvalid
  case contentTooLarge(Int)
}
