import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct UpdateTicketTests {
  private func update(
    _ world: TicketWorld, _ ticket: Ticket, _ paths: [String], version: Int64 = 0, by agent: AgentID = TicketWorld.kim
  ) async throws -> Ticket {
    try await world.client.updateTicket(
      UpdateTicketRequest(ticket: ticket, updateMask: FieldMask(paths: paths), version: version), world.by(agent))
  }

  @Test("what the mask names is saved, the rest stays, and one event tells before and after")
  func saves() async throws {
    let world = try await TicketWorld()
    let before = try await world.ticket()
    var wanted = Ticket(name: world.name(before), title: " 환불 요청 ", priority: .urgent, language: "ja")
    wanted.submissionType = "services/care/submissionTypes/2"
    wanted.processingType = "services/care/processingTypes/2"
    wanted.customer = TicketCustomer(displayName: "김하늘", email: "Haneul@Example.com", phone: "010-0000-0000")
    let after = try await update(
      world, wanted,
      ["title", "priority", "submission_type", "processing_type", "customer.display_name", "customer.email"])
    #expect(after.title == "환불 요청" && after.priority == .urgent && after.language == "ko")
    #expect(after.submissionType == wanted.submissionType && after.processingType == wanted.processingType)
    #expect(after.customer?.email == "haneul@example.com" && after.customer?.phone.isEmpty == true)
    #expect(after.version == before.version + 1 && after.state == .processing)
    let event = try #require(
      try await world.client.listEvents(ListEventsRequest(parent: after.name), world.by(TicketWorld.kim)).events.last)
    #expect(event.code == "FIELDS_SAVED")
    let changes = Dictionary(
      event.changes.map { ($0.field, "\($0.before) -> \($0.after)") }, uniquingKeysWith: { first, _ in first })
    #expect(changes["priority"] == "NORMAL -> URGENT")
    #expect(changes["title"] == "택배가 오지 않아요 -> 환불 요청")
    #expect(changes["customer.email"] == "hong@example.com -> haneul@example.com")
    #expect(changes["processing_type"] == " -> services/care/processingTypes/2")
    #expect(changes["customer.number"] == " -> \(after.customer?.number ?? 0)")
    #expect(changes.count == 7)
    #expect(try await world.outbox(before.id).map(\.topic) == [.triggers])
    // The same again changes nothing, and so writes nothing.
    #expect(try await update(world, wanted, ["title", "priority"]).version == after.version)
    let cleared = try await update(world, Ticket(name: after.name), ["processing_type"])
    #expect(cleared.processingType.isEmpty)
    let found = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: after.name), world.by(TicketWorld.kim))
    #expect(found.intact, "\(found.finding)")
  }

  @Test("a customer who is typed in later is found or made, once, and one who is known stays")
  func customers() async throws {
    let world = try await TicketWorld()
    func create(_ customer: TicketCustomer? = nil) async throws -> Ticket {
      try await world.client.createTicket(
        CreateTicketRequest(
          parent: "services/care", title: "전화 문의", text: "언제 오나요?", customer: customer,
          submissionType: "services/care/submissionTypes/2"), world.by(TicketWorld.kim))
    }
    func save(_ customer: TicketCustomer, _ paths: [String], on ticket: Ticket) async throws -> Int64 {
      var wanted = Ticket(name: ticket.name)
      wanted.customer = customer
      return try await update(world, wanted, paths.map { "customer.\($0)" }).customer?.number ?? 0
    }
    let known = try await create(TicketCustomer(displayName: "홍길동", email: "hong@example.com", phone: "0101234"))
    let number = known.customer?.number ?? 0
    #expect(number != 0)
    for (customer, path) in [
      (TicketCustomer(email: "Hong@example.com"), "email"), (TicketCustomer(phone: "010-1234"), "phone"),
    ] {
      let ticket = try await create()
      #expect(ticket.customer?.number == 0)
      #expect(try await save(TicketCustomer(displayName: "홍길동"), ["display_name"], on: ticket) == 0, "a name is no key")
      #expect(try await save(customer, [path], on: ticket) == number)
      let earlier = try await world.client.listCustomerTickets(
        ListCustomerTicketsRequest(parent: ticket.name), world.by(TicketWorld.kim))
      #expect(earlier.tickets.last?.name == known.name)
      let found = try await world.client.verifyHistory(
        VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim))
      #expect(found.intact, "\(found.finding)")
    }
    #expect(try await save(TicketCustomer(email: "other@example.com"), ["email"], on: known) == number)
    var fresh: [Ticket] = []
    for _ in 0..<4 { fresh.append(try await create()) }
    let numbers = try await withThrowingTaskGroup(of: Int64.self) { group in
      for ticket in fresh {
        group.addTask { try await save(TicketCustomer(email: "new@example.com"), ["email"], on: ticket) }
      }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(numbers.count == 1 && !numbers.contains(0) && !numbers.contains(number))
    #expect(try await world.count("SELECT count(*) FROM customer") == 2)
  }

  @Test("everything wrong with a request is told at once")
  func violations() async throws {
    let world = try await TicketWorld()
    var wrong = Ticket(name: "tickets/1", title: "a\u{7}", priority: .init(rawValue: 9), language: "Korean")
    wrong.submissionType = "x"
    wrong.customer = TicketCustomer(
      displayName: String(repeating: "가", count: 101), email: "x", phone: "y", userCode: "*")
    wrong.callBack = CallBack(phone: "1")
    let error = await refusal {
      try await update(world, wrong, TicketUpdate.paths + ["state", "agent"], version: -1)
    }
    #expect(
      error?.violations.map(\.field) == [
        "ticket.name", "update_mask", "update_mask", "version", "ticket.title", "ticket.priority", "ticket.language",
        "ticket.submission_type", "ticket.customer.display_name", "ticket.customer.email", "ticket.customer.phone",
        "ticket.customer.user_code", "ticket.call_back.phone", "ticket.call_back.time",
      ])
    let empty = await refusal {
      try await world.client.updateTicket(UpdateTicketRequest(), world.by(TicketWorld.kim))
    }
    #expect(empty?.violations.map(\.field) == ["ticket.name", "update_mask"])
  }

  @Test("stale writers, closed and spam tickets, and other services' types are refused, and nothing is written")
  func refusals() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let stale = await refusal {
      try await update(world, Ticket(name: name, title: "x"), ["title"], version: ticket.version + 1)
    }
    #expect(stale?.reason == .staleVersion && stale?.metadata["current_version"] == "\(ticket.version)")
    for (type, path) in [
      ("services/other/submissionTypes/9", "submission_type"), ("services/care/submissionTypes/999", "submission_type"),
    ] {
      var wanted = Ticket(name: name)
      wanted.submissionType = type
      #expect(await refusal { try await update(world, wanted, [path]) }?.reason == .typeNotFound)
    }
    let shapes = [TicketWorld.Shape(state: .completed), TicketWorld.Shape(isSpam: true)]
    for shape in shapes {
      let closed = try await world.ticket(shape)
      let error = await refusal { try await update(world, Ticket(name: world.name(closed), title: "x"), ["title"]) }
      #expect(error?.reason == .transitionNotAllowed)
    }
    let guest = await refusal {
      try await update(world, Ticket(name: name, title: "x"), ["title"], by: TicketWorld.guest)
    }
    #expect(guest?.reason == .permissionDenied)
    #expect(try await world.count("SELECT count(*) FROM ticket_event WHERE ticket_id = \(ticket.id)") == 1)
  }

  @Test("a masked title is not changed until it is unmasked")
  func masked() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(TicketWorld.Shape(title: "*** 환불"))
    let name = world.name(ticket)
    try await world.run(
      """
      INSERT INTO mask_place (service_id, number, owner_ticket_id, ticket_service_id, ticket_id, text_column,
        span_start, span_length, sealed_original, key_id)
      VALUES (1, 0, \(ticket.id), 1, \(ticket.id), 'ticket.title', 0, 3, '\\x00', 'k')
      """)
    let error = await refusal { try await update(world, Ticket(name: name, title: "y"), ["title"]) }
    #expect(error?.reason == .maskOverlap)
    #expect(try await update(world, Ticket(name: name, title: "y", priority: .low), ["priority"]).priority == .low)
    try await world.run("UPDATE mask_place SET is_on = false, sealed_original = NULL, unmask_time = now()")
    #expect(try await update(world, Ticket(name: name, title: "y"), ["title"]).title == "y")
  }

  @Test("a promised call whose number is masked can be done and moved all the same, with the number as it is read")
  func maskedCallBack() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    var wanted = Ticket(name: world.name(ticket))
    let time = Timestamp(seconds: 1_800_000_000)
    wanted.callBack = CallBack(phone: "01000001234", time: time, active: true)
    _ = try await update(world, wanted, ["call_back"])
    try await world.run("UPDATE ticket SET call_back_phone = '010********' WHERE id = \(ticket.id)")
    try await world.run(
      """
      INSERT INTO mask_place (service_id, number, owner_ticket_id, ticket_service_id, ticket_id, text_column,
        span_start, span_length, sealed_original, key_id)
      VALUES (1, 0, \(ticket.id), 1, \(ticket.id), 'ticket.call_back_phone', 3, 8, '\\x00', 'k')
      """)
    wanted.callBack = CallBack(phone: "010********", time: Timestamp(seconds: 1_800_000_060), active: false)
    #expect(try await update(world, wanted, ["call_back"]).callBack == wanted.callBack)
    wanted.callBack?.phone = "010****"
    let other = await refusal { try await update(world, wanted, ["call_back"]) }
    #expect(other?.reason == .requestInvalid && other?.violations.map(\.field) == ["ticket.call_back.phone"])
    wanted.callBack?.phone = "01000009999"
    #expect(await refusal { try await update(world, wanted, ["call_back"]) }?.reason == .maskOverlap)
  }

  @Test("a promised call is on the agent's list and counter until it is done or the ticket is completed")
  func callBacks() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(.resolved)
    let name = world.name(ticket)
    var wanted = Ticket(name: name)
    wanted.callBack = CallBack(
      phone: "+82 10-0000-1234", time: Timestamp(seconds: 1_800_000_000, nanos: 5), active: true)
    let promised = try await update(world, wanted, ["call_back"], by: TicketWorld.lee)
    #expect(
      promised.callBack
        == CallBack(
          phone: "+821000001234", time: Timestamp(seconds: 1_800_000_000), active: true))
    func mine(_ agent: AgentID) async throws -> ([String], Int64) {
      let list = try await world.client.listTickets(
        ListTicketsRequest(parent: "services/care", menu: .myCallBacks), world.by(agent))
      let counters = try await world.client.getCounters(
        GetCountersRequest(parent: "services/care"), world.by(agent))
      return (list.tickets.map(\.name), counters.myCallBackCount)
    }
    #expect(try await mine(TicketWorld.kim) == ([name], 1))
    #expect(try await mine(TicketWorld.lee) == ([], 0))
    let events = try await world.client.listEvents(ListEventsRequest(parent: name), world.by(TicketWorld.kim)).events
    let changes = events.last?.changes.map { "\($0.field)=\($0.after)" }
    #expect(
      changes == ["call_back.time=2027-01-15T08:00:00Z", "call_back.active=true", "call_back.phone=+821000001234"])
    wanted.callBack?.active = false
    _ = try await update(world, wanted, ["call_back"])
    #expect(try await mine(TicketWorld.kim) == ([], 0))
    wanted.callBack?.active = true
    _ = try await update(world, wanted, ["call_back"])
    let completed = try await world.client.completeTicket(
      CompleteTicketRequest(name: name), world.by(TicketWorld.boss))
    #expect(completed.callBack?.active == false && completed.callBack?.phone == "+821000001234")
    #expect(try await mine(TicketWorld.kim) == ([], 0))
    let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.kim))
    #expect(found.intact, "\(found.finding)")
  }

  @Test("an issue ticket's promised call is its own, escalated or made by hand, and ends with it")
  func callBacksOfIssueTickets() async throws {
    let world = try await TicketWorld()
    let (source, escalated) = try await world.escalation()
    func mine(_ service: String) async throws -> ([String], Int64) {
      let list = try await world.client.listTickets(
        ListTicketsRequest(parent: "services/\(service)", menu: .myCallBacks), world.by(TicketWorld.kim))
      let counters = try await world.client.getCounters(
        GetCountersRequest(parent: "services/\(service)"), world.by(TicketWorld.kim))
      return (list.tickets.map(\.name), counters.myCallBackCount)
    }
    let promise = CallBack(phone: "01000001234", time: Timestamp(seconds: 1_800_000_000), active: true)
    for ticket in [escalated, try await world.ticket(.processing, service: "bugs")] {
      var wanted = Ticket(name: world.name(ticket))
      wanted.callBack = promise
      let promised = try await update(world, wanted, ["call_back"])
      #expect(promised.callBack == promise && promised.version == ticket.version + 1)
      #expect(try await mine("bugs") == ([promised.name], 1))
      let events = try await world.client.listEvents(
        ListEventsRequest(parent: promised.name), world.by(TicketWorld.kim)
      ).events
      #expect(events.last?.code == "FIELDS_SAVED" && events.last?.actor?.name == "agents/1")
      #expect(
        events.last?.changes.map { "\($0.field)=\($0.after)" }
          == ["call_back.time=2027-01-15T08:00:00Z", "call_back.active=true", "call_back.phone=01000001234"])
      // Nobody promised anything on the consultation ticket.
      #expect(try await mine("care") == ([], 0))
      let cleared = try await update(world, Ticket(name: promised.name), ["call_back"])
      #expect(cleared.callBack == nil)
      #expect(try await mine("bugs") == ([], 0))
      _ = try await update(world, wanted, ["call_back"])
      _ = try await world.client.processTicket(
        ProcessTicketRequest(name: promised.name, act: .resolveInternally, internalReason: .callSolved),
        world.by(TicketWorld.kim))
      #expect(try await mine("bugs") == ([promised.name], 1))
      let completed = try await world.client.completeTicket(
        CompleteTicketRequest(name: promised.name), world.by(TicketWorld.boss))
      #expect(completed.callBack?.active == false && completed.callBack?.phone == promise.phone)
      #expect(try await mine("bugs") == ([], 0))
      let found = try await world.client.verifyHistory(
        VerifyHistoryRequest(name: promised.name), world.by(TicketWorld.kim))
      #expect(found.intact, "\(found.finding)")
    }
    let behind = try await world.client.getTicket(GetTicketRequest(name: world.name(source)), world.by(TicketWorld.kim))
    #expect(behind.callBack == nil && behind.state == .escalationAnswered)
  }
}
