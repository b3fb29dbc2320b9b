import Crypto
import TicketLedger

/// Keyed hashes of mail addresses, by which senders are counted and addresses are blocked without being kept.
struct AddressHashes: Sendable {
  private let key: HMACSHA256

  init(_ ledgerKey: LedgerKey) { key = ledgerKey.derivedKey(for: "senders of mails") }

  /// 16 bytes, the same for every way in which the letters of an address are written.
  func hash(of address: String) -> [UInt8] { Array(key.authenticate(Array(address.lowercased().utf8)).prefix(16)) }
}
