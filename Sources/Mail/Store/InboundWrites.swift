import Crypto
import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// The three writes that nearly every mail comes with: it is stored, planned and decided. Each takes all mails of this
/// process that come at the same moment into one statement (`GatheredWrites`).
///
/// Storing and planning do not wait for the disk (``MailStore/unhurried``); deciding does.
struct InboundWrites: Sendable {
  /// A mail to be stored.
  struct Arrived: Sendable {
    let arrival: MailStore.Arrival
    /// Its bytes, sealed; none: they are not to be had.
    let pieces: [RawMailVault.Piece]
  }

  /// A mail that is to become a ticket.
  struct Planned: Sendable {
    let mail: InboundRecord
    /// Keyed hash of the sender's address.
    let sender: [UInt8]
  }

  /// What became of a mail.
  struct Decided: Sendable {
    let mail: InboundRecord
    let decision: MailStore.Decision
  }

  /// Somebody's hold on a mail.
  private struct Lease: Hashable {
    let mail: Int64
    let attempt: Int32

    init(_ row: Row) throws { (mail, attempt) = (try row.int64(0), try row.int32(1)) }
    init(_ record: InboundRecord) { (mail, attempt) = (record.id, record.attemptCount) }
  }

  /// Holds for a row `i` that waits. Spelled so that rows are looked up by their keys: while few mails wait, the index
  /// of those that do looks as quick, and the plan stays when there are many.
  private static let isWaiting: Query = "i.state || '' = 'WAITING'"

  /// Nil for a mail that has come in before.
  let store: GatheredWrites<Arrived, InboundRecord?>
  /// Whether there is room for a mail in its sender's budget, and nobody else has taken it up.
  let plan: GatheredWrites<Planned, Bool>
  /// When it was decided; nil: somebody else has taken it up.
  let decide: GatheredWrites<Decided, Instant?>

  /// Writes through a pool.
  init(pool: PostgresPool) {
    store = GatheredWrites { try await Self.store($0, pool, $1) }
    plan = GatheredWrites { try await Self.plan($0, pool, $1) }
    decide = GatheredWrites { try await Self.decide($0, pool, $1) }
  }

  /// Two mails of one Message-ID by one account; the second has to know the first.
  private struct Namesakes: Error {}

