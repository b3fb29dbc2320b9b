import HandoffTestKit
import Postgres
import Testing
import TicketLedger

@testable import Tickets

@Suite("plans of searches") struct SearchPlanTests {
  /// Thousands of tickets over half a year, with a text each.
  private func prepared() async throws -> TicketWorld {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO ticket (service_id, id, state, agent_id, group_id, channel, language, title, organization_id,
        customer_email, customer_phone, customer_user_code, submission_type_id, processing_type_id, event_hash,
        event_seal, create_time, update_time, resolve_time, complete_time)
      SELECT 1, 100000 + n, s.state, CASE WHEN s.state = 'UNASSIGNED' THEN NULL ELSE 1 + n % 3 END, 1 + n % 2, 'EMAIL',
        'ko', 'T', 1, 'a' || n || '@example.com', '0100000' || n, 'u' || n, 1 + n % 3, 1 + n % 2, '\\x00', '\\x00',
        now() - (8000 - n) * interval '32 minutes', now(),
        CASE WHEN s.state IN ('RESOLVED', 'COMPLETED') THEN now() END, CASE WHEN s.state = 'COMPLETED' THEN now() END
      FROM generate_series(1, 8000) AS n CROSS JOIN LATERAL (SELECT
        (ARRAY['UNASSIGNED', 'PROCESSING', 'PENDING', 'RESOLVED', 'COMPLETED'])[1 + n / 2 % 5] AS state) AS s
      """)
    try await world.run(
      """
      INSERT INTO ticket_search (service_id, ticket_id, place, create_time, tokens)
      SELECT 1, t.id, 'title', t.create_time, array_to_tsvector(ARRAY['T1.x' || t.id % 500, 'T1.y' || t.id % 7])
      FROM ticket AS t
      """)
    try await world.run(
      """
      INSERT INTO ticket_entry (service_id, id, ticket_id, kind, act, actor_kind, body, body_salt, body_hash,
        create_time)
      SELECT 1, 3 * t.id + n, t.id, 'COMMENT', 'COMMENT_ADDED', 'SYSTEM', 'x', '\\x00', '\\x00', t.create_time
      FROM ticket AS t CROSS JOIN generate_series(0, 2) AS n
      """)
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      SELECT 1, n, 'code_' || n, 'TEXT', 'AGENT', 'Code' FROM generate_series(1, 5) AS n
      """)
    try await world.run("INSERT INTO ticket_field_value SELECT 1, t.id, 1 + t.id % 5, 'x' FROM ticket AS t")
    // Planned as if there were a million, and nobody may count anew.
    try await world.run("ALTER TABLE ticket_field_value SET (autovacuum_enabled = false)")
    try await world.run("ANALYZE ticket, ticket_entry, ticket_field_value, ticket_search")
    try await world.run("UPDATE pg_class SET reltuples = 1000000 WHERE oid = 'ticket_field_value'::regclass")
    return world
  }

  private func shapes() throws -> [(label: String, search: TicketSearch)] {
    var filter = TicketFilter(service: ServiceID(1))
    filter.viewer = TicketWorld.kim
    func make(_ label: String, _ build: (inout TicketSearch) -> Void) -> (String, TicketSearch) {
      var search = TicketSearch(filter: filter)
      build(&search)
      return (label, search)
    }
    return [
      make("id") { $0.ticketID = TicketID(100_100) },
      make("customer") { $0.customer = (OrganizationID(1), CustomerID(5)) },
      make("user code") { $0.userCode = "u77" },
      make("email") { $0.email = .init(text: "a77@example.com", isBeginning: false) },
      make("beginning of the email") { $0.email = .init(text: "a77", isBeginning: true) },
      make("phone") { $0.phone = .init(text: "010000077", isBeginning: false) },
      make("beginning of the phone") { $0.phone = .init(text: "010000077", isBeginning: true) },
      make("state") { $0.states = [.pending, .resolved] }, make("agent") { $0.agents = [TicketWorld.kim] },
      make("agent and state") { ($0.agents, $0.states) = ([TicketWorld.kim, TicketWorld.lee], [.pending]) },
      make("group") { $0.groups = [GroupID(1), GroupID(2)] }, make("submission type") { $0.submissionTypes = [1, 2] },
      make("processing type") { $0.processingTypes = [2] }, make("channel") { $0.channels = [.email] },
      make("language") { $0.languages = ["ko"] }, make("priority") { $0.priorities = [.normal] },
      make("starred") { $0.filter.isStarred = true }, make("spam") { $0.filter.isSpam = true },
      make("nobody's") { $0.filter.holder = .nobody },
      make("escalated") { $0.filter.escalatedTo = EscalatedTo.allCases },
      make("my escalated") {
        ($0.filter.holder, $0.filter.states) = (.agent(TicketWorld.kim), [.escalating, .doorayEscalated])
      },
      make("field") { $0.fields = [.init(field: FieldID(1), options: ["x"])] },
      make("everything") { _ in },
    ]
  }

  @Test("no search reads the whole of the tickets, the entries or the index of texts")
  func plans() async throws {
    let world = try await prepared()
    let phrase = try #require(SearchPhrase("환불"))
    let bounds = try await TicketStore(pool: world.ledger.pool).searchBounds(
      of: ServiceID(1), after: TicketID(0), deadline: TestDatabase.deadline)
    for (label, search) in try shapes() {
      let page = PageStatement(
        search: search, order: .newestFirst, holders: [], end: PageEnd(id: TicketID(107_000)), limit: 51)
      try await check(world, label, page.query)
      // What a search without a period asks for, and a period of its own.
      var dated = search
      for before in [nil, bounds.now] {
        (dated.from, dated.before) = (bounds.halfYearAgo, before)
        let page = PageStatement(
          search: dated, order: .newestFirst, holders: [], end: PageEnd(id: TicketID(107_000)), limit: 51)
        try await check(world, "\(label) of a period", page.query)
      }
      var worded = search
      worded.words = [.init(phrase: phrase, scopes: [.title])]
      worded.from = bounds.halfYearAgo
      var walk = SearchWalk(worded, bounds, after: TicketID(0))
      try await check(
        world, "\(label) and words", try #require(walk.next(limit: 51)), needs: "ticket_search_tokens_idx")
      worded.words.append(.init(phrase: phrase, scopes: [.entry, .customerName]))
      var second = SearchWalk(worded, bounds, after: TicketID(0))
      try await check(
        world, "\(label) and more words", try #require(second.next(limit: 51)), needs: "ticket_search_tokens_idx")
    }
  }

  @Test("texts that wait to be indexed are read once for each window, and are no more than their list has room for")
  func waitingTexts() async throws {
    let world = try await prepared()
    try await world.run("CREATE EXTENSION pgstattuple SCHEMA public")
    let pages: Query = """
      SELECT pending_pages::bigint FROM public.pgstatginindex('handoff.ticket_search_tokens_idx')
      """
    let tidy: Query = "SELECT tidy_search_index()"
    try await world.run(tidy)
    let bounds = try await TicketStore(pool: world.ledger.pool).searchBounds(
      of: ServiceID(1), after: TicketID(0), deadline: TestDatabase.deadline)
    let half = TicketStore.SearchBounds(
      now: bounds.now, halfYearAgo: bounds.halfYearAgo, oldest: bounds.halfYearAgo, cursor: nil)
    func read() async throws -> Int {
      var search = TicketSearch(filter: TicketFilter(service: ServiceID(1)))
      search.words = [.init(phrase: try #require(SearchPhrase("쾗뷁")), scopes: [.title, .entry])]
      search.from = half.halfYearAgo
      var walk = SearchWalk(search, half, after: TicketID(0))
      let next = walk.next(limit: 51)
      let statement = try #require(next)
      let plan = try await world.rows("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) \(fragment: statement)")
        .map { try $0.string(0) }
      let line = try #require(plan.first { $0.contains("Buffers: ") })
      return line.matches(of: /(?:hit|read)=(\d+)/).compactMap { Int($0.output.1) }.reduce(0, +)
    }
    let days = (bounds.now.microsecondsSinceEpoch - half.halfYearAgo.microsecondsSinceEpoch) / 86_400_000_000 + 3
    let windows = Int(days / SearchWalk.windowDays) + 1
    let indexed = try await read()
    var rows = ["\(windows) windows, nothing waits: \(indexed) pages"]
    var most = 0
    for text in 1...150 {
      _ = try await world.ticket(.init(text: "주문번호 \(text * 7_919) 배송이 언제 되는지 알고 싶어요. 빨리 답해 주세요."))
      let waiting = try await world.count(pages)
      guard waiting > most else { continue }
      most = waiting
      let cost = try await read()
      rows.append("\(text) tickets wait on \(waiting) pages: \(cost) pages")
      #expect(cost <= indexed + windows * (waiting + 1))
    }
    print(rows.joined(separator: "\n"))
    #expect(most >= 8 && most <= 128 / 8 + 1, "the list has room for 128 kB")
    try await world.run(tidy)
    #expect(try await read() <= indexed + 2 * windows)
  }

  @Test("what a search reads beside its hits, and the earlier tickets of a customer, are found by indexes")
  func details() async throws {
    let world = try await prepared()
    let service = ServiceID(1)
    let ids = (100_001...100_051).map { TicketID($0) }
    try await check(world, "entries", TicketStore.entries(of: ids, in: service), needs: "ticket_entry_ticket_idx")
    try await check(world, "values", TicketStore.values(of: ids, in: service), needs: "ticket_field_value_pkey")
    try await check(world, "bounds", TicketStore.bounds(of: service, after: ids[0]), needs: "ticket_")
    let ticket = TicketLink(serviceID: service, ticketID: ids[0])
    try await check(
      world, "earlier tickets",
      TicketStore.others(
        of: CustomerID(5), beside: ticket, OrganizationID(1), seenBy: TicketWorld.kim, before: ids[50], 51),
      needs: "ticket_customer_idx")
    let phrase = try #require(SearchPhrase("환불"))
    let bounds = try await TicketStore(pool: world.ledger.pool).searchBounds(
      of: service, after: TicketID(0), deadline: TestDatabase.deadline)
    var search = TicketSearch(filter: TicketFilter(service: service))
    search.words = [.init(phrase: phrase, scopes: [.field(FieldID(1))])]
    search.from = bounds.halfYearAgo
    var walk = SearchWalk(search, bounds, after: TicketID(0))
    try await check(
      world, "words of a field", try #require(walk.next(limit: 51)), needs: "ticket_search_tokens_idx")
  }

  @Test("a search asks the index of texts alone, also where reading the key of one service seems to be cheap")
  func oneIndex() async throws {
    let world = try await prepared()
    // As of an installation with another service of the same size, and of texts that fill a gigabyte: what a second
    // index leaves out saves much then.
    try await world.run(
      """
      INSERT INTO ticket (service_id, id, state, channel, language, title, organization_id, customer_email,
        customer_phone, event_hash, event_seal, create_time, update_time)
      SELECT 2, id, 'UNASSIGNED', channel, language, title, 1, customer_email, customer_phone, event_hash, event_seal,
        create_time, update_time
      FROM ticket
      """)
    try await world.run(
      """
      INSERT INTO ticket_search (service_id, ticket_id, place, create_time, tokens)
      SELECT 2, ticket_id, place, create_time, tokens FROM ticket_search
      """)
    try await world.run("ANALYZE ticket, ticket_search")
    let file = try await world.rows("SELECT pg_relation_filepath('ticket_search')")[0].string(0)
    try await world.run("COPY (SELECT) TO PROGRAM 'cat >/dev/null; truncate --size=1000M \(unescaped: file)'")
    try await world.run(
      "UPDATE pg_class SET reltuples = 2000000, relpages = 128000 WHERE oid = 'ticket_search'::regclass")
    let bounds = try await TicketStore(pool: world.ledger.pool).searchBounds(
      of: ServiceID(1), after: TicketID(0), deadline: TestDatabase.deadline)
    var search = TicketSearch(filter: TicketFilter(service: ServiceID(1)))
    search.words = [.init(phrase: try #require(SearchPhrase("환불")), scopes: [.title])]
    search.from = bounds.halfYearAgo
    var walk = SearchWalk(search, bounds, after: TicketID(0))
    let next = walk.next(limit: 51)
    let statement = try #require(next)
    let plan = try await world.database.pool.transactionBatch(
      ["SET LOCAL cpu_index_tuple_cost = 0", "SET LOCAL cpu_operator_cost = 0", "EXPLAIN \(fragment: statement)"],
      deadline: TestDatabase.deadline)[2].map { try $0.string(0) }.joined(separator: "\n")
    #expect(plan.contains("ticket_search_tokens_idx"), "\(plan)")
    #expect(!plan.contains("BitmapAnd") && !plan.contains("ticket_search_pkey"), "\(plan)")
  }

  private func check(_ world: TicketWorld, _ label: String, _ query: Query, needs index: String = "") async throws {
    let plan = try await world.rows("EXPLAIN \(fragment: query)").map { try $0.string(0) }.joined(separator: "\n")
    for table in ["ticket", "ticket_entry", "ticket_search", "ticket_field_value"] {
      #expect(!plan.contains("Seq Scan on \(table) "), "\(label): \(plan)")
    }
    #expect(plan.contains(index), "\(label): \(plan)")
  }
}
