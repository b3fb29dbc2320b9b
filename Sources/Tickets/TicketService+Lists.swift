import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Lists tickets of one menu in the order asked for.
  ///
  /// - Throws: SERVICE_NOT_FOUND, GROUP_NOT_FOUND, AGENT_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID,
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
    let order = TicketOrder(request.orderBy)
    let columns = TicketOrder.Column.allCases.map(\.rawValue).joined(separator: ", ")
    check.require(order != nil, "order_by", "is one of \(columns), with \" desc\" behind it or not")
    let size = check.pageSize(request.pageSize, sizeDefault: 50)
    try check.done()
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(actor, serviceCode: parent.code, deadline: call.deadline)
    try access.require(.ticket)
    try await requireKnown(group.map { [$0] } ?? [], agent.map { [$0] } ?? [], access, call.deadline)
    let whose = set.needsAgent || request.starred ? "\(access.claimant) \(request.starred)" : ""
    let scope =
      "ListTickets \(parent) \(request.menu.rawValue) \(request.state.rawValue) \(request.group) \(request.agent)"
      + " \(whose) \(order ?? .newestFirst)"
    let end = try pages.end(request.pageToken, scope: scope)
    guard var filter = TicketFilter(set, state: state, group: group?.id, agent: agent?.id, for: access) else {
      return ListTicketsResponse()
    }
    filter.isStarred = request.starred
    let page = try await page(
      TicketSearch(filter: filter), in: order ?? .newestFirst, of: access.service, after: end,
      size: size, call.deadline)
    return ListTicketsResponse(
      tickets: try await ledger.messages(for: page.tickets, deadline: call.deadline),
      nextPageToken: try page.end.map { try pages.token(after: $0, scope: scope) } ?? "")
  }

  /// A page of tickets, and where it ended; nil when it is the last one.
  func page(
    _ search: TicketSearch, in order: TicketOrder, of service: ServiceRecord, after end: PageEnd?, size: Int,
    _ deadline: Deadline
  ) async throws -> (tickets: [TicketRecord], end: PageEnd?) {
    let holders =
      PageStatement.needsHolders(search, order)
      ? try await store.holders(of: service, inSpam: search.filter.isSpam, deadline: deadline) : []
    var shown = try await store.tickets(
      search, in: order, holders: holders, after: end, limit: size + 1, deadline: deadline)
    guard shown.count > size else { return (shown, nil) }
    shown.removeLast(shown.count - size)
    return (shown, shown.last.map { PageEnd($0, in: order, holders: holders) })
  }

  /// The parent of a list and how many rows a page of it has; what is wrong with the two is told at once.
  ///
  /// - Throws: REQUEST_INVALID.
  static func listed<Name: ResourceName>(
    _ parent: String, _ pageSize: Int32, sizeDefault: Int, of _: Name.Type
  ) throws(ServiceError) -> (name: Name, size: Int) {
    var check = RequestCheck()
    check.name(parent, "parent", Name.self)
    let size = check.pageSize(pageSize, sizeDefault: sizeDefault)
    try check.done()
    return (try Name(parent, field: "parent"), size)
  }

  /// Lists the history of a ticket, oldest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listEntries(_ request: ListEntriesRequest, _ call: CallContext) async throws -> ListEntriesResponse {
    let (name, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 100, of: TicketName.self)
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(request.pageToken, size: size, scope: "ListEntries \(name)", key: ledger.key.pages)
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
    let (name, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 100, of: TicketName.self)
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(request.pageToken, size: size, scope: "ListSourceEntries \(name)", key: ledger.key.pages)
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

  /// Lists what happened to a ticket, oldest first; what was in fields that only administrators see is shown to whoever
  /// sees them in the ticket's form.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listEvents(_ request: ListEventsRequest, _ call: CallContext) async throws -> ListEventsResponse {
    let (name, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 100, of: TicketName.self)
    let (access, ticket) = try await reading(name, call)
    let page = try PageRequest(request.pageToken, size: size, scope: "ListEvents \(name)", key: ledger.key.pages)
    let found = try await ledger.events(
      of: ticket, after: Int32(clamping: page.after), limit: page.size + 1, deadline: call.deadline)
    let shown = try await seen(Array(found.prefix(page.size)), of: ticket, by: access, call.deadline)
    let last = found.count > page.size ? shown.last : nil
    return ListEventsResponse(events: shown, nextPageToken: last.map { page.token(after: Int64($0.sequence)) } ?? "")
  }
}

extension TicketFilter {
  /// What a menu and the caller's own filters come to; nil when they exclude each other.
  init?(_ set: MenuSet, state: TicketState?, group: GroupID?, agent: AgentID?, for access: Access) {
    self.init(service: access.service.id)
    isSpam = set.isSpam
    escalatedTo = set.escalatedTo.compactMap(EscalatedTo.init(rawValue:))
    hasCallBack = set.hasCallBack
    viewer = access.member?.agentID
    states = set.states.compactMap(TicketState.init(rawValue:))
    if let state {
      guard states.isEmpty || states.contains(state) else { return nil }
      states = [state]
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
