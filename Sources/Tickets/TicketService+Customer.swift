import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Lists the other tickets of a ticket's customer, newest first: those of its service, and for an issue ticket the
  /// consultation tickets behind them as far as the caller belongs to their services.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listCustomerTickets(
    _ request: ListCustomerTicketsRequest, _ call: CallContext
  ) async throws -> ListTicketsResponse {
    let (name, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 50, of: TicketName.self)
    let (access, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: size, scope: "ListCustomerTickets \(name) \(access.claimant)", key: ledger.key.pages)
    guard let customer = ticket.customerID else { return ListTicketsResponse() }
    let found = try await store.tickets(
      of: customer, beside: ticket, seenBy: access.member?.agentID,
      before: page.after == 0 ? TicketID(.max) : TicketID(page.after), limit: page.size + 1, deadline: call.deadline)
    let shown = Array(found.prefix(page.size))
    let last = found.count > page.size ? shown.last : nil
    return ListTicketsResponse(
      tickets: try await ledger.messages(for: shown, deadline: call.deadline),
      nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Lists the chat that a ticket came from.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listTranscriptLines(
    _ request: ListTranscriptLinesRequest, _ call: CallContext
  ) async throws -> ListTranscriptLinesResponse {
    let (name, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 100, of: TicketName.self)
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: size, scope: "ListTranscriptLines \(name)", key: ledger.key.pages)
    let found = try await store.transcript(
      of: ticket, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let last = found.count > page.size ? page.after + Int64(page.size) : nil
    var lines = Array(found.prefix(page.size))
    let masks = try await ledger.textMasks(
      on: ticket, in: "transcript_line.body", of: lines.map(\.text), deadline: call.deadline)
    // Lines are numbered from 1 without a gap.
    for index in lines.indices {
      let number = String(page.after + Int64(index) + 1)
      lines[index].masks = (masks[number] ?? []).map { $0.in("transcript.\(number)") }
    }
    return ListTranscriptLinesResponse(lines: lines, nextPageToken: last.map { page.token(after: $0) } ?? "")
  }

  /// Returns the call that a ticket came from.
  ///
  /// - Throws: TICKET_NOT_FOUND, RESOURCE_NOT_FOUND for a ticket that came from none, REQUEST_INVALID,
  ///   PERMISSION_DENIED.
  package func getCallRecord(_ request: GetCallRecordRequest, _ call: CallContext) async throws -> CallRecord {
    let name = try TicketName(request.ticket, field: "ticket")
    let (_, ticket) = try await reading(name, call)
    guard var record = try await store.callRecord(of: ticket, deadline: call.deadline) else {
      throw ServiceError(.resourceNotFound, "the ticket did not come from a call")
    }
    record.masks =
      try await ledger.textMasks(on: ticket, in: "call_record.phone", of: [record.phone], deadline: call.deadline)[""]
      ?? []
    return record
  }
}

extension TextMask {
  /// The same span, said to be of one of the texts that a ticket has several of.
  func `in`(_ field: String) -> TextMask {
    var mask = self
    mask.field = field
    return mask
  }
}

extension TicketStore {
  /// Tickets of a customer, newest first; see ``TicketService/listCustomerTickets(_:_:)``.
  func tickets(
    of customer: CustomerID, beside ticket: TicketRecord, seenBy viewer: AgentID?, before: TicketID, limit: Int,
    deadline: Deadline
  ) async throws -> [TicketRecord] {
    try await ServiceError.translating {
      try await pool.query(
        Self.others(of: customer, beside: ticket.link, ticket.organizationID, seenBy: viewer, before: before, limit),
        deadline: deadline
      ).map { try TicketRecord(starred: $0) }
    }
  }

  static func others(
    of customer: CustomerID, beside ticket: TicketLink, _ organization: OrganizationID, seenBy viewer: AgentID?,
    before: TicketID, _ limit: Int
  ) -> Query {
    """
    SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: viewer)) FROM ticket AS t
    WHERE t.organization_id = \(organization) AND t.customer_id = \(customer) AND t.id < \(before)
      AND NOT t.is_spam AND t.id <> \(ticket.ticketID)
      AND (t.service_id = \(ticket.serviceID) OR (t.escalated_to IN ('ISSUE', 'BOTH')
        -- Also one that was escalated to another service since.
        AND EXISTS (SELECT FROM ticket AS i WHERE i.source_service_id = t.service_id AND i.source_ticket_id = t.id
          AND i.service_id = \(ticket.serviceID))
        AND EXISTS (SELECT FROM service_member AS m WHERE m.service_id = t.service_id AND m.agent_id = \(viewer)
          AND (m.has_ticket_right OR m.role = 'ADMINISTRATOR'))))
    ORDER BY t.id DESC LIMIT \(limit)
    """
  }

  /// Lines of the chat that a ticket came from, behind a number.
  func transcript(
    of ticket: TicketRecord, after number: Int64, limit: Int, deadline: Deadline
  ) async throws -> [TranscriptLine] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT l.speaker, l.speaker_name, l.body, l.line_time FROM transcript_line AS l
        WHERE l.service_id = \(ticket.serviceID) AND l.ticket_id = \(ticket.id) AND l.number > \(number)
        ORDER BY l.number LIMIT \(limit)
        """, deadline: deadline
      ).map { row in
        let speaker: TranscriptSpeaker = try row.value(0)
        return TranscriptLine(
          speaker: TranscriptLine.Speaker(rawValue: speaker.number), speakerName: try row.value(1),
          text: try row.value(2), time: Timestamp(try row.instant(3)))
      }
    }
  }

  /// The call that a ticket came from.
  func callRecord(of ticket: TicketRecord, deadline: Deadline) async throws -> CallRecord? {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT c.direction, c.phone, c.start_time, c.duration_seconds FROM call_record AS c
        WHERE c.service_id = \(ticket.serviceID) AND c.ticket_id = \(ticket.id)
        """, deadline: deadline
      ).first.map { row in
        let direction: CallDirection = try row.value(0)
        let seconds: Int32 = try row.value(3)
        return CallRecord(
          direction: CallRecord.Direction(rawValue: direction.number), phone: try row.value(1),
          startTime: Timestamp(try row.instant(2)), duration: ProtoDuration(seconds: Int64(seconds)))
      }
    }
  }
}
