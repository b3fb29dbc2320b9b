import EventLoop
import Postgres
import TicketLedger

extension MailStore {
  /// Most mails whose hashes are keyed at a time.
  static let unkeyedMax = 1_000

  /// Keys the hashes by which mails from before there was a key are known, up to ``unkeyedMax`` of them. One that is
  /// not decided yet is left for later, so that nothing changes under whoever decides it. The hash that names sealed
  /// bytes goes where the bytes are gone.
  ///
  /// - Returns: how many mails it were.
  func keyPrints(_ key: MailPrintKey, deadline: Deadline) async throws -> Int {
    let former = try await query(
      """
      SELECT service_id, id, identity, body_hash FROM inbound_mail
      WHERE NOT has_keyed_prints AND state <> 'WAITING' ORDER BY service_id, id LIMIT \(Self.unkeyedMax)
      """, deadline: deadline
    ).map { row -> (service: ServiceID, id: Int64, identity: [UInt8], body: [UInt8]) in
      (try row.value(0), try row.int64(1), try row.value(2), try row.value(3))
    }
    guard !former.isEmpty else { return 0 }
    // A mail from before bodies were kept is known by its Message-ID alone. Where a mail came to daemons of before and
    // after at the same time, the same one is there twice.
    _ = try await query(
      """
      UPDATE inbound_mail AS i SET has_keyed_prints = true, identity = v.identity,
        content_hash = CASE WHEN i.has_raw THEN i.content_hash ELSE '\\x' END,
        body_hash = CASE WHEN i.body_hash = '\\x' THEN i.body_hash WHEN EXISTS (
          SELECT 1 FROM inbound_mail AS k
          WHERE k.service_id = i.service_id AND k.identity = v.identity AND k.account_id = i.account_id
            AND k.body_hash = v.body_hash
        ) THEN v.other_body_hash ELSE v.body_hash END
      FROM unnest(\(former.map(\.service)), \(former.map(\.id)), \(former.map { key.keyed($0.identity) }),
        \(former.map { key.keyed($0.body) }), \(former.map { key.keyed($0.body, ofMail: $0.id) }))
        AS v (service_id, id, identity, body_hash, other_body_hash)
      WHERE i.service_id = v.service_id AND i.id = v.id AND NOT i.has_keyed_prints
      """, deadline: deadline)
    return former.count
  }
}