  /// Stores mails under a lease for this process, save those that are there. One whose bytes are not to be had waits
  /// for an agent at once.
  static func store(_ items: [Arrived], _ pool: PostgresPool, _ deadline: Deadline) async throws -> [InboundRecord?] {
    let ways = items.map { "\($0.arrival.service)/\($0.arrival.account)/\(Hex.encode($0.arrival.prints.identity))" }
    guard Set(ways).count == items.count else { throw Namesakes() }
    let arrivals = items.map(\.arrival)
    let states = items.map { $0.pieces.isEmpty ? InboundState.quarantined : .waiting }
    let reasons = items.map { $0.pieces.isEmpty ? QuarantineReason.unfetchable.rawValue : "" }
    let pieces = items.enumerated().flatMap { place, item in
      item.pieces.enumerated().map { (place: Int32(place), number: Int32($0), piece: $1) }
    }
    // A mail from before bodies were kept is known by its Message-ID alone.
    let rows = try await pool.query(
      """
      WITH arrived AS (
        SELECT * FROM unnest(\(items.indices.map { Int32($0) }), \(arrivals.map(\.service)), \(arrivals.map(\.account)),
          \(arrivals.map(\.prints.identity)), \(arrivals.map(\.prints.bodyHash)),
          \(arrivals.map(\.prints.formerIdentity)), \(arrivals.map(\.prints.formerBodyHash)),
          \(arrivals.map(\.prints.contentHash)), \(arrivals.map(\.sizeBytes)), \(states), \(reasons))
          AS a (place, service_id, account_id, identity, body_hash, former_identity, former_body_hash, content_hash,
            size_bytes, state, reason)
      ), made AS (
        INSERT INTO inbound_mail (service_id, account_id, identity, body_hash, content_hash, size_bytes, state, reason,
          has_keyed_prints, has_raw, due_time, decide_time)
        SELECT a.service_id, a.account_id, a.identity, a.body_hash, a.content_hash, a.size_bytes, a.state, a.reason,
          true, a.state = 'WAITING', clock_timestamp() + \(MailStore.inboundLeaseSeconds) * interval '1 second',
          CASE WHEN a.state <> 'WAITING' THEN clock_timestamp() END
        FROM arrived AS a
        WHERE NOT EXISTS (
          SELECT 1 FROM inbound_mail AS k
          WHERE k.service_id = a.service_id AND k.identity = ANY (ARRAY[a.identity, a.former_identity])
            AND k.account_id = a.account_id AND k.body_hash = ANY (ARRAY[a.body_hash, a.former_body_hash, '\\x']))
        ORDER BY a.service_id, a.identity, a.account_id
        ON CONFLICT ON CONSTRAINT inbound_mail_identity_key DO NOTHING RETURNING *
      ), kept AS (
        INSERT INTO inbound_mail_piece (service_id, mail_id, number, sealed, key_id)
        SELECT m.service_id, m.id, p.number, p.sealed, p.key_id
        FROM unnest(\(pieces.map(\.place)), \(pieces.map(\.number)), \(pieces.map(\.piece.sealed)),
          \(pieces.map(\.piece.keyID))) AS p (place, number, sealed, key_id)
        JOIN arrived AS a ON a.place = p.place
        JOIN made AS m ON m.service_id = a.service_id AND m.identity = a.identity AND m.account_id = a.account_id
      )
      SELECT \(fragment: InboundRecord.columns), a.place, \(fragment: MailStore.unhurried)
      FROM made AS i
      JOIN arrived AS a ON a.service_id = i.service_id AND a.identity = i.identity AND a.account_id = i.account_id
      """, deadline: deadline)
    var made = [InboundRecord?](repeating: nil, count: items.count)
    for row in rows { made[Int(try row.int32(InboundRecord.columnCount))] = try InboundRecord(row) }
    return made
  }

  /// Fixes that mails become tickets, as far as their senders' budgets have room. The mails of one sender are counted
  /// one after the other, those that are planned and not made yet with them.
  static func plan(_ items: [Planned], _ pool: PostgresPool, _ deadline: Deadline) async throws -> [Bool] {
    let keys = items.map { "mail budget/\($0.mail.serviceID)/sender/\(Hex.encode($0.sender))" }
    // Those of one sender go into statements that follow each other.
    var turns: [[Planned]] = []
    var seen: [String: Int] = [:]
    for (key, item) in zip(keys, items) {
      let turn = seen[key, default: 0]
      seen[key] = turn + 1
      if turn < turns.count { turns[turn].append(item) } else { turns.append([item]) }
    }
    let lock: Query = """
      SELECT pg_advisory_xact_lock(hashtextextended(k.key, 0)), \(fragment: MailStore.unhurried)
      FROM unnest(\(seen.keys.sorted())) AS k (key)
      """
    let answers = try await pool.transactionBatch([lock] + turns.map { planning($0) }, deadline: deadline)
    let planned = Set(try answers.dropFirst().joined().map { try Lease($0) })
    return items.map { planned.contains(Lease($0.mail)) }
  }

  private static func planning(_ items: [Planned]) -> Query {
    // Each row counts no further than it has to.
    let room = MailBudget.rows.filter { $0.scope == .inquiriesOfSender }.reduce("true" as Query) { room, row in
      """
      \(fragment: room) AND (SELECT count(*) FROM (
        SELECT 1 FROM inbound_mail AS b
        WHERE b.service_id = w.service_id AND b.sender_hash = w.sender_hash AND b.plan = 'TICKET'
          AND b.state IN ('TICKET', 'WAITING') AND b.id <> w.id
          AND b.receive_time > clock_timestamp() - \(row.windowSeconds) * interval '1 second'
        LIMIT \(row.count)) AS seen) < \(Int64(row.count))
      """
    }
    return """
      UPDATE inbound_mail AS i SET plan = 'TICKET', ticket_id = NULL, sender_hash = w.sender_hash
      FROM unnest(\(items.map(\.mail.serviceID)), \(items.map(\.mail.id)), \(items.map(\.mail.attemptCount)),
        \(items.map(\.sender))) AS w (service_id, id, attempt_count, sender_hash)
      WHERE i.service_id = w.service_id AND i.id = w.id AND i.attempt_count = w.attempt_count
        AND \(fragment: isWaiting) AND \(fragment: room)
      RETURNING i.id, i.attempt_count
      """
  }

