import Crypto
import EventLoop
package import HandoffAPI
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Finds the tickets that meet every condition, the newest first.
  ///
  /// A page that is not full may have others behind it: of words that the index alone cannot decide about, so many
  /// candidates are looked at for a page and no more.
  ///
  /// - Throws: SERVICE_NOT_FOUND, GROUP_NOT_FOUND, AGENT_NOT_FOUND, TYPE_NOT_FOUND, FIELD_NOT_FOUND,
  ///   PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func searchTickets(_ request: SearchTicketsRequest, _ call: CallContext) async throws -> SearchTicketsResponse
  {
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
    let order = SearchOrder(request, &check)
    // What is wrong with conditions on fields is for the service's catalog to say, and all is to be told at once.
    let readsCatalog = (1...SearchOrder.listMax).contains(request.fields.count) && ServiceName(request.parent) != nil
    if !readsCatalog { try check.done() }
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(actor, serviceCode: parent.code, deadline: call.deadline)
    try access.require(.ticket)
    let scope = try Self.scope(of: request, access)
    let end = try pages.end(request.pageToken, scope: scope)
    guard let search = try await search(request, order, set, access, &check, call.deadline) else {
      return SearchTicketsResponse()
    }
    let found = try await find(
      search, of: access.service, after: end?.id, count: order.size, call.deadline)
    return SearchTicketsResponse(
      tickets: try await ledger.messages(for: found.tickets, deadline: call.deadline),
      nextPageToken: try found.next.map { try pages.token(after: PageEnd(id: $0), scope: scope) } ?? "")
  }

  /// A page token is good for the very same conditions and the same agent.
  private static func scope(of request: SearchTicketsRequest, _ access: Access) throws -> String {
    var conditions = request
    conditions.pageToken = ""
    conditions.pageSize = 0
    return "SearchTickets \(access.claimant) \(Hex.encode(SHA256.hash(try conditions.serialized())))"
  }

  /// What the database is asked; nil when the conditions exclude each other.
  private func search(
    _ request: SearchTicketsRequest, _ order: SearchOrder, _ set: MenuSet, _ access: Access,
    _ check: inout RequestCheck, _ deadline: Deadline
  ) async throws -> TicketSearch? {
    let service = access.service
    for condition in SearchCondition.allCases
    where order.asked.contains(condition) && service.kind == .issue && !condition.isForIssues {
      check.require(false, condition.rawValue, "is not asked for in an issue service")
    }
    var search = TicketSearch(filter: TicketFilter(service: service.id))
    try await add(request.fields, to: &search, access, &check, deadline)
    try check.done()
    try await requireKnown(order.groups, order.agents, access, deadline)
    (search.from, search.before, search.isAnyTime) = (order.from, order.before, request.anyTime)
    if request.ticketId != 0 { search.ticketID = TicketID(request.ticketId) }
    if request.customerNumber != 0 {
      search.customer = (service.organizationID, CustomerID(request.customerNumber))
    }
    (search.userCode, search.email, search.phone) = (order.userCode, order.email, order.phone)
    (search.priorities, search.states, search.channels) = (order.priorities, order.states, order.channels)
    search.languages = request.languages
    (search.groups, search.agents) = (order.groups.map(\.id), order.agents.map(\.id))
    search.submissionTypes = try await types(
      order.submissionTypes.map { ($0.service, $0.id.rawValue) }, service, deadline, store.submissionTypes)
    search.processingTypes = try await types(
      order.processingTypes.map { ($0.service, $0.id.rawValue) }, service, deadline, store.processingTypes)
    search.words.insert(contentsOf: order.words, at: 0)
    // Behind what may be unknown: that is an error in a menu that shows nothing, too.
    guard var filter = TicketFilter(set, state: nil, group: nil, agent: nil, for: access) else { return nil }
    filter.isStarred = request.starred
    search.filter = filter
    return search
  }

  /// Adds the conditions on the service's fields, and notes everything that is wrong with them.
  private func add(
    _ conditions: [FieldCondition], to search: inout TicketSearch, _ access: Access, _ check: inout RequestCheck,
    _ deadline: Deadline
  ) async throws {
    if conditions.isEmpty { return }
    let service = access.service.id
    let catalog = try await fields.catalog(of: service, deadline: deadline)
    var former: [Int: [String]] = [:]
    for (index, condition) in conditions.enumerated() {
      guard let field = catalog.field(code: condition.code), field.kind.hasOptions else { continue }
      let unlisted = TicketSearch.unlisted(condition.options, of: field)
      if unlisted.isEmpty { continue }
      // An option that was taken away stays on the tickets, and they are to be found by it.
      if try await store.areChosen(unlisted, in: field.id, of: service, deadline: deadline) {
        former[index] = unlisted
      }
    }
    let isAdministrator = access.member.map { $0.role == .administrator } ?? true
    do throws(ServiceError) {
      try search.add(conditions, catalog, former: former, isAdministrator: isAdministrator, &check)
    } catch {
      // What is wrong with the request itself comes before what is not there.
      try check.done()
      throw error
    }
  }

  /// Demands that the groups and agents by which tickets are asked for are there. An agent may have left the service:
  /// the tickets are still the agent's.
  ///
  /// - Throws: GROUP_NOT_FOUND, AGENT_NOT_FOUND.
  func requireKnown(
    _ groups: [GroupName], _ agents: [AgentName], _ access: Access, _ deadline: Deadline
  ) async throws {
    let service = access.service
    for group in groups {
      guard group.service == service.code else { throw ServiceError(.groupNotFound) }
      // The caller's own groups were read with the caller's rights.
      if let member = access.member, member.groups.contains(group.id) { continue }
      guard try await ledger.directory.hasGroup(group.id, of: service.id, deadline: deadline) else {
        throw ServiceError(.groupNotFound)
      }
    }
    for agent in agents where agent.id != access.member?.agentID {
      let known = try await ledger.directory.agent(agent.id, deadline: deadline)
      guard let known, known.organizationID == service.organizationID else { throw ServiceError(.agentNotFound) }
    }
  }

  /// Types with all below them.
  private func types(
    _ names: [(service: String, id: Int64)], _ service: ServiceRecord, _ deadline: Deadline,
    _ read: (ServiceID, Deadline) async throws -> [TypeRecord]
  ) async throws -> [Int64] {
    guard !names.isEmpty else { return [] }
    let known = try await read(service.id, deadline)
    var wanted: Set<Int64> = []
    for name in names {
      guard name.service == service.code, known.contains(where: { $0.id == name.id }) else {
        throw ServiceError(.typeNotFound)
      }
      wanted.insert(name.id)
    }
    // Parents stand before what is below them.
    for type in known where type.parentID.map(wanted.contains) ?? false { wanted.insert(type.id) }
    return wanted.sorted()
  }

  /// A page of a search, and the ticket behind which the next one begins; nil when there is none.
  private func find(
    _ search: TicketSearch, of service: ServiceRecord, after cursor: TicketID?, count: Int, _ deadline: Deadline
  ) async throws -> (tickets: [TicketRecord], next: TicketID?) {
    let bounds = try await store.searchBounds(
      of: service.id, after: cursor ?? TicketID(0), deadline: deadline)
    var search = search
    if !search.isAnyTime, search.ticketID == nil, search.from == nil, search.before == nil {
      search.from = bounds.halfYearAgo
    }
    if search.words.isEmpty || search.ticketID != nil {
      let found = try await page(
        search, in: .newestFirst, of: service, after: cursor.map { PageEnd(id: $0) }, size: count, deadline)
      return (try await meeting(search.words, found.tickets, service.id, deadline), found.end?.id)
    }
    if cursor != nil, bounds.cursor == nil { throw ServiceError(.pageTokenInvalid) }
    var walk = SearchWalk(search, bounds, after: cursor ?? TicketID(0))
    while let statement = walk.next(limit: count + 1) {
      let candidates = try await store.tickets(statement, deadline: deadline)
      let found = try await meeting(
        search.words.filter { !$0.phrase.isWhole }, candidates, service.id, deadline)
      if walk.take(found, of: candidates, count: count) { break }
    }
    return walk.page(count)
  }

  /// Those of some tickets in whose texts all words stand.
  private func meeting(
    _ words: [TicketSearch.Words], _ tickets: [TicketRecord], _ service: ServiceID, _ deadline: Deadline
  ) async throws -> [TicketRecord] {
    guard !words.isEmpty, !tickets.isEmpty else { return tickets }
    let texts = try await store.searchedTexts(of: tickets, in: service, deadline: deadline)
    return tickets.filter { ticket in
      let folded = (texts[ticket.id] ?? []).map { (scope: $0.0.scope, text: SearchText($0.1)) }
      return words.allSatisfy { words in
        folded.contains { words.scopes.contains($0.scope) && words.phrase.isFound(in: $0.text) }
      }
    }
  }
}
