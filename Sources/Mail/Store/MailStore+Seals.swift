import EventLoop
import Postgres
import TicketLedger

/// Where mail keeps what masking sealed for it.
enum SealTable: CaseIterable, Sendable {
  /// The bytes of mails that came in.
  case pieces
  /// What the list of mails that wait shows of them.
  case summaries
}

extension MailStore {
  /// A seal that an older key than the current one made.
  struct OldSeal: Sendable {
    let position: SealPosition
    let sealed: [UInt8]
    let contentHash: [UInt8]
  }

  /// Where a seal stands in the order of its table.
  struct SealPosition: Sendable {
    var keyID = ""
    var service = ServiceID(0)
    var mail: Int64 = 0
    /// Of the piece; 0 for a summary.
    var number: Int32 = -1
  }

  /// Most pieces of mails that are read at a time; each has up to 2 MiB, and is sent back twice.
  static let oldPiecesMax = 2
  /// Most summaries.
  static let oldSummariesMax = 16

  /// Seals of keys before this one, those behind a position.
  func oldSeals(
    _ table: SealTable, before key: String, after position: SealPosition, deadline: Deadline
  ) async throws -> [OldSeal] {
    let rows: Query =
      switch table {
      case .pieces:
        """
        SELECT p.key_id, p.service_id, p.mail_id, p.number, p.sealed, i.content_hash
        FROM inbound_mail_piece AS p JOIN inbound_mail AS i ON i.service_id = p.service_id AND i.id = p.mail_id
        WHERE p.key_id < \(key) AND (p.key_id, p.service_id, p.mail_id, p.number)
          > (\(position.keyID), \(position.service), \(position.mail), \(position.number))
        ORDER BY p.key_id, p.service_id, p.mail_id, p.number LIMIT \(Self.oldPiecesMax)
        """
      case .summaries:
        """
        SELECT i.summary_key_id, i.service_id, i.id, 0::integer, i.sealed_summary, i.content_hash
        FROM inbound_mail AS i
        WHERE i.sealed_summary IS NOT NULL AND i.summary_key_id < \(key)
          AND (i.summary_key_id, i.service_id, i.id) > (\(position.keyID), \(position.service), \(position.mail))
        ORDER BY i.summary_key_id, i.service_id, i.id LIMIT \(Self.oldSummariesMax)
        """
      }
    return try await query(rows, deadline: deadline).map { row in
      OldSeal(
        position: SealPosition(
          keyID: try row.string(0), service: try row.value(1), mail: try row.int64(2), number: try row.int32(3)),
        sealed: try row.value(4), contentHash: try row.value(5))
    }
  }

  /// Puts seals in the places of old ones that are still there.
  func replace(
    _ table: SealTable, _ seals: [(old: OldSeal, new: RawMailVault.Piece)], deadline: Deadline
  ) async throws {
    let new: Query = """
      unnest(\(seals.map(\.old.position.service)), \(seals.map(\.old.position.mail)),
        \(seals.map(\.old.position.number)), \(seals.map(\.old.sealed)), \(seals.map(\.new.sealed)),
        \(seals.map(\.new.keyID))) AS v (service_id, mail_id, number, old, sealed, key_id)
      """
    switch table {
    case .pieces:
      _ = try await query(
        """
        UPDATE inbound_mail_piece AS p SET sealed = v.sealed, key_id = v.key_id FROM \(fragment: new)
        WHERE p.service_id = v.service_id AND p.mail_id = v.mail_id AND p.number = v.number AND p.sealed = v.old
        """, deadline: deadline)
    case .summaries:
      _ = try await query(
        """
        UPDATE inbound_mail AS i SET sealed_summary = v.sealed, summary_key_id = v.key_id FROM \(fragment: new)
        WHERE i.service_id = v.service_id AND i.id = v.mail_id AND i.sealed_summary = v.old
        """, deadline: deadline)
    }
  }

  /// How many seals of other keys than this one there are: of older ones, and of a newer one that was lost.
  func oldSealCount(butOf key: String, deadline: Deadline) async throws -> Int64 {
    try await query(
      """
      SELECT (SELECT count(*) FROM inbound_mail_piece WHERE key_id < \(key) OR key_id > \(key))
        + (SELECT count(*) FROM inbound_mail
          WHERE sealed_summary IS NOT NULL AND (summary_key_id < \(key) OR summary_key_id > \(key)))
      """, deadline: deadline)[0].int64(0)
  }
}
