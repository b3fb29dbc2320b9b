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
    let masks = try await fieldMasks(of: tickets, deadline: deadline)
    var messages: [Ticket] = []
    messages.reserveCapacity(tickets.count)
    var service: ServiceRecord?
    var agents: [AgentID: String] = [:]
    for ticket in tickets {
      let ours: ServiceRecord
      if let service, service.id == ticket.serviceID {
        ours = service
      } else {
        ours = try await directory.service(id: ticket.serviceID, deadline: deadline)
        service = ours
      }
      var message = Ticket(ticket, in: ours)
      if let agent = ticket.agentID {
        if agents[agent] == nil { agents[agent] = try await name(of: agent, deadline) }
        message.agentDisplayName = agents[agent] ?? ""
      }
      if ticket.source != nil || ticket.target != nil {
        message.sourceTicket = try await name(of: ticket.source, deadline)
        message.targetTicket = try await name(of: ticket.target, deadline)
        message.sourceServiceDisplayName = try await displayName(of: ticket.source, deadline)
        message.targetServiceDisplayName = try await displayName(of: ticket.target, deadline)
      }
      if let fieldMasks = masks[ticket.id] {
        message.titleMasks = fieldMasks.filter { $0.field == "title" }
        message.customerMasks = fieldMasks.filter { $0.field != "title" }
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

  /// The name of a linked ticket's service as people know it.
  private func displayName(of link: TicketLink?, _ deadline: Deadline) async throws -> String {
    guard let link else { return "" }
    return try await directory.service(id: link.serviceID, deadline: deadline).displayName
  }

  /// The texts of a ticket that are masked somewhere and that a change of its fields would overwrite: by the names of
  /// its fields (`title`, `customer.email`), and `field/{id}` for those that its service adds.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func maskedFields(of ticket: TicketRecord, deadline: Deadline) async throws -> Set<String> {
    let masks = try await storedMasks(
      on: [ticket.link], in: Self.fieldColumns + ["ticket_field_value.value"], deadline: deadline)
    return Set(masks.map { $0.row.isEmpty ? TextCopies.named($0.column)?.field ?? "" : "field/\($0.row)" })
  }

  /// Only a text with an asterisk can be masked: most tickets cost no question.
  private func fieldMasks(
    of tickets: [TicketRecord], deadline: Deadline
  ) async throws -> [TicketID: [TextMask]] {
    func mayBeMasked(_ text: String) -> Bool { text.utf8.contains(UInt8(ascii: "*")) }
    let suspects = tickets.filter { ticket in
      mayBeMasked(ticket.title) || mayBeMasked(ticket.customerName) || mayBeMasked(ticket.customerEmail)
        || mayBeMasked(ticket.customerPhone) || mayBeMasked(ticket.customerUserCode)
        || ticket.callBack.map { mayBeMasked($0.phone) } ?? false
    }
    guard !suspects.isEmpty else { return [:] }
    let masks = try await storedMasks(on: suspects.map(\.link), in: Self.fieldColumns, deadline: deadline)
    return Dictionary(grouping: try await messages(for: masks, deadline), by: \.mask.ticket.ticketID)
      .mapValues { $0.map(\.message) }
  }

  private static let fieldColumns = TextCopies.all.filter { $0.table == "ticket" }.map(\.name)
}

extension Ticket {
  /// What a ticket's row and its service say; names of people and of other services' tickets are the ledger's to add.
  package init(_ ticket: TicketRecord, in service: ServiceRecord) {
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
      phone: ticket.customerPhone, userCode: ticket.customerUserCode)
    creator = ticket.creatorAgentID.map { AgentName(id: $0).description } ?? ""
    internalReason = Ticket.InternalReason(rawValue: ticket.internalReason?.number ?? 0)
    spam = ticket.isSpam
    entryCount = ticket.entryCount
    createTime = Timestamp(ticket.createTime)
    updateTime = Timestamp(ticket.updateTime)
    resolveTime = ticket.resolveTime.map { Timestamp($0) }
    completeTime = ticket.completeTime.map { Timestamp($0) }
    previousTicket = ticket.previousID.map { TicketName(service: service.code, id: $0).description } ?? ""
    callBack = ticket.callBack.map { CallBack(phone: $0.phone, time: Timestamp($0.time), active: $0.isActive) }
    starred = ticket.isStarred
    escalatedToDooray = ticket.escalatedTo == .dooray || ticket.escalatedTo == .both
    privacyConsent = ticket.hasPrivacyConsent
  }
}

extension Timestamp {
  /// The same moment.
  package init(_ instant: Instant) { self.init(seconds: instant.seconds, nanos: instant.nanoseconds) }
}
