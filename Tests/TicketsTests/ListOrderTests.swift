import Crypto
import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Tickets

@Suite("orders of lists") struct ListOrderTests {
  private static let menus: [ListTicketsRequest.Menu] = [
    .all, .unassigned, .myProcessing, .myPending, .myResolved, .myCompleted, .myGroups, .escalated, .spam,
    .myCallBacks, .escalatedToIssue, .escalatedToDooray, .myEscalated,
  ]

  /// Tickets of all kinds, with columns that are often equal.
  private func fill(_ world: TicketWorld, _ count: Int, _ random: inout SeededGenerator) async throws {
    let states: [TicketState] = [
      .unassigned, .processing, .processing, .pending, .resolved, .completed, .doorayInProgress, .escalating,
    ]
    let agents = [TicketWorld.kim, TicketWorld.kim, TicketWorld.lee, TicketWorld.boss]
    let titles = ["환불", "환불 문의", "Apple", "apple", "banana", "Zebra", "가방", "_"]
    for _ in 0..<count {
      guard let state = states.randomElement(using: &random), let agent = agents.randomElement(using: &random),
        let title = titles.randomElement(using: &random)
      else { return }
      let group = [nil, GroupID(1), GroupID(2)].randomElement(using: &random) ?? nil
      let isSpam = Int.random(in: 0..<8, using: &random) == 0
      _ = try await world.ticket(
        .init(
          state: isSpam ? .resolved : state, agent: state == .unassigned ? nil : agent, group: group, title: title,
          isSpam: isSpam))
    }
    // Columns that no act of a moment sets; the counters know neither of them.
    try await world.run(
      """
      UPDATE ticket SET priority = (ARRAY['LOW', 'NORMAL', 'HIGH', 'URGENT'])[1 + (id * 7919) % 4],
        channel = (ARRAY['EMAIL', 'CHAT', 'PHONE', 'HELP_CENTER', 'ESCALATION'])[1 + (id * 104729) % 5],
        call_back_phone = CASE WHEN id % 3 = 0 AND state <> 'COMPLETED' THEN '0100000000' ELSE '' END,
        call_back_time = CASE WHEN id % 3 = 0 AND state <> 'COMPLETED' THEN now() END,
        call_back_active = id % 3 = 0 AND state <> 'COMPLETED',
        target_service_id = CASE WHEN state = 'ESCALATING' THEN 2 END,
        target_ticket_id = CASE WHEN state = 'ESCALATING' THEN id END,
        escalated_to = CASE WHEN state = 'ESCALATING' THEN (ARRAY['ISSUE', 'BOTH'])[1 + id % 2] ELSE escalated_to END
      """)
    try await world.run(
      """
      INSERT INTO ticket_star (service_id, agent_id, ticket_id)
      SELECT 1, 1, id FROM ticket WHERE service_id = 1 AND id % 2 = 0
      """)
  }

  /// All pages of a list one after the other.
  private func walk(
    _ world: TicketWorld, _ request: ListTicketsRequest, between: () async throws -> Void = {}
  ) async throws -> [Ticket] {
    var request = request
    var tickets: [Ticket] = []
    repeat {
      let page = try await world.client.listTickets(request, world.by(TicketWorld.kim))
      #expect(page.tickets.count == Int(request.pageSize) || page.nextPageToken.isEmpty)
      tickets += page.tickets
      request.pageToken = page.nextPageToken
      try await between()
    } while !request.pageToken.isEmpty && tickets.count < 10_000
    return tickets
  }

  /// Tells whoever changes tickets when all pages were shown.
  private final class Walk: Sendable {
    let isOver = Atomic(false)
  }

  /// What the product says of the order, written down a second time.
  private struct Place: Comparable {
    let column: [UInt8]
    let id: Int64

    init(_ ticket: Ticket, _ column: TicketOrder.Column) {
      id = Int64(ticket.name.split(separator: "/").last ?? "") ?? 0
      // By name: 김상담 (1), 박관리 (3), 이상담 (2); nobody last.
      let agents: [String: UInt8] = ["agents/1": 1, "agents/3": 2, "agents/2": 3]
      self.column =
        switch column {
        case .received: []
        case .title: Array(ticket.title.utf8).map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
        case .priority: [UInt8(ticket.priority.rawValue)]
        case .state: [UInt8(ticket.state.rawValue)]
        case .channel: [UInt8(ticket.channel.rawValue)]
        case .agent: [agents[ticket.agent] ?? 9]
        }
    }

    static func < (left: Place, right: Place) -> Bool {
      left.column == right.column ? left.id < right.id : left.column.lexicographicallyPrecedes(right.column)
    }
  }

