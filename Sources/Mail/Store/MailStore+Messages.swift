import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// Where a mail stands; raw values as in the database and the API.
  enum MessageState: String, Sendable, PostgresBindable, PostgresDecodable {
    case queued = "QUEUED"
    case sent = "SENT"
    case failed = "FAILED"
  }

  /// A mail as it is listed.
  struct MessageRecord: Sendable {
    let id: Int64
    let eventSequence: Int32
    let state: MessageState
    let messageID: String
    let recipient: String
    let subject: String
    let text: String
    let attemptCount: Int32
    let serverReply: String
    let createTime: Instant
    let sendTime: Instant?
    let ticketID: TicketID
    let entryID: EntryID?
    /// A `PreparedAnswer`; empty for mails from before these were kept.
    let payload: [UInt8]
    /// The event by which it was sent again; nil: it was not.
    let resendSequence: Int32?
    /// What was reported of it, oldest first.
    var bounces: [BounceRecord] = []

    static let columns: Query = """
      m.id, m.event_sequence, m.state, m.message_id, m.recipient, m.subject, m.body, m.attempt_count, m.server_reply, \
      m.create_time, m.send_time, m.ticket_id, m.entry_id, m.payload, m.resend_sequence
      """

    /// The addresses of a `recipient` in lower case.
    static func addresses(_ recipient: String) -> [String] {
      recipient.lowercased().split(separator: ",").map { String($0.drop { $0 == " " }) }
    }

    init(_ row: Row) throws {
      id = try row.int64(0)
      eventSequence = try row.int32(1)
      state = try row.value(2)
      messageID = try row.string(3)
      recipient = try row.string(4)
      subject = try row.string(5)
      text = try row.string(6)
      attemptCount = try row.int32(7)
      serverReply = try row.string(8)
      createTime = try row.instant(9)
      sendTime = try row.optionalInstant(10)
      ticketID = try row.value(11)
      entryID = try row.value(12)
      payload = try row.value(13)
      resendSequence = try row.value(14)
    }
  }

  /// Mails of a ticket in the order in which they were asked for, those after an event.
  func messages(
    of ticket: TicketID, in service: ServiceID, after sequence: Int32, limit: Int, deadline: Deadline
  ) async throws -> [MessageRecord] {
    let rows = try await query(
      """
      SELECT \(fragment: MessageRecord.columns) FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.ticket_id = \(ticket) AND m.event_sequence > \(sequence)
      ORDER BY m.event_sequence LIMIT \(limit)
      """, deadline: deadline)
    return try await withBounces(try rows.map(MessageRecord.init), in: service, deadline)
  }

  /// A mail of a service; nil when there is none of this id.
  func message(_ id: Int64, in service: ServiceID, deadline: Deadline) async throws -> MessageRecord? {
    let rows = try await query(
      """
      SELECT \(fragment: MessageRecord.columns) FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.id = \(id)
      """, deadline: deadline)
    return try await withBounces(try rows.map(MessageRecord.init), in: service, deadline).first
  }

  private func withBounces(
    _ records: [MessageRecord], in service: ServiceID, _ deadline: Deadline
  ) async throws -> [MessageRecord] {
    // What was not taken by any server came back from none.
    let sent = records.filter { $0.state != .queued }.map(\.id)
    let bounces = try await bounces(of: sent, in: service, deadline: deadline)
    return records.map { record in
      var record = record
      record.bounces = bounces[record.id] ?? []
      return record
    }
  }

  /// Message-IDs of the mails between a ticket and its customer before an event, both ways, oldest first.
  static func thread(of ticket: TicketID, in service: ServiceID, before sequence: Int32) -> Query {
    """
    SELECT message_id FROM (
      SELECT m.message_id, m.create_time AS time FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.ticket_id = \(ticket) AND m.event_sequence < \(sequence)
        AND m.state = 'SENT' AND m.entry_id IS NOT NULL
      UNION ALL
      SELECT i.message_id, i.receive_time FROM inbound_mail AS i
      WHERE i.service_id = \(service) AND i.ticket_id = \(ticket) AND i.state IN ('TICKET', 'REPLY')
        AND i.message_id <> '' AND i.receive_time < (SELECT e.create_time FROM ticket_event AS e
          WHERE e.service_id = \(service) AND e.ticket_id = \(ticket) AND e.sequence = \(sequence))
    ) AS thread ORDER BY time
    """
  }

  /// A mail about to be sent.
  struct Attempt: Sendable {
    let service: ServiceID
    let ticket: TicketID
    /// The answer; nil for a trigger's mail.
    let entry: EntryID?
    /// The event that asked for the mail.
    let eventSequence: Int32
    /// The version of the ticket from which its words were made.
    let ticketVersion: Int64
    let messageID: String
    let recipient: String
    let subject: String
    let text: String
    /// The `PreparedAnswer` that it was made from.
    let payload: [UInt8]
  }

  /// A mail that is being sent.
  struct Begun: Sendable {
    let id: Int64
    /// 1 for the first attempt.
    let attempt: Int32
    /// As it was when the mail was written down.
    let ticket: TicketRecord
  }

  /// What may follow from an attempt to send.
  enum Beginning: Sendable {
    case begun(Begun)
    /// It was sent already and must not be sent again.
    case sentBefore
    /// Mails to these addresses, by their hashes, are not sent.
    case blocked(Set<[UInt8]>)
    /// The ticket was changed since its words were read: they may have been masked.
    case outdated
  }

  /// Notes that a mail is about to be sent, once more if it was tried before.
  ///
  /// The ticket stays as it was read until the mail is written down, so no words are kept that a mask covers meanwhile.
  /// That it was begun need not be on the disk: a mail that was sent and not noted is sent again in any case.
  ///
  /// - Parameter hashes: of addresses of which none may be blocked.
  func begin(_ attempt: Attempt, unlessBlocked hashes: [[UInt8]], deadline: Deadline) async throws -> Beginning {
    let rows = try await query(
      """
      WITH current AS (
        SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
        WHERE t.service_id = \(attempt.service) AND t.id = \(attempt.ticket) AND t.version = \(attempt.ticketVersion)
        FOR SHARE
      ), begun AS (
        INSERT INTO mail_message (service_id, ticket_id, entry_id, event_sequence, state, message_id, recipient,
          subject, body, attempt_count, payload)
        SELECT c.service_id, c.id, \(attempt.entry), \(attempt.eventSequence), 'QUEUED',
          \(attempt.messageID), \(attempt.recipient), \(attempt.subject), \(attempt.text), 1, \(attempt.payload)
        FROM current AS c
        WHERE NOT EXISTS (\(fragment: Self.blocked(hashes, "c.organization_id")))
        ON CONFLICT ON CONSTRAINT mail_message_event_key DO UPDATE
        SET state = 'QUEUED', attempt_count = mail_message.attempt_count + 1, message_id = excluded.message_id,
          recipient = excluded.recipient, subject = excluded.subject, body = excluded.body
        WHERE mail_message.state <> 'SENT'
        RETURNING id, attempt_count
      )
      SELECT c.*, b.id, b.attempt_count, \(fragment: Self.unhurried) FROM current AS c CROSS JOIN begun AS b
      """, deadline: deadline)
    if let row = rows.first {
      return .begun(
        Begun(
          id: try row.int64(TicketRecord.columnCount), attempt: try row.int32(TicketRecord.columnCount + 1),
          ticket: try TicketRecord(row)))
    }
    return try await obstacle(to: attempt, hashes, deadline)
  }

  /// Why a mail is not begun.
  private func obstacle(
    to attempt: Attempt, _ hashes: [[UInt8]], _ deadline: Deadline
  ) async throws -> Beginning {
    let found = try await ServiceError.translating {
      try await pool.lookUp(
        [
          """
          SELECT 1 FROM mail_message WHERE service_id = \(attempt.service) AND ticket_id = \(attempt.ticket)
            AND event_sequence = \(attempt.eventSequence) AND state = 'SENT'
          """,
          Self.blocked(hashes, "(SELECT s.organization_id FROM service AS s WHERE s.id = \(attempt.service))"),
        ], deadline: deadline)
    }
    if !found[0].isEmpty { return .sentBefore }
    return found[1].isEmpty ? .outdated : .blocked(Set(try found[1].map { try $0.value(0) }))
  }

  /// Keeps what the mail server said about an attempt that is to be repeated.
  func noteDeferral(
    _ id: Int64, on ticket: TicketID, in service: ServiceID, words: String, deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE mail_message SET server_reply = \(fragment: Self.kept("\(words)", on: ticket, in: service))
      WHERE service_id = \(service) AND id = \(id) AND state = 'QUEUED'
      """, deadline: deadline)
  }

  /// Ends a mail that was begun; an attachment of the ticket's change.
  ///
  /// - Parameter recipient: who got it, when it is not everybody whom it was begun for. While an address is masked, all
  ///   stay.
  static func end(
    _ id: Int64, on ticket: TicketID, in service: ServiceID, as state: MessageState, words: String, recipient: String?
  ) -> Query {
    """
    UPDATE mail_message AS m
    SET state = \(state), server_reply = \(fragment: kept("\(words)", on: ticket, in: service)),
      send_time = CASE WHEN \(state == .sent) THEN clock_timestamp() END,
      recipient = CASE WHEN \(fragment: isRecipientMasked("m.id", on: ticket, in: service))
        THEN m.recipient ELSE coalesce(\(recipient), m.recipient) END
    FROM changed AS c WHERE m.service_id = c.service_id AND m.id = \(id) AND m.state <> 'SENT'
    """
  }

  /// Gives up the mail of an event that waits for another attempt, if there is one; an attachment of the ticket's
  /// change.
  ///
  /// - Parameter words: why.
  static func giveUp(eventSequence: Int32, words: String) -> Query {
    """
    UPDATE mail_message AS m SET state = 'FAILED', server_reply = \(words)
    FROM changed AS c
    WHERE m.service_id = c.service_id AND m.ticket_id = c.id AND m.event_sequence = \(eventSequence)
      AND m.state = 'QUEUED'
    """
  }
}

extension MailStore {
  /// Puts a mail in the place of one that is sent again; to be written with the ticket's event.
  ///
  /// - Parameters:
  ///   - sequence: of the event.
  ///   - recipient: as the new mail will have it, until it is written anew.
  static func resend(
    _ old: MessageRecord, in service: ServiceID, as messageID: String, to recipient: String, sequence: Int32,
    payload: [UInt8]
  ) -> [Query] {
    [
      """
      UPDATE mail_message SET resend_sequence = \(sequence) WHERE service_id = \(service) AND id = \(old.id)
      """,
      """
      INSERT INTO mail_message (service_id, ticket_id, entry_id, event_sequence, state, message_id, recipient, subject,
        body, payload)
      SELECT service_id, ticket_id, entry_id, \(sequence), 'QUEUED', \(messageID), \(recipient), subject, body,
        \(payload)
      FROM mail_message WHERE service_id = \(service) AND id = \(old.id)
      """,
      // What was given up is looked after now.
      """
      DELETE FROM outbox WHERE service_id = \(service) AND ticket_id = \(old.ticketID)
        AND event_sequence = \(old.eventSequence) AND topic = 'MAIL' AND dead_time IS NOT NULL
      """,
    ]
  }
}