  /// Says what became of mails. What waited for them is due, and whoever mails from an address that was blocked is
  /// answered there again: else nobody would be. Blocks are taken in one order by all who change several, so that they
  /// wait for each other instead of failing.
  static func decide(_ items: [Decided], _ pool: PostgresPool, _ deadline: Deadline) async throws -> [Instant?] {
    let (mails, decisions) = (items.map(\.mail), items.map(\.decision))
    let joining = items.flatMap { item in item.decision.participants.map { (mail: item.mail.id, person: $0) } }
    let rows = try await pool.query(
      """
      WITH decided AS (
        UPDATE inbound_mail AS i SET state = w.state, reason = w.reason, ticket_id = w.ticket_id,
          sender_hash = w.sender_hash, sealed_summary = w.sealed_summary, summary_key_id = w.summary_key_id,
          message_id = w.message_id, decide_time = clock_timestamp()
        FROM unnest(\(mails.map(\.serviceID)), \(mails.map(\.id)), \(mails.map(\.attemptCount)),
          \(decisions.map(\.state)), \(decisions.map(\.reason)), \(decisions.map(\.ticketID)),
          \(decisions.map(\.senderHash)), \(decisions.map(\.summary?.sealed)),
          \(decisions.map { $0.summary?.keyID ?? "" }), \(decisions.map(\.messageID)))
          AS w (service_id, id, attempt_count, state, reason, ticket_id, sender_hash, sealed_summary, summary_key_id,
            message_id)
        WHERE i.service_id = w.service_id AND i.id = w.id AND i.attempt_count = w.attempt_count
          AND \(fragment: isWaiting)
        RETURNING i.service_id, i.id, i.attempt_count, i.state, i.ticket_id, i.sender_hash, i.decide_time
      ), joined AS (
        INSERT INTO mail_participant (service_id, ticket_id, display_name, address)
        SELECT d.service_id, d.ticket_id, p.display_name, p.address
        FROM unnest(\(joining.map(\.mail)), \(joining.map(\.person.displayName)), \(joining.map(\.person.address)))
          WITH ORDINALITY AS p (mail_id, display_name, address, place)
        JOIN decided AS d ON d.id = p.mail_id ORDER BY p.place
      ), unblocked AS (
        UPDATE mail_address_block AS b SET end_time = clock_timestamp()
        FROM (
          SELECT k.organization_id, k.address_hash FROM mail_address_block AS k
          WHERE k.end_time IS NULL AND (k.organization_id, k.address_hash) IN (
            SELECT s.organization_id, d.sender_hash FROM decided AS d JOIN service AS s ON s.id = d.service_id
            WHERE d.state IN ('TICKET', 'REPLY'))
          ORDER BY k.organization_id, k.address_hash FOR UPDATE
        ) AS held
        WHERE b.organization_id = held.organization_id AND b.address_hash = held.address_hash
      ), released AS (
        UPDATE inbound_mail AS i SET due_time = clock_timestamp(), behind_id = NULL
        FROM decided AS d WHERE i.service_id = d.service_id AND i.behind_id = d.id AND \(fragment: isWaiting)
      )
      SELECT d.id, d.attempt_count, d.decide_time FROM decided AS d
      """, deadline: deadline)
    let times = Dictionary(uniqueKeysWithValues: try rows.map { (try Lease($0), try $0.instant(2)) })
    return mails.map { times[Lease($0)] }
  }
}