  @Test("every menu, with the star filter and without, can be sorted by every column in both directions")
  func orders() async throws {
    let world = try await TicketWorld()
    var random = SeededGenerator(seed: TestScale.seed)
    try await fill(world, 60, &random)
    for menu in Self.menus {
      for starred in TestScale.isAll ? [false, true] : [Bool.random(using: &random)] {
        var request = ListTicketsRequest(parent: "services/care", menu: menu, pageSize: 200, starred: starred)
        let set = try await walk(world, request)
        for order in TicketOrder.allCases {
          request.orderBy = order.description
          request.pageSize = Int32.random(in: 2...20, using: &random)
          let shown = try await walk(world, request).map(\.name)
          let ascending = set.sorted { Place($0, order.column) < Place($1, order.column) }
          let expected = (order.isDescending ? ascending.reversed() : ascending).map(\.name)
          #expect(shown == expected, "\(menu) \(starred) \(order) \(TestScale.place(0))")
        }
      }
    }
    let none = ListTicketsRequest(parent: "services/care", pageSize: 200)
    var newest = none
    newest.orderBy = " create_time  desc "
    #expect(try await walk(world, none) == walk(world, newest))
  }

  @Test("filters narrow a menu in every order alike")
  func filters() async throws {
    let world = try await TicketWorld()
    var random = SeededGenerator(seed: TestScale.seed)
    try await fill(world, 40, &random)
    let requests: [ListTicketsRequest] = [
      .init(state: .processing), .init(state: .resolved, agent: "agents/2"), .init(group: "services/care/groups/1"),
      .init(agent: "agents/3"), .init(state: .processing, group: "services/care/groups/2", agent: "agents/1"),
      .init(menu: .unassigned, state: .unassigned), .init(menu: .escalated, agent: "agents/1"),
      .init(menu: .unassigned, group: "services/care/groups/1"), .init(menu: .spam, agent: "agents/2"),
      .init(menu: .myGroups, state: .pending), .init(menu: .myEscalated, state: .doorayInProgress),
      .init(menu: .escalatedToDooray, agent: "agents/2"),
    ]
    for (row, request) in requests.enumerated() {
      var request = request
      (request.parent, request.pageSize) = ("services/care", 200)
      let set = try await walk(world, request)
      for order in TicketOrder.allCases {
        (request.orderBy, request.pageSize) = (order.description, 3)
        let ascending = set.sorted { Place($0, order.column) < Place($1, order.column) }
        let expected = (order.isDescending ? ascending.reversed() : ascending).map(\.name)
        #expect(try await walk(world, request).map(\.name) == expected, "row \(row) \(order) \(TestScale.place(0))")
      }
    }
  }

