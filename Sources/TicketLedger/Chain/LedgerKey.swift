package import Crypto
package import ServiceKit

/// The key that seals the head of every event chain and hashes the texts that the chain covers. The database never has
/// it: whoever edits the database cannot seal anew, and whoever reads it cannot find out a masked phone number by
/// hashing every number there is.
package struct LedgerKey: Sendable {
  /// Bytes of a key.
  package static let byteCount = 32

  private let code: HMACSHA256
  /// Hashes requests that may be repeated.
  let requests: HMACSHA256
  /// Makes page tokens.
  package let pages: PageKey

  /// Takes a key; nil when it is not 32 bytes long.
  package init?(_ key: SecretBytes) {
    guard key.count == Self.byteCount else { return nil }
    code = HMACSHA256(key: key)
    requests = HMACSHA256(key: Self.key(for: "repeated requests", under: code))
    pages = PageKey(HMACSHA256(key: Self.key(for: "page tokens", under: code)))
  }

  /// Reads a key from the text of its file: 64 hexadecimal digits, white space around them ignored; nil for anything
  /// else.
  package init?(hex text: String) {
    let digits = text.filter { !$0.isWhitespace }
    guard var bytes = Hex.decode(digits) else { return nil }
    defer { wipe(&bytes) }
    self.init(SecretBytes(bytes))
  }

  /// A key of 32 bytes for another purpose, which tells nothing of this one.
  func key(for purpose: String) -> SecretBytes { Self.key(for: purpose, under: code) }

  private static func key(for purpose: String, under code: HMACSHA256) -> SecretBytes {
    var encoder = ChainEncoder()
    encoder.append("key")
    encoder.append(purpose)
    return SecretBytes(code.authenticate(encoder.bytes))
  }

  /// A code under a key for something else, from which this key cannot be found out.
  ///
  /// - Parameter purpose: what it is for; different purposes have different keys.
  package func derivedKey(for purpose: String) -> HMACSHA256 {
    HMACSHA256(key: key(for: purpose))
  }

  /// Hash of a text with a salt; the chain covers it in place of the text, which masking may change.
  func hash(of text: String, salt: [UInt8]) -> [UInt8] {
    var encoder = ChainEncoder()
    encoder.append("text")
    encoder.append(salt)
    encoder.append(text)
    return code.authenticate(encoder.bytes)
  }

  /// Bytes of a ``hash(of:at:of:)``.
  static let placeHashByteCount = 16

  /// Hash of words at a place of a ticket, for words that are written there once: no two places have the same salt.
  func hash(of words: String, at place: String, of ticket: TicketLink) -> [UInt8] {
    var salt = ChainEncoder()
    salt.append(ticket.serviceID.rawValue)
    salt.append(ticket.ticketID.rawValue)
    salt.append(place)
    return Array(hash(of: words, salt: salt.bytes).prefix(Self.placeHashByteCount))
  }

  /// Whether a text is the one that was hashed; no text has no hash.
  func isTrue(_ text: String?, _ hash: [UInt8]?, _ salt: [UInt8]) -> Bool {
    text.map { self.hash(of: $0, salt: salt) } == hash
  }

  /// The seal of a chain's head, 32 bytes.
  func seal(_ serviceID: ServiceID, _ ticketID: TicketID, eventCount: Int32, hash: [UInt8]) -> [UInt8] {
    code.authenticate(Self.message(serviceID, ticketID, eventCount, hash))
  }

  /// Whether a seal fits the head; takes the same time for every wrong one.
  func isValid(
    _ seal: [UInt8], _ serviceID: ServiceID, _ ticketID: TicketID, eventCount: Int32, hash: [UInt8]
  ) -> Bool {
    code.isValid(seal, for: Self.message(serviceID, ticketID, eventCount, hash))
  }

  private static func message(
    _ serviceID: ServiceID, _ ticketID: TicketID, _ eventCount: Int32, _ hash: [UInt8]
  ) -> [UInt8] {
    var encoder = ChainEncoder()
    encoder.append(serviceID.rawValue)
    encoder.append(ticketID.rawValue)
    encoder.append(Int64(eventCount))
    encoder.append(hash)
    return encoder.bytes
  }
}
