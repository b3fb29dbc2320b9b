import Crypto
package import TicketLedger

/// Keys the hashes by which mails are known again, so that nobody who reads the database finds out what stands in a
/// mail by hashing what may stand there. A plain SHA-256 of former times is keyed as it is: no mail is needed for that.
package struct MailPrintKey: Sendable {
  private let key: HMACSHA256

  /// Takes a key that the ledger's is the source of.
  package init(_ ledgerKey: LedgerKey) { key = ledgerKey.derivedKey(for: "mails that come in") }

  /// The keyed hash of a SHA-256, 32 bytes.
  func keyed(_ hash: [UInt8]) -> [UInt8] { key.authenticate(hash) }

  /// The keyed hash of a body that another mail has already: of its Message-ID no two have the same one.
  func keyed(_ bodyHash: [UInt8], ofMail id: Int64) -> [UInt8] {
    key.authenticate(bodyHash + Array("/\(id)".utf8))
  }
}
