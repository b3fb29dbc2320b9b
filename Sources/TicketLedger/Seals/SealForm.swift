package import Postgres

/// How that looks what masking seals for other daemons (`SealSecret`): a byte, the length of the key's id, the id, and
/// the seal. So its owner can tell which key made it, though not what is in it.
package enum SealForm {
  /// The first byte.
  package static let version: UInt8 = 1

  /// The id of the key that made a seal; empty for what is no seal, which is older than all.
  package static func keyID(of sealed: [UInt8]) -> String {
    guard sealed.count > 2, sealed[0] == version else { return "" }
    return String(decoding: sealed[2...].prefix(Int(sealed[1])), as: UTF8.self)
  }

  /// SQL for the same of the seal in a column.
  package static func keyID(of column: Query) -> Query {
    """
    (CASE WHEN octet_length(\(fragment: column)) > 2 AND get_byte(\(fragment: column), 0) = \(Int32(version))
      THEN encode(substring(\(fragment: column) FROM 3 FOR get_byte(\(fragment: column), 1)), 'escape')
      ELSE '' END COLLATE "C")
    """
  }
}
