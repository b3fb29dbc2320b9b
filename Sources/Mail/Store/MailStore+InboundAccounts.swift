import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What came in and what became of it, over all services. Apart from what waits it adds up:
/// `received = tickets + replies + suppressed + quarantined`.
package struct InboundAccounts: Sendable, Equatable {
  /// Mails that came in, each counted once.
  package var received: Int64 = 0
  /// Those that are not decided yet.
  package var waiting: Int64 = 0
  /// Those that opened a ticket.
  package var tickets: Int64 = 0
  /// Those that were added to one.
  package var replies: Int64 = 0
  /// Those that make nothing.
  package var suppressed: Int64 = 0
  /// Those that an agent is to decide.
  package var quarantined: Int64 = 0
  /// Seconds since the oldest of those that wait came in; 0 when none does.
  package var waitingSeconds: Double = 0
  /// Seconds since the oldest mail was decided whose bytes are still kept; 0 when none are.
  package var rawSeconds: Double = 0
}

extension MailStore {
  /// Reads the accounts; what it costs does not grow with the mails that came in.
  func inboundAccounts(deadline: Deadline) async throws -> InboundAccounts {
    let row = try await query(
      """
      SELECT coalesce(sum(c.received), 0)::bigint, coalesce(sum(c.waiting), 0)::bigint,
        coalesce(sum(c.tickets), 0)::bigint, coalesce(sum(c.replies), 0)::bigint,
        coalesce(sum(c.suppressed), 0)::bigint, coalesce(sum(c.quarantined), 0)::bigint,
        coalesce((SELECT extract(epoch FROM clock_timestamp() - min(i.receive_time)) FROM inbound_mail AS i
          WHERE i.state = 'WAITING'), 0)::float8,
        coalesce((SELECT extract(epoch FROM clock_timestamp() - min(i.decide_time)) FROM inbound_mail AS i
          WHERE i.has_raw AND i.decide_time IS NOT NULL), 0)::float8
      FROM inbound_mail_count AS c
      """, deadline: deadline)[0]
    return InboundAccounts(
      received: try row.int64(0), waiting: try row.int64(1), tickets: try row.int64(2), replies: try row.int64(3),
      suppressed: try row.int64(4), quarantined: try row.int64(5), waitingSeconds: try row.double(6),
      rawSeconds: try row.double(7))
  }

  /// The numbers of each account of a service through which mails have come.
  func inboundAccounts(byAccountOf service: ServiceID, deadline: Deadline) async throws -> [Int64: InboundAccounts] {
    let rows = try await query(
      """
      SELECT c.account_id, sum(c.received)::bigint, sum(c.waiting)::bigint, sum(c.tickets)::bigint,
        sum(c.replies)::bigint, sum(c.suppressed)::bigint, sum(c.quarantined)::bigint
      FROM inbound_mail_count AS c WHERE c.service_id = \(service) GROUP BY c.account_id
      """, deadline: deadline)
    return Dictionary(
      uniqueKeysWithValues: try rows.map { row in
        (
          try row.int64(0),
          InboundAccounts(
            received: try row.int64(1), waiting: try row.int64(2), tickets: try row.int64(3),
            replies: try row.int64(4), suppressed: try row.int64(5), quarantined: try row.int64(6))
        )
      })
  }

  /// Most mails whose bytes go at a time.
  static let rawRemovalMax = 200

  /// Removes the bytes of up to ``rawRemovalMax`` mails that were decided longer ago, the oldest first. One that still
  /// waits for an agent can be let in no longer, and is suppressed.
  ///
  /// - Returns: how many mails it were.
  func removeRawMails(decidedBefore age: Duration, deadline: Deadline) async throws -> Int {
    try await query(
      """
      WITH old AS (
        SELECT service_id, id FROM inbound_mail
        WHERE has_raw AND decide_time < clock_timestamp() - \(age.components.seconds) * interval '1 second'
        ORDER BY decide_time LIMIT \(Self.rawRemovalMax) FOR UPDATE SKIP LOCKED
      ), gone AS (
        DELETE FROM inbound_mail_piece AS p USING old WHERE p.service_id = old.service_id AND p.mail_id = old.id
      )
      UPDATE inbound_mail AS i SET has_raw = false, sealed_summary = NULL, content_hash = '\\x',
        state = CASE WHEN i.state = 'QUARANTINED' THEN 'SUPPRESSED' ELSE i.state END,
        reason = CASE WHEN i.state = 'QUARANTINED' THEN \(SuppressionReason.expired.rawValue) ELSE i.reason END
      FROM old WHERE i.service_id = old.service_id AND i.id = old.id
      RETURNING 1
      """, deadline: deadline
    ).count
  }
}
