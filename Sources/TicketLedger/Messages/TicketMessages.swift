package import EventLoop
package import HandoffAPI
package import Postgres
package import RPCProtos
import ServiceKit

extension TicketLedger {
  /// The API's message of a ticket.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func message(for ticket: TicketRecord, deadline: Deadline) async throws -> Ticket {
    try await messages(for: [ticket], deadline: deadline)[0]
  }

  /// The API's messages of tickets, in the same order; what they have in common is looked up once.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func messages(for tickets: [TicketRecord], deadline: Deadline) async throws -> [Ticket] {
    let masks = try await titleMasks(of: tickets, deadline: deadline)
    var messages: [Ticket] = []
    messages.reserveCapacity(tickets.count)
    for ticket in tickets {
      let service = try await directory.service(id: ticket.serviceID, deadline: deadline)
      var message = Ticket(ticket, in: service)
      message.agentDisplayName = try await name(of: ticket.agentID, deadline)
      message.sourceTicket = try await name(of: ticket.source, deadline)
      message.targetTicket = try await name(of: ticket.target, deadline)
      message.titleMasks = (masks[ticket.id] ?? []).map {
        $0.message(on: TicketName(service: service.code, id: ticket.id))
      }
      messages.append(message)
    }
    return messages
  }

  func name(of agent: AgentID?, _ deadline: Deadline) async throws -> String {
    guard let agent else { return "" }
    return try await directory.agent(agent, deadline: deadline)?.displayName ?? ""
  }

  func name(of link: TicketLink?, _ deadline: Deadline) async throws -> String {
    guard let link else { return "" }
    let service = try await directory.service(id: link.serviceID, deadline: deadline)
    return TicketName(service: service.code, id: link.ticketID).description
  }

  /// Only a title with an asterisk can be masked: most tickets cost no question.
  private func titleMasks(
    of tickets: [TicketRecord], deadline: Deadline
  ) async throws -> [TicketID: [MaskRecord]] {
    let suspects = tickets.filter { $0.title.utf8.contains(UInt8(ascii: "*")) }
    guard !suspects.isEmpty else { return [:] }
    return try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT m.id, m.ticket_id, m.entry_id, m.span_start, m.span_length FROM mask AS m
        JOIN unnest(\(suspects.map(\.serviceID)), \(suspects.map(\.id))) AS s (service_id, ticket_id)
          ON m.service_id = s.service_id AND m.ticket_id = s.ticket_id
        WHERE m.place = 'TITLE' AND m.unmask_time IS NULL ORDER BY m.span_start
        """, deadline: deadline)
      return Dictionary(grouping: try rows.map { try MaskRecord($0) }, by: \.ticketID)
    }
  }
}

/// Where asterisks stand for something else.
struct MaskRecord {
  let id: MaskID
  let ticketID: TicketID
  let entryID: EntryID
  let start: Int32
  let length: Int32

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    ticketID = try row.value(1)
    entryID = try row.value(2)
    start = try row.value(3)
    length = try row.value(4)
  }

  func message(on ticket: TicketName) -> TextMask {
    TextMask(name: MaskName(ticket: ticket, id: id).description, start: start, length: length)
  }
}

extension Ticket {
  /// What a ticket's row and its service say; names of people and of other services' tickets are the ledger's to add.
  init(_ ticket: TicketRecord, in service: ServiceRecord) {
    self.init()
    name = TicketName(service: service.code, id: ticket.id).description
    title = ticket.title
    state = Ticket.State(rawValue: ticket.state.number)
    version = ticket.version
    group = ticket.groupID.map { GroupName(service: service.code, id: $0).description } ?? ""
    agent = ticket.agentID.map { AgentName(id: $0).description } ?? ""
    priority = Ticket.Priority(rawValue: ticket.priority.number)
    channel = Ticket.Channel(rawValue: ticket.channel.number)
    language = ticket.language
    submissionType =
      ticket.submissionTypeID.map { SubmissionTypeName(service: service.code, id: $0).description } ?? ""
    processingType =
      ticket.processingTypeID.map { ProcessingTypeName(service: service.code, id: $0).description } ?? ""
    customer = TicketCustomer(
      number: ticket.customerID?.rawValue ?? 0, displayName: ticket.customerName, email: ticket.customerEmail,
      phone: ticket.customerPhone)
    creator = ticket.creatorAgentID.map { AgentName(id: $0).description } ?? ""
    internalReason = Ticket.InternalReason(rawValue: ticket.internalReason?.number ?? 0)
    spam = ticket.isSpam
    entryCount = ticket.entryCount
    createTime = Timestamp(ticket.createTime)
    updateTime = Timestamp(ticket.updateTime)
    resolveTime = ticket.resolveTime.map { Timestamp($0) }
    completeTime = ticket.completeTime.map { Timestamp($0) }
  }
}

extension Timestamp {
  /// The same moment.
  package init(_ instant: Instant) { self.init(seconds: instant.seconds, nanos: instant.nanoseconds) }
}
