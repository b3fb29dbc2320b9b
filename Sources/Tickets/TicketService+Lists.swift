package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Lists tickets of one menu, newest first.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, GROUP_NOT_FOUND for another service's group,
  ///   PERMISSION_DENIED.
  package func listTickets(_ request: ListTicketsRequest, _ call: CallContext) async throws -> ListTicketsResponse {
    let actor = try call.actor()
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let menu = ListMenu(number: request.menu.rawValue)
    check.require(menu != nil, "menu", "is not a menu")
    let set = (menu ?? .all).set
    check.require(
      !set.needsAgent || actor.agentID != nil, "menu", "shows an agent's own tickets, and no agent is asking")
    check.require(
      !request.starred || actor.agentID != nil, "starred", "shows an agent's own stars, and no agent is asking")
    let state: TicketState? = check.choice(request.state.rawValue, "state", unspecified: nil)
    let group: GroupName? = check.optionalName(request.group, "group")
    let agent: AgentName? = check.optionalName(request.agent, "agent")
    check.require(request.pageSize >= 0, "page_size", "must not be negative")
    try check.done()
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(actor, serviceCode: parent.code, deadline: call.deadline)
    try access.require(.ticket)
    if let group, group.service != parent.code { throw ServiceError(.groupNotFound) }
    let whose = set.needsAgent || request.starred ? "\(access.claimant) \(request.starred)" : ""
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50,
      scope: "ListTickets \(parent) \(request.menu.rawValue) \(request.state.rawValue) \(request.group)"
        + " \(request.agent) \(whose)")
    guard var filter = TicketFilter(set, state: state, group: group?.id, agent: agent?.id, for: access) else {
      return ListTicketsResponse()
    }
    filter.isStarred = request.starred
    let found = try await store.tickets(
      filter, before: page.after == 0 ? nil : TicketID(page.after), limit: page.size + 1, deadline: call.deadline)
    let shown = Array(found.prefix(page.size))
    let last = found.count > page.size ? shown.last : nil
    return ListTicketsResponse(
      tickets: try await ledger.messages(for: shown, deadline: call.deadline),
      nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Lists the history of a ticket, oldest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listEntries(_ request: ListEntriesRequest, _ call: CallContext) async throws -> ListEntriesResponse {
    let name = try TicketName(request.parent, field: "parent")
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 100, scope: "ListEntries \(name)")
    return try await entries(of: ticket, page, call)
  }

  /// Lists the history of the consultation ticket behind an issue ticket as it is now, oldest first.
  ///
  /// Whoever may see the issue ticket may read it, member of the consultation service or not; nothing else of that
  /// service is shown. A ticket that was not escalated has none, and neither has one whose source was deleted.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listSourceEntries(
    _ request: ListSourceEntriesRequest, _ call: CallContext
  ) async throws -> ListEntriesResponse {
    let name = try TicketName(request.parent, field: "parent")
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 100, scope: "ListSourceEntries \(name)")
    guard let link = ticket.source else { return ListEntriesResponse() }
    do {
      let source = try await ledger.ticket(link.ticketID, of: link.serviceID, deadline: call.deadline)
      return try await entries(of: source, page, call)
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return ListEntriesResponse()
    }
  }

  private func entries(
    of ticket: TicketRecord, _ page: PageRequest, _ call: CallContext
  ) async throws -> ListEntriesResponse {
    let found = try await ledger.entries(
      of: ticket, after: EntryID(page.after), limit: page.size + 1, deadline: call.deadline)
    let shown = Array(found.prefix(page.size))
    let last = found.count > page.size ? shown.last : nil
    return ListEntriesResponse(
      entries: try await messages(for: shown, of: ticket, deadline: call.deadline),
      nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Lists what happened to a ticket, oldest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listEvents(_ request: ListEventsRequest, _ call: CallContext) async throws -> ListEventsResponse {
    let name = try TicketName(request.parent, field: "parent")
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 100, scope: "ListEvents \(name)")
    let found = try await ledger.events(
      of: ticket, after: Int32(clamping: page.after), limit: page.size + 1, deadline: call.deadline)
    let shown = Array(found.prefix(page.size))
    let last = found.count > page.size ? shown.last : nil
    return ListEventsResponse(events: shown, nextPageToken: last.map { page.token(after: Int64($0.sequence)) } ?? "")
  }
}

extension TicketFilter {
  /// What a menu and the caller's own filters come to; nil when they exclude each other.
  init?(_ set: MenuSet, state: TicketState?, group: GroupID?, agent: AgentID?, for access: Access) {
    self.init(service: access.service.id)
    isSpam = set.isSpam
    isEscalated = set.isEscalated
    hasCallBack = set.hasCallBack
    viewer = access.member?.agentID
    self.state = state
    if let own = set.state.flatMap(TicketState.init(rawValue:)) {
      guard state == nil || state == own else { return nil }
      self.state = own
    }
    holder = agent.map { .agent($0) } ?? .anyone
    switch set.holder {
    case .anyone: break
    case .nobody:
      guard agent == nil else { return nil }
      holder = .nobody
    case .caller:
      guard let member = access.member, agent == nil || agent == member.agentID else { return nil }
      holder = .agent(member.agentID)
    }
    if set.isOfCallersGroups {
      let own = access.member?.groups ?? []
      groups = group.map { own.contains($0) ? [$0] : [] } ?? own
      if own.isEmpty || groups?.isEmpty == true { return nil }
    } else if let group {
      groups = [group]
    }
  }
}
