import EventLoop
import Postgres
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
    }
  }

  /// Mails of a ticket in the order in which they were asked for, those after an event.
  func messages(
    of ticket: TicketID, in service: ServiceID, after sequence: Int32, limit: Int, deadline: Deadline
  ) async throws -> [MessageRecord] {
    let rows = try await query(
      """
      SELECT id, event_sequence, state, message_id, recipient, subject, body, attempt_count, server_reply, create_time,
        send_time
      FROM mail_message
      WHERE service_id = \(service) AND ticket_id = \(ticket) AND event_sequence > \(sequence)
      ORDER BY event_sequence LIMIT \(limit)
      """, deadline: deadline)
    return try rows.map(MessageRecord.init)
  }

  /// Message-IDs of the answers that a ticket's customer already has, oldest first, before an event.
  func thread(
    of ticket: TicketID, in service: ServiceID, before sequence: Int32, deadline: Deadline
  ) async throws -> [String] {
    let rows = try await query(
      """
      SELECT message_id FROM mail_message
      WHERE service_id = \(service) AND ticket_id = \(ticket) AND event_sequence < \(sequence) AND state = 'SENT'
        AND entry_id IS NOT NULL
      ORDER BY event_sequence
      """, deadline: deadline)
    return try rows.map { try $0.string(0) }
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
  }

  /// A mail that is being sent.
  struct Begun: Sendable {
    let id: Int64
    /// 1 for the first attempt.
    let attempt: Int32
  }

  /// What may follow from an attempt to send.
  enum Beginning: Sendable {
    case begun(Begun)
    /// It was sent already and must not be sent again.
    case sentBefore
    /// The ticket was changed since its words were read: they may have been masked.
    case outdated
  }

  /// Notes that a mail is about to be sent, once more if it was tried before.
  ///
  /// The ticket stays as it was read until the mail is written down, so no words are kept that a mask covers meanwhile.
  func begin(_ attempt: Attempt, deadline: Deadline) async throws -> Beginning {
    let rows = try await query(
      """
      WITH current AS (
        SELECT service_id, id FROM ticket
        WHERE service_id = \(attempt.service) AND id = \(attempt.ticket) AND version = \(attempt.ticketVersion)
        FOR SHARE)
      INSERT INTO mail_message (service_id, ticket_id, entry_id, event_sequence, state, message_id, recipient, subject,
        body, attempt_count)
      SELECT service_id, id, \(attempt.entry), \(attempt.eventSequence), 'QUEUED',
        \(attempt.messageID), \(attempt.recipient), \(attempt.subject), \(attempt.text), 1 FROM current
      ON CONFLICT ON CONSTRAINT mail_message_event_key DO UPDATE
      SET state = 'QUEUED', attempt_count = mail_message.attempt_count + 1, recipient = excluded.recipient,
        subject = excluded.subject, body = excluded.body
      WHERE mail_message.state <> 'SENT'
      RETURNING id, attempt_count
      """, deadline: deadline)
    if let row = rows.first { return .begun(Begun(id: try row.int64(0), attempt: try row.int32(1))) }
    let sent = try await query(
      """
      SELECT 1 FROM mail_message WHERE service_id = \(attempt.service) AND ticket_id = \(attempt.ticket)
        AND event_sequence = \(attempt.eventSequence) AND state = 'SENT'
      """, deadline: deadline)
    return sent.isEmpty ? .outdated : .sentBefore
  }

  /// Keeps what the mail server said about an attempt that is to be repeated.
  func noteDeferral(_ id: Int64, in service: ServiceID, words: String, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE mail_message SET server_reply = \(words)
      WHERE service_id = \(service) AND id = \(id) AND state = 'QUEUED'
      """, deadline: deadline)
  }

  /// Ends a mail; to be written in the transaction of the ticket's event.
  static func end(_ id: Int64, in service: ServiceID, as state: MessageState, words: String) -> Query {
    """
    UPDATE mail_message SET state = \(state), server_reply = \(words),
      send_time = CASE WHEN \(state == .sent) THEN clock_timestamp() END
    WHERE service_id = \(service) AND id = \(id) AND state <> 'SENT'
    """
  }
}
