import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct ListTests {
  private func list(
    _ world: TicketWorld, _ request: ListTicketsRequest, by agent: AgentID = TicketWorld.kim
  ) async throws -> ListTicketsResponse {
    var request = request
    if request.parent.isEmpty { request.parent = "services/care" }
    return try await world.client.listTickets(request, world.by(agent))
  }

  /// One ticket of each kind that a menu tells apart, by a word.
  private func tickets(_ world: TicketWorld) async throws -> [String: String] {
    var made: [String: String] = [:]
    func make(_ word: String, _ shape: TicketWorld.Shape) async throws {
      made[world.name(try await world.ticket(shape))] = word
    }
    let lee = TicketWorld.lee
    try await make("unassigned", .init(state: .unassigned, agent: nil, group: nil))
    try await make("in group 2", .init(state: .unassigned, agent: nil, group: GroupID(2)))
    try await make("processing", .init(state: .processing, group: nil))
    try await make("pending", .init(state: .pending, group: nil))
    try await make("resolved", .init(state: .resolved, group: nil))
    try await make("completed", .init(state: .completed, group: nil))
    try await make("lee's", .init(state: .processing, agent: lee, group: GroupID(1)))
    try await make("spam", .init(agent: lee, group: GroupID(1), isSpam: true))
    try await make("dooray", .init(state: .doorayInProgress, agent: lee, group: nil))
    try await make("another service's", .init(service: "bugs"))
    let escalated = try await world.ticket(.init(state: .resolved, agent: lee, group: nil))
    var event = EventDraft(.escalated, by: .agent(lee))
    event.set.target = .some(TicketLink(serviceID: ServiceID(2), ticketID: escalated.id))
    _ = try await world.ledger.write(TicketChange(event), on: escalated, deadline: TestDatabase.deadline)
    made[world.name(escalated)] = "escalated"
    return made
  }

  @Test("each menu shows its set, newest first")
  func menus() async throws {
    let world = try await TicketWorld()
    let words = try await tickets(world)
    let rows: [(ListTicketsRequest.Menu, [String])] = [
      (.unassigned, ["in group 2", "unassigned"]),
      (.myProcessing, ["processing"]), (.myPending, ["pending"]), (.myResolved, ["resolved"]),
      (.myCompleted, ["completed"]), (.myGroups, ["lee's", "in group 2"]), (.escalated, ["escalated", "dooray"]),
      (.spam, ["spam"]),
      (
        .all,
        [
          "escalated", "dooray", "lee's", "completed", "resolved", "pending", "processing", "in group 2", "unassigned",
        ]
      ),
    ]
    for (menu, expected) in rows {
      let page = try await list(world, ListTicketsRequest(menu: menu))
      #expect(page.tickets.map { words[$0.name] } == expected, "\(menu)")
      #expect(page.nextPageToken.isEmpty)
    }
  }

  @Test("what was ever escalated stays in the menus of escalated tickets, whatever becomes of it")
  func escalatedForGood() async throws {
    let world = try await TicketWorld()
    var words: [String: String] = [:]
    func act(_ act: ProcessTicketRequest.Act, on name: String) async throws {
      _ = try await world.client.processTicket(
        ProcessTicketRequest(name: name, act: act, text: "답변드립니다."), world.by(TicketWorld.kim))
    }
    for end in ["at Dooray!", "answered", "held", "forwarded", "resolved", "completed", "to both"] {
      let ticket = try await world.ticket(end == "at Dooray!" ? .doorayEscalated : .doorayAnswered)
      let name = world.name(ticket)
      words[name] = end
      switch end {
      case "held": try await act(.hold, on: name)
      case "resolved", "completed": try await act(.resolve, on: name)
      case "forwarded":
        var event = EventDraft(.forwarded, by: .agent(TicketWorld.lee))
        (event.set.state, event.set.agentID) = (.processing, .some(TicketWorld.lee))
        _ = try await world.ledger.write(TicketChange(event), on: ticket, deadline: TestDatabase.deadline)
      case "to both": _ = try await self.escalate(world, name)
      default: break
      }
      guard end == "completed" else { continue }
      _ = try await world.client.completeTicket(CompleteTicketRequest(name: name), world.by(TicketWorld.boss))
    }
    for end in ["to an issue service", "answered there"] {
      let name = world.name(try await world.ticket())
      words[name] = end
      let escalated = try await escalate(world, name)
      guard end == "answered there" else { continue }
      try await world.run("UPDATE ticket SET agent_id = 1, state = 'PROCESSING' WHERE service_id = 2")
      try await act(.resolve, on: escalated.targetTicket)
      try await act(.resolve, on: name)
    }
    let issue = ["answered there", "to an issue service", "to both"]
    let dooray = ["to both", "completed", "resolved", "forwarded", "held", "answered", "at Dooray!"]
    for (menu, expected) in [
      (ListTicketsRequest.Menu.escalated, issue + dooray.dropFirst()), (.escalatedToIssue, issue),
      (.escalatedToDooray, dooray), (.myEscalated, ["to an issue service", "to both", "at Dooray!"]),
    ] {
      let tickets = try await list(world, ListTicketsRequest(menu: menu)).tickets
      #expect(tickets.map { words[$0.name] } == expected, "\(menu)")
      for ticket in tickets {
        let word = words[ticket.name] ?? ""
        #expect(ticket.escalatedToDooray == dooray.contains(word), "\(word)")
        #expect(!ticket.targetTicket.isEmpty == issue.contains(word), "\(word)")
      }
    }
    let counters = try await world.client.getCounters(
      GetCountersRequest(parent: "services/care"), world.by(TicketWorld.kim))
    #expect(counters.myEscalatedCount == 3)
    for (request, expected) in [
      (ListTicketsRequest(menu: .myEscalated, state: .escalating), ["to an issue service", "to both"]),
      (ListTicketsRequest(menu: .myEscalated, state: .resolved), []),
      (ListTicketsRequest(menu: .myEscalated, agent: "agents/2"), []),
    ] {
      #expect(try await list(world, request).tickets.map { words[$0.name] } == expected)
    }
    for name in words.keys {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.kim))
      #expect(found.intact, "\(words[name] ?? ""): \(found.finding)")
    }
  }

  private func escalate(_ world: TicketWorld, _ name: String) async throws -> Ticket {
    try await world.client.escalateTicket(
      EscalateTicketRequest(
        name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "확인",
        text: "확인해 주세요."), world.by(TicketWorld.kim))
  }

  @Test("state, group and agent narrow a menu, and may leave nothing of it")
  func filters() async throws {
    let world = try await TicketWorld()
    let words = try await tickets(world)
    let kim = "agents/1"
    let lee = "agents/2"
    let rows: [(ListTicketsRequest, [String])] = [
      (ListTicketsRequest(state: .resolved), ["escalated", "resolved"]),
      (ListTicketsRequest(agent: kim), ["completed", "resolved", "pending", "processing"]),
      (ListTicketsRequest(state: .pending, agent: kim), ["pending"]),
      (ListTicketsRequest(group: "services/care/groups/1"), ["lee's"]),
      (ListTicketsRequest(group: "services/care/groups/1", agent: kim), []),
      (ListTicketsRequest(menu: .myGroups, group: "services/care/groups/2"), ["in group 2"]),
      (ListTicketsRequest(menu: .myGroups, state: .processing), ["lee's"]),
      (ListTicketsRequest(menu: .myPending, state: .resolved), []),
      (ListTicketsRequest(menu: .myPending, agent: lee), []),
      (ListTicketsRequest(menu: .unassigned, agent: lee), []),
      (ListTicketsRequest(menu: .unassigned, group: "services/care/groups/2"), ["in group 2"]),
      (ListTicketsRequest(menu: .escalated, agent: lee), ["escalated", "dooray"]),
      (ListTicketsRequest(menu: .spam, agent: lee), ["spam"]),
      (ListTicketsRequest(menu: .spam, agent: kim), []),
    ]
    for (index, row) in rows.enumerated() {
      let page = try await list(world, row.0)
      #expect(page.tickets.map { words[$0.name] } == row.1, "row \(index)")
    }
  }

  @Test("pages follow one another without gap or repetition, also when tickets come in meanwhile")
  func pages() async throws {
    let world = try await TicketWorld()
    var made: [String] = []
    for _ in 0..<7 { made.insert(world.name(try await world.ticket(.unassigned)), at: 0) }
    var seen: [String] = []
    var request = ListTicketsRequest(menu: .unassigned, pageSize: 3)
    repeat {
      let page = try await list(world, request)
      #expect(page.tickets.count <= 3)
      seen += page.tickets.map(\.name)
      request.pageToken = page.nextPageToken
      _ = try await world.ticket(.unassigned)
    } while !request.pageToken.isEmpty
    #expect(seen == made)
  }

  @Test("a page token is good for its own list and caller only")
  func tokens() async throws {
    let world = try await TicketWorld()
    for _ in 0..<3 { _ = try await world.ticket() }
    let token = try await list(world, ListTicketsRequest(menu: .myProcessing, pageSize: 1)).nextPageToken
    #expect(!token.isEmpty)
    let rows: [(ListTicketsRequest, AgentID)] = [
      (ListTicketsRequest(menu: .myProcessing, pageToken: token), TicketWorld.boss),
      (ListTicketsRequest(menu: .all, pageToken: token), TicketWorld.kim),
      (ListTicketsRequest(menu: .myProcessing, state: .processing, pageToken: token), TicketWorld.kim),
      (ListTicketsRequest(menu: .myProcessing, pageToken: "nonsense"), TicketWorld.kim),
    ]
    for (request, agent) in rows {
      let error = await refusal { try await list(world, request, by: agent) }
      #expect(error?.reason == .pageTokenInvalid)
    }
  }

  @Test("a wrong list request is refused with its fields")
  func wrongRequests() async throws {
    let world = try await TicketWorld()
    let request = ListTicketsRequest(
      parent: "care", menu: .init(rawValue: 99), state: .init(rawValue: 11), group: "x", agent: "y", pageSize: -1)
    let error = await refusal { try await list(world, request) }
    #expect(error?.violations.map(\.field) == ["parent", "menu", "state", "group", "agent", "page_size"])
    let others = await refusal { try await list(world, ListTicketsRequest(group: "services/other/groups/3")) }
    #expect(others?.reason == .groupNotFound)
    let daemon = await refusal {
      try await world.client.listTickets(
        ListTicketsRequest(parent: "services/care", menu: .myGroups), world.by("operator"))
    }
    #expect(daemon?.violations.map(\.field) == ["menu"])
  }

  /// Tickets with every column, and a planner who takes them for many.
  private func prepared() async throws -> TicketWorld {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO ticket (service_id, id, state, agent_id, group_id, priority, channel, language, title, is_spam,
        internal_reason, organization_id, target_service_id, target_ticket_id, escalated_to, event_hash, event_seal,
        create_time, update_time, resolve_time, complete_time)
      SELECT 1 + n % 2, 100000 + n, s.state, CASE WHEN s.state = 'UNASSIGNED' THEN NULL ELSE 1 + n % 3 END,
        CASE WHEN n % 2 = 0 THEN 1 + n / 2 % 2 END, (ARRAY['LOW', 'NORMAL', 'HIGH', 'URGENT'])[1 + n / 6 % 4],
        (ARRAY['EMAIL', 'CHAT', 'PHONE'])[1 + n / 4 % 3], 'ko', 'T' || n % 1000, n % 40 = 10,
        CASE WHEN n % 40 = 10 THEN 'SPAM' END,
        1, CASE WHEN n % 60 = 0 THEN 2 END, CASE WHEN n % 60 = 0 THEN n END,
        CASE WHEN n % 120 = 0 THEN 'BOTH' WHEN n % 60 = 0 THEN 'ISSUE' WHEN n % 60 = 2 THEN 'DOORAY' END, '\\x00',
        '\\x00', now(), now(),
        CASE WHEN s.state IN ('RESOLVED', 'COMPLETED') THEN now() END,
        CASE WHEN s.state = 'COMPLETED' THEN now() END
      FROM generate_series(1, 6000) AS n
        CROSS JOIN LATERAL (SELECT CASE WHEN n % 40 = 10 THEN 'RESOLVED' ELSE
          (ARRAY['UNASSIGNED', 'PROCESSING', 'PENDING', 'RESOLVED', 'COMPLETED'])[1 + n / 2 % 5] END AS state) AS s
      """)
    // Planned as if there were a million, and nobody may count anew.
    try await world.run("ALTER TABLE ticket SET (autovacuum_enabled = false)")
    try await world.run("ANALYZE ticket")
    try await world.run("UPDATE pg_class SET reltuples = 1000000 WHERE oid = 'ticket'::regclass")
    return world
  }

  /// What menus and filters come to, with the beginning of their indexes' names.
  private var sets: [(TicketFilter, String)] {
    func make(_ build: (inout TicketFilter) -> Void) -> TicketFilter {
      var filter = TicketFilter(service: ServiceID(1))
      build(&filter)
      return filter
    }
    return [
      (make { _ in }, "ticket"), (make { $0.holder = .nobody }, "ticket_nobody"),
      (make { $0.holder = .agent(TicketWorld.kim) }, "ticket_agent"),
      (make { ($0.holder, $0.states) = (.agent(TicketWorld.kim), [.pending]) }, "ticket_agent"),
      (make { $0.groups = [GroupID(1), GroupID(2)] }, "ticket_group"),
      (make { $0.escalatedTo = EscalatedTo.allCases }, "ticket_escalated"),
      (make { $0.escalatedTo = [.dooray, .both] }, "ticket_escalated"),
      // As many states as "my escalated" has, of which there are many here.
      (
        make { ($0.holder, $0.states) = (.agent(TicketWorld.kim), [.processing, .pending, .resolved]) }, "ticket_agent"
      ),
      (make { $0.isSpam = true }, "ticket_spam"), (make { $0.states = [.resolved] }, "ticket_agent"),
    ]
  }

  /// The indexes of a set in an order, any of which will do.
  private static func indexes(_ set: String, _ filter: TicketFilter, _ column: TicketOrder.Column) -> [String] {
    switch (set, column) {
    case ("ticket_nobody", .state), ("ticket_nobody", .agent): ["ticket_agent_state_idx"]
    case ("ticket_agent", .received) where filter.holder == .anyone: ["ticket_state_idx"]
    case ("ticket_agent", .state) where filter.holder == .anyone: ["ticket_state_idx"]
    case ("ticket_agent", .received), ("ticket_agent", .state), ("ticket_agent", .agent): ["ticket_agent_state_idx"]
    case ("ticket", .received): ["ticket_pkey", "ticket_all_idx"]
    case ("ticket", .state): ["ticket_state_idx"]
    case ("ticket", .agent): ["ticket_agent_state_idx"]
    case ("ticket_spam", .state), (_, .received): ["\(set)_idx"]
    case (_, .title): ["\(set)_title_idx"]
    case (_, .priority), (_, .channel): ["\(set)_priority_idx"]
    case (_, .state): ["\(set)_state_idx"]
    case (_, .agent): ["\(set)_agent_idx"]
    }
  }

  /// Lines of a plan in which a bitmap, which has no order, counts for nothing: the table's few pages make it cheap.
  private static func plan(_ query: Query, _ world: TicketWorld) async throws -> [String] {
    try await world.database.pool.transaction(deadline: TestDatabase.deadline) { transaction in
      _ = try await transaction.query("SET LOCAL enable_bitmapscan = off")
      return try await transaction.query("EXPLAIN \(fragment: query)").map { try $0.string(0) }
    }
  }

  /// Lines of the plan that PostgreSQL keeps for any values.
  private static func keptPlan(_ query: Query, _ world: TicketWorld) async throws -> [String] {
    try await world.database.pool.transaction(deadline: TestDatabase.deadline) { transaction in
      _ = try await transaction.query("SET LOCAL enable_bitmapscan = off")
      _ = try await transaction.query("SET LOCAL plan_cache_mode = force_generic_plan")
      _ = try await transaction.query(query)
      let kept = try await transaction.query(
        """
        SELECT format('EXPLAIN EXECUTE %I (%s)', name, array_to_string(array_fill('NULL'::text,
          ARRAY[cardinality(parameter_types)]), ', ')) FROM pg_prepared_statements WHERE statement = \(query.text)
        """)[0]
      return try await transaction.query(Query(unescaped: try kept.string(0))).map { try $0.string(0) }
    }
  }

  @Test("every menu reads an index that is in the order of the page, whichever it is, never the whole table")
  func plans() async throws {
    let world = try await prepared()
    let holders = [Holder(id: TicketWorld.kim, name: "김상담"), Holder(id: TicketWorld.lee, name: "이상담")]
    for (filter, set) in sets {
      for order in TicketOrder.allCases {
        let keys: [TicketOrder.Column: String] = [
          .title: "t5", .priority: "NORMAL", .state: "PROCESSING", .channel: "CHAT", .agent: "김상담",
        ]
        let end = PageEnd(
          id: TicketID(103_000), key: keys[order.column] ?? "", agent: order.column == .agent ? TicketWorld.kim : nil)
        for end in [end, nil] {
          let page = PageStatement(
            search: TicketSearch(filter: filter), order: order, holders: holders, end: end, limit: 51)
          let indexes = Self.indexes(set, filter, order.column)
          for plan in [try await Self.plan(page.query, world), try await Self.keptPlan(page.query, world)] {
            let text = plan.joined(separator: "\n")
            #expect(indexes.contains { text.contains(" \($0) ") }, "\(filter) \(order) \(indexes): \(text)")
            #expect(!text.contains("Seq Scan on ticket"), "\(filter) \(order): \(text)")
            let nodes = plan.filter { $0.contains("->") }
            for (node, below) in zip(nodes, nodes.dropFirst()) where below.contains(" on ticket t") {
              #expect(!node.contains("Sort"), "all of a run is sorted: \(filter) \(order): \(text)")
            }
          }
        }
      }
    }
  }

  @Test("every menu's first page of a usual size is planned once in its own order, not at every call")
  func plannedOnce() async throws {
    let world = try await prepared()
    for (filter, _) in sets {
      for limit in [21, 51] {
        var filter = filter
        filter.viewer = TicketWorld.kim
        let page = PageStatement(
          search: TicketSearch(filter: filter), order: .newestFirst, holders: [], end: nil, limit: limit)
        let planned = try await world.database.pool.transaction(deadline: TestDatabase.deadline) { transaction in
          // The server plans five calls anew before it thinks of another way.
          for _ in 1...8 { _ = try await transaction.query(page.query) }
          return try await transaction.query(
            "SELECT custom_plans FROM pg_prepared_statements WHERE statement = \(page.query.text)")[0].int64(0)
        }
        #expect(planned == 5, "\(filter)")
      }
    }
  }

  @Test("the spam box, where all is RESOLVED, is gone through once and not for each state")
  func spamByState() async throws {
    let world = try await prepared()
    var spam = TicketFilter(service: ServiceID(1))
    spam.isSpam = true
    let page = PageStatement(
      search: TicketSearch(filter: spam), order: TicketOrder(.state, isDescending: false), holders: [], end: nil,
      limit: 51)
    let plan = try await world.database.pool.query(
      "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF) \(fragment: page.query)", deadline: TestDatabase.deadline
    ).map { try $0.string(0) }
    let leaves = plan.filter { $0.contains(" on ticket t_1") }
    #expect(!leaves.isEmpty && leaves.allSatisfy { $0.contains("loops=1)") }, "\(plan.joined(separator: "\n"))")
  }

  @Test("histories come in pages, oldest first")
  func histories() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    for index in 1...4 {
      _ = try await world.client.processTicket(
        ProcessTicketRequest(name: name, act: .comment, text: "comment \(index)"), world.by(TicketWorld.kim))
    }
    var texts: [String] = []
    var entries = ListEntriesRequest(parent: name, pageSize: 2)
    repeat {
      let page = try await world.client.listEntries(entries, world.by(TicketWorld.kim))
      texts += page.entries.map(\.text)
      entries.pageToken = page.nextPageToken
    } while !entries.pageToken.isEmpty
    #expect(texts.dropFirst() == ["comment 1", "comment 2", "comment 3", "comment 4"])
    var sequences: [Int32] = []
    var events = ListEventsRequest(parent: name, pageSize: 2)
    repeat {
      let page = try await world.client.listEvents(events, world.by(TicketWorld.kim))
      sequences += page.events.map(\.sequence)
      events.pageToken = page.nextPageToken
    } while !events.pageToken.isEmpty
    #expect(sequences == [1, 2, 3, 4, 5])
  }
}