  @Test("while others change tickets, pages show every unchanged one once, and in order")
  func concurrentChanges() async throws {
    let world = try await TicketWorld()
    var random = SeededGenerator(seed: TestScale.seed)
    try await fill(world, 50, &random)
    let still = Set(
      try await world.rows("SELECT id FROM ticket WHERE service_id = 1 AND id % 5 <> 0").map { try $0.int64(0) })
    for await round in TestScale.rounds(usual: 12, all: 240) {
      var random = SeededGenerator(seed: TestScale.seed &+ UInt64(round))
      let order = TicketOrder.allCases[round % TicketOrder.allCases.count]
      let menu = [ListTicketsRequest.Menu.all, .myGroups][Int(random.next() % 2)]
      var request = ListTicketsRequest(parent: "services/care", menu: menu, pageSize: 200)
      request.orderBy = order.description
      func unchanged(_ tickets: [Ticket]) -> [String] {
        tickets.filter { still.contains(Place($0, .received).id) }.map(\.name)
      }
      let before = unchanged(try await self.walk(world, request))
      request.pageSize = Int32.random(in: 1...6, using: &random)
      let walk = Walk()
      let shown = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          var random = SeededGenerator(seed: TestScale.seed &+ UInt64(round) &+ 7919)
          // One new ticket a round: were there more the longer a walk takes, walks would take longer and longer.
          _ = try await world.ticket(.init(title: "neu \(round)"))
          repeat { try await self.change(world, &random) } while !walk.isOver.load(ordering: .relaxed)
        }
        let shown = try await self.walk(world, request) { await Task.yield() }
        walk.isOver.store(true, ordering: .relaxed)
        try await group.waitForAll()
        return shown
      }
      #expect(unchanged(shown) == before, "\(menu) \(order) \(TestScale.place(round))")
      // A ticket that moves may be met again where it went, never where it was.
      for (last, next) in zip(shown, shown.dropFirst()) {
        let (last, next) = (Place(last, order.column), Place(next, order.column))
        #expect(order.isDescending ? next < last : last < next, "\(menu) \(order) \(TestScale.place(round))")
      }
    }
  }

  /// Changes every column of one of the tickets that move.
  private func change(_ world: TicketWorld, _ random: inout SeededGenerator) async throws {
    let number = Int64.random(in: 0..<1_000, using: &random)
    try await world.run(
      """
      UPDATE ticket SET title = 'title ' || \(number), agent_id = 1 + \(number) % 3,
        state = CASE WHEN \(number) % 2 = 0 THEN 'PROCESSING' ELSE 'PENDING' END,
        priority = (ARRAY['LOW', 'NORMAL', 'HIGH', 'URGENT'])[1 + \(number) % 4],
        channel = (ARRAY['EMAIL', 'CHAT', 'PHONE'])[1 + \(number) % 3], complete_time = NULL, call_back_active = false
      WHERE id = (SELECT id FROM ticket WHERE service_id = 1 AND id % 5 = 0 AND NOT is_spam
        ORDER BY id OFFSET \(number) % 7 LIMIT 1)
      """)
  }

  @Test("a page goes on where the last one ended, though what ended it has moved or its holder holds nothing any more")
  func moved() async throws {
    let world = try await TicketWorld()
    for agent in [TicketWorld.kim, TicketWorld.lee, TicketWorld.boss, TicketWorld.lee] {
      _ = try await world.ticket(.init(agent: agent))
    }
    for (order, rest) in [("agent", ["agents/2", "agents/2"]), ("agent desc", ["agents/1"])] {
      var request = ListTicketsRequest(parent: "services/care", pageSize: 2, orderBy: order)
      if order == "agent desc" { request.pageSize = 3 }
      let page = try await world.client.listTickets(request, world.by(TicketWorld.kim))
      request.pageToken = page.nextPageToken
      // 박관리 is between the others by name, and holds nothing for a moment.
      try await world.run(
        """
        UPDATE ticket SET is_spam = true, state = 'RESOLVED', internal_reason = 'SPAM', resolve_time = now()
        WHERE agent_id = 3
        """)
      try await world.run("DELETE FROM ticket_count_change WHERE agent_id = 3")
      let next = try await world.client.listTickets(request, world.by(TicketWorld.kim))
      #expect(next.tickets.map(\.agent) == rest, "\(order)")
      try await world.run(
        "UPDATE ticket SET is_spam = false, state = 'PROCESSING', internal_reason = NULL WHERE agent_id = 3")
      try await world.run(
        """
        INSERT INTO ticket_count_change (service_id, minute, agent_id, state, change)
        VALUES (1, now(), 3, 'PROCESSING', 1)
        """)
    }
  }

  @Test("a page token cannot be read, changed, or used for another order")
  func tokens() async throws {
    let world = try await TicketWorld()
    for title in ["비밀 하나", "비밀 둘", "비밀 셋"] { _ = try await world.ticket(.init(title: title)) }
    let first = ListTicketsRequest(parent: "services/care", pageSize: 1, orderBy: "title")
    let token = try await world.client.listTickets(first, world.by(TicketWorld.kim)).nextPageToken
    let bytes = try #require(Base64URL.decode(token))
    #expect(!String(decoding: bytes, as: UTF8.self).contains("비밀"))
    for index in bytes.indices {
      var forged = bytes
      forged[index] ^= 1
      var request = first
      request.pageToken = Base64URL.encode(forged)
      let error = await refusal { try await world.client.listTickets(request, world.by(TicketWorld.kim)) }
      #expect(error?.reason == .pageTokenInvalid)
    }
    for order in ["", "title desc", "priority"] {
      var request = first
      (request.orderBy, request.pageToken) = (order, token)
      let error = await refusal { try await world.client.listTickets(request, world.by(TicketWorld.kim)) }
      #expect(error?.reason == .pageTokenInvalid)
    }
  }

  @Test("the longest title fits into a page token, and an order that there is not is refused")
  func limits() async throws {
    let world = try await TicketWorld()
    let long = String(repeating: "\u{1F600}", count: 200)
    for _ in 0..<2 { _ = try await world.ticket(.init(title: long)) }
    let shown = try await walk(world, .init(parent: "services/care", pageSize: 1, orderBy: "title desc"))
    #expect(shown.map(\.title) == [long, long])
    for order in ["id", "title asc", "title desc desc", "title,state", "TITLE", String(repeating: "x", count: 10_000)] {
      let error = await refusal {
        try await world.client.listTickets(
          .init(parent: "services/care", orderBy: order), world.by(TicketWorld.kim))
      }
      #expect(error?.violations.map(\.field) == ["order_by"], "\(order)")
    }
  }

  @Test("a page that is larger than the largest is refused with the limit, in lists and searches")
  func pageSizes() async throws {
    let world = try await TicketWorld()
    let errors = [
      await refusal {
        try await world.client.listTickets(.init(parent: "services/care", pageSize: 201), world.by(TicketWorld.kim))
      },
      await refusal {
        try await world.client.searchTickets(.init(parent: "services/care", pageSize: 201), world.by(TicketWorld.kim))
      },
    ]
    for error in errors {
      #expect(error?.violations == [FieldViolation("page_size", "must be 1 to 200; 0 is taken as 50")])
    }
  }
}
