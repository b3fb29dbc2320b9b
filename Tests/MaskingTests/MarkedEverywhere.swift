import LedgerTestKit
import Postgres
import ServiceKit
import TicketLedger

extension MarkedTicket {
  /// Puts the marker into every column of the registry that ``make(on:)`` leaves out: the form, the chat, the call,
  /// files, results of batches, bounces, further recipients, callbacks, and tasks and comments at Dooray!.
  func spread(on world: MaskingDesk) async throws {
    let (ticket, marker) = (own.ticketID, Self.marker)
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      VALUES (1, 71, 'memo', 'TEXTAREA', 'CUSTOMER', '메모')
      """)
    var event = EventDraft(.fieldsSaved, by: .agent(Desk.kim))
    event.fieldValues = [FieldValueChange(FieldID(71), code: "memo", before: nil, after: "메모 \(marker)")]
    let soon = Instant(microsecondsSinceEpoch: 1_800_000_000_000_000)
    event.set.callBack = .some(CallBackRecord(phone: marker, time: soon, isActive: true))
    let record = try await world.desk.ledger.ticket(ticket, of: own.serviceID, deadline: world.desk.deadline)
    let said = world.desk.ledger.storing(
      StoredConversation(
        lines: [.init(speaker: "CUSTOMER", speakerName: marker, body: "제 주소는 \(marker) 예요", time: soon)],
        call: .init(direction: "INBOUND", phone: marker, startTime: soon, durationSeconds: 60)), on: own)
    event.notes = said.notes + [CodeChange("attachment", "", "1")]
    var change = TicketChange(event)
    change.companions = said.statements
    _ = try await world.desk.ledger.write(change, on: record, deadline: world.desk.deadline)
    for statement in Self.statements(ticket, inquiry, marker) { try await world.run(statement) }
  }

  private static func statements(_ ticket: TicketID, _ entry: EntryID, _ marker: String) -> [Query] {
    [
      "INSERT INTO attachment_content (service_id, id) VALUES (1, 1)",
      """
      INSERT INTO attachment (service_id, id, content_id, file_name, content_type, uploader, ticket_id, entry_id)
      VALUES (1, 1, 1, \("\(marker).pdf"), 'application/pdf', 'mail', \(ticket), \(entry))
      """,
      """
      WITH batch AS (
        INSERT INTO ticket_batch (service_id, act, creator_agent_id, ticket_count) VALUES (1, 'COMPLETE', 1, 1)
        RETURNING id
      )
      INSERT INTO ticket_batch_item (service_id, batch_id, number, ticket_id, outcome, message, result_time)
      SELECT 1, id, 1, \(ticket), 'FAILED', \("\(marker) was refused"), now() FROM batch
      """,
      """
      INSERT INTO mail_bounce (service_id, ticket_id, mail_message_id, kind, recipient, status, server_reply)
      SELECT service_id, ticket_id, id, 'FAILED', \(marker), '5.1.1', \("550 <\(marker)> unknown") FROM mail_message
      WHERE state = 'FAILED'
      """,
      """
      INSERT INTO mail_participant (service_id, ticket_id, display_name, address)
      VALUES (1, \(ticket), \(marker), \(marker))
      """,
      """
      INSERT INTO outbox (topic, service_id, ticket_id, event_sequence, payload)
      VALUES ('CALLBACKS', 1, \(ticket), 1, '')
      """,
      """
      INSERT INTO callback (service_id, ticket_id, event_sequence, url, body, title, customer_name, customer_email,
        customer_phone, customer_user_code)
      VALUES (1, \(ticket), 1, 'https://hooks.example.org', '', \("\(marker) 문의"), \(marker), \(marker), \(marker),
        \(marker))
      """,
      """
      WITH organization AS (
        INSERT INTO dooray_organization (service_id, display_name, dooray_id, sealed_token)
        VALUES (1, 'Dooray!', '1', '') RETURNING id
      ), project AS (
        INSERT INTO dooray_project (service_id, organization_id, display_name, dooray_id, address)
        SELECT 1, id, 'Project', '2', '' FROM organization RETURNING id
      ), task AS (
        INSERT INTO dooray_task (service_id, ticket_id, project_id, agent_id, request_id, marker, state, subject, body,
          tag_ids, assignee_ids, cc_ids, attachment_ids, dooray_id, lease_time)
        SELECT 1, \(ticket), id, 1, '', 'm', 'OPEN', \("\(marker) 확인"), \("고객 \(marker)"), '{}', '{}', '{}', '{}', '3',
          now()
        FROM project RETURNING id
      )
      INSERT INTO dooray_comment (service_id, ticket_id, task_id, state, author_name, body, dooray_id)
      SELECT 1, \(ticket), id, 'RECEIVED', 'Kim', \("\(marker) 확인했습니다"), '4' FROM task
      """,
    ]
  }
}
