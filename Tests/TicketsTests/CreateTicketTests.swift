import EventLoop
import HandoffAPI
import HandoffTestKit
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Postgres
@testable import Tickets

@Suite struct CreateTicketTests {
  private static func byHand() -> CreateTicketRequest {
    CreateTicketRequest(
      parent: "services/care", title: "택배가 오지 않아요", text: "지난주에 주문했어요.",
      customer: TicketCustomer(displayName: "홍길동", email: "Hong@Example.com", phone: "010-1234-5678"),
      submissionType: "services/care/submissionTypes/1")
  }

  private static func byMail() -> CreateTicketRequest {
    var request = byHand()
    request.submissionType = ""
    request.channel = .email
    return request
  }

  @Test("an agent creates a ticket by hand: unassigned, with its inquiry, event, counters and trigger pass")
  func createdByHand() async throws {
    let world = try await TicketWorld()
    try await world.addTrigger()
    let ticket = try await world.client.createTicket(Self.byHand(), world.by(TicketWorld.kim))
    #expect(ticket.state == .unassigned)
    #expect(ticket.channel == .manual)
    #expect(ticket.priority == .normal)
    #expect(ticket.language == "ko")
    #expect(ticket.creator == "agents/1")
    #expect(ticket.version == 1)
    #expect(ticket.customer?.email == "hong@example.com")
    #expect(ticket.customer?.phone == "01012345678")
    #expect(ticket.customer?.number ?? 0 > 0)
    let entries = try await world.client.listEntries(ListEntriesRequest(parent: ticket.name), world.by(TicketWorld.kim))
    #expect(entries.entries.map(\.text) == ["지난주에 주문했어요."])
    #expect(entries.entries[0].kind == .inquiry && entries.entries[0].author?.name == "agents/1")
    let events = try await world.client.listEvents(ListEventsRequest(parent: ticket.name), world.by(TicketWorld.kim))
    #expect(events.events.map(\.code) == ["CREATED"])
    // Every code, id and text that the ticket began with, and nothing that it did not have.
    #expect(
      events.events[0].changes.map { "\($0.field)\($0.before) \($0.after)" } == [
        "state UNASSIGNED", "priority NORMAL", "channel MANUAL", "language ko",
        "submission_type services/care/submissionTypes/1", "customer.number \(ticket.customer?.number ?? 0)",
        "creator agents/1", "entry \(entries.entries[0].name)", "customer.display_name 홍길동",
        "customer.email hong@example.com", "customer.phone 01012345678", "title 택배가 오지 않아요",
      ])
    let work = try await world.outbox(try #require(TicketName(ticket.name)).id)
    #expect(work.map(\.topic) == [.triggers])
    #expect(try TriggerPass(serialized: work[0].payload).cause == .created)
    let counters = try await world.client.getCounters(
      GetCountersRequest(parent: "services/care"), world.by(TicketWorld.kim))
    #expect(counters.unassignedTotal == 1 && counters.receivedToday == 1)
  }

  @Test("where no trigger is active, nothing is left to be run")
  func withoutTriggers() async throws {
    let world = try await TicketWorld()
    // Those of other services, and those that are put aside, do not count.
    try await world.addTrigger(service: 2)
    try await world.addTrigger(isActive: false)
    let first = try await world.client.createTicket(Self.byHand(), world.by(TicketWorld.kim))
    #expect(try await world.outbox(try #require(TicketName(first.name)).id).isEmpty)
    #expect(try await world.eventCodes(first.name) == ["CREATED"])
    try await world.addTrigger()
    let second = try await world.client.createTicket(Self.byHand(), world.by(TicketWorld.kim))
    #expect(try await world.outbox(try #require(TicketName(second.name)).id).map(\.topic) == [.triggers])
  }

  @Test("a ticket created with an agent is in their hands at once, in their only group")
  func createdAssigned() async throws {
    let world = try await TicketWorld()
    var request = Self.byHand()
    request.agent = "agents/2"
    let ticket = try await world.client.createTicket(request, world.by(TicketWorld.kim))
    #expect(ticket.state == .processing)
    #expect(ticket.agent == "agents/2" && ticket.agentDisplayName == "이상담")
    #expect(ticket.group == "services/care/groups/1")
    request.agent = "agents/1"
    let other = try await world.client.createTicket(request, world.by(TicketWorld.kim))
    #expect(other.group.isEmpty, "an agent of two groups: nobody said which")
  }

  @Test("an inquiry that mail brings is the customer's, and the event says that mail brought it")
  func createdByMail() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.client.createTicket(Self.byMail(), world.by("mail"))
    #expect(ticket.channel == .email && ticket.creator.isEmpty)
    let entries = try await world.client.listEntries(ListEntriesRequest(parent: ticket.name), world.by(TicketWorld.kim))
    #expect(entries.entries[0].author?.kind == .customer)
    let events = try await world.client.listEvents(ListEventsRequest(parent: ticket.name), world.by(TicketWorld.kim))
    #expect(events.events[0].actor?.kind == .service && events.events[0].actor?.name == "mail")
  }

  struct Wrong: Sendable, CustomTestStringConvertible {
    let field: String
    var isByMail = false
    let spoil: @Sendable (inout CreateTicketRequest) -> Void
    var testDescription: String { field + (isByMail ? " by mail" : "") }
  }

  static let wrongs: [Wrong] = [
    Wrong(field: "parent") { $0.parent = "care" },
    Wrong(field: "title") { $0.title = " " },
    Wrong(field: "title") { $0.title = String(repeating: "가", count: 201) },
    Wrong(field: "title") { $0.title = "two\nlines" },
    Wrong(field: "text") { $0.text = "\n " },
    Wrong(field: "text") { $0.text = String(repeating: "가", count: 5001) },
    Wrong(field: "text") { $0.text = "bell \u{7}" },
    Wrong(field: "channel") { $0.channel = .escalation },
    Wrong(field: "channel") { $0.channel = Ticket.Channel(rawValue: 99) },
    Wrong(field: "channel", isByMail: true) { $0.channel = Ticket.Channel() },
    Wrong(field: "channel", isByMail: true) { $0.channel = .manual },
    Wrong(field: "priority") { $0.priority = Ticket.Priority(rawValue: 5) },
    Wrong(field: "language") { $0.language = "korean" },
    Wrong(field: "submission_type") { $0.submissionType = "" },
    Wrong(field: "submission_type") { $0.submissionType = "services/care/types/1" },
    Wrong(field: "group") { $0.group = "groups/1" },
    Wrong(field: "agent") { $0.agent = "kim" },
    Wrong(field: "customer.number") { $0.customer?.number = -1 },
    Wrong(field: "customer.display_name") { $0.customer?.displayName = String(repeating: "n", count: 101) },
    Wrong(field: "customer.email") { $0.customer?.email = "nobody" },
    Wrong(field: "customer.phone") { $0.customer?.phone = "call me" },
    Wrong(field: "request_id") { $0.requestId = String(repeating: "r", count: 129) },
  ]

  @Test("a wrong field is named, and nothing is written")
  func wrongFields() async throws {
    let world = try await TicketWorld()
    for wrong in Self.wrongs {
      var request = wrong.isByMail ? Self.byMail() : Self.byHand()
      wrong.spoil(&request)
      let caller = wrong.isByMail ? world.by("mail") : world.by(TicketWorld.kim)
      let error = await refusal { try await world.client.createTicket(request, caller) }
      #expect(error?.reason == .requestInvalid, "\(wrong.testDescription)")
      #expect(error?.violations.map(\.field) == [wrong.field], "\(wrong.testDescription)")
    }
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
    #expect(try await world.count("SELECT count(*) FROM customer") == 0)
  }

  @Test("all wrong fields are told at once")
  func allWrongFields() async throws {
    let world = try await TicketWorld()
    var request = CreateTicketRequest(customer: TicketCustomer(email: "x", phone: "y"), language: "K")
    request.priority = Ticket.Priority(rawValue: -1)
    let error = await refusal { try await world.client.createTicket(request, world.by(TicketWorld.kim)) }
    let fields = error?.violations.map(\.field) ?? []
    #expect(
      Set(fields) == [
        "parent", "title", "text", "priority", "language", "submission_type", "customer.email", "customer.phone",
      ])
    #expect(fields.count == 8)
  }

  struct Refused: Sendable {
    let reason: Reason
    var agent: AgentID? = TicketWorld.kim
    let spoil: @Sendable (inout CreateTicketRequest) -> Void
  }

  @Test("what is not there, not the service's, or cannot take a ticket is refused by name")
  func refusals() async throws {
    let world = try await TicketWorld()
    let rows: [Refused] = [
      Refused(reason: .serviceNotFound) { $0.parent = "services/nowhere" },
      Refused(reason: .serviceNotFound) { $0.parent = "services/other" },
      Refused(reason: .serviceNotFound, agent: TicketWorld.stranger) { _ in },
      Refused(reason: .serviceNotFound, agent: TicketWorld.gone) { _ in },
      Refused(reason: .permissionDenied, agent: TicketWorld.guest) { _ in },
      Refused(reason: .typeNotFound) { $0.submissionType = "services/care/submissionTypes/77" },
      Refused(reason: .typeNotFound) { $0.submissionType = "services/care/submissionTypes/9" },
      Refused(reason: .typeNotFound) { $0.submissionType = "services/other/submissionTypes/9" },
      Refused(reason: .groupNotFound) { $0.group = "services/care/groups/77" },
      Refused(reason: .groupNotFound) { $0.group = "services/care/groups/3" },
      Refused(reason: .groupNotFound) { $0.group = "services/other/groups/3" },
      Refused(reason: .agentNotAssignable) { $0.agent = "agents/77" },
      Refused(reason: .agentNotAssignable) { $0.agent = "agents/4" },
      Refused(reason: .agentNotAssignable) { $0.agent = "agents/5" },
      Refused(reason: .agentNotAssignable) { $0.agent = "agents/6" },
      Refused(reason: .agentNotAssignable) { $0.agent = "agents/7" },
      Refused(reason: .agentNotAssignable) {
        $0.agent = "agents/2"
        $0.group = "services/care/groups/2"
      },
      Refused(reason: .customerNotFound) { $0.customer?.number = 77 },
      Refused(reason: .permissionDenied, agent: nil) { $0.agent = "agents/1" },
      Refused(reason: .typeNotFound, agent: nil) { $0.submissionType = "services/care/submissionTypes/4" },
    ]
    for (index, row) in rows.enumerated() {
      var request = row.agent == nil ? Self.byMail() : Self.byHand()
      row.spoil(&request)
      let caller = row.agent.map { world.by($0) } ?? world.by("mail")
      let error = await refusal { try await world.client.createTicket(request, caller) }
      #expect(error?.reason == row.reason, "row \(index)")
    }
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
  }

  @Test("an agent files a ticket under an inactive submission type")
  func inactiveType() async throws {
    let world = try await TicketWorld()
    var request = Self.byHand()
    request.submissionType = "services/care/submissionTypes/4"
    #expect(await refusal { try await world.client.createTicket(request, world.by(TicketWorld.kim)) } == nil)
  }

  @Test("a customer is found by number, then address, then phone number, and made otherwise")
  func customers() async throws {
    let world = try await TicketWorld()
    func create(_ customer: TicketCustomer?) async throws -> TicketCustomer {
      var request = Self.byHand()
      request.customer = customer
      return try #require(try await world.client.createTicket(request, world.by(TicketWorld.kim)).customer)
    }
    let first = try await create(TicketCustomer(displayName: "홍길동", email: "hong@example.com", phone: "010-1111-2222"))
    let byEmail = try await create(TicketCustomer(email: "HONG@example.com", phone: "02-999"))
    #expect(byEmail.number == first.number)
    #expect(byEmail.displayName.isEmpty && byEmail.phone == "02999", "an address is no key to the rest")
    let byPhone = try await create(TicketCustomer(email: "new@example.com", phone: "01011112222"))
    #expect(byPhone.number == first.number && byPhone.email == "new@example.com")
    let byNumber = try await create(TicketCustomer(number: first.number, phone: "02-123"))
    #expect(byNumber.displayName == "홍길동" && byNumber.email == "hong@example.com" && byNumber.phone == "02123")
    let other = try await create(TicketCustomer(email: "other@example.com"))
    #expect(other.number != first.number)
    #expect(try await create(nil).number == 0)
    #expect(try await world.count("SELECT count(*) FROM customer") == 2)
  }

  @Test("a customer who comes several times at once is one customer")
  func customerRace() async throws {
    let world = try await TicketWorld()
    let numbers = try await withThrowingTaskGroup(of: Int64.self) { group in
      for index in 0..<16 {
        group.addTask {
          var request = Self.byHand()
          request.customer =
            index % 2 == 0
            ? TicketCustomer(displayName: "홍길동", email: "hong@example.com") : TicketCustomer(phone: "010-1")
          if index % 4 == 0 { request.customer?.phone = "0101" }
          return try await world.client.createTicket(request, world.by(TicketWorld.kim)).customer?.number ?? 0
        }
      }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(!numbers.contains(0))
    // Who came by address alone and who came by number alone may have been two before they were seen together.
    #expect(numbers.count <= 2)
    #expect(try await world.count("SELECT count(*) FROM customer WHERE email = 'hong@example.com'") == 1)
    #expect(try await world.count("SELECT count(*) FROM customer WHERE phone = '0101'") == 1)
    #expect(try await world.count("SELECT count(*) FROM ticket") == 16)
  }

  @Test("who comes with an address and a number while their first mail is being written is one customer")
  func customerMeanwhile() async throws {
    let world = try await TicketWorld()
    let loop = TestLoops.group.next()
    var request = Self.byHand()
    request.customer = TicketCustomer(displayName: "홍길동", email: "hong@example.com", phone: "010-1111-2222")
    let creation = try await world.database.pool.transaction(deadline: TestDatabase.deadline) { [request] mail in
      // The statement of a mail's ticket makes its customer without a lock.
      _ = try await mail.query(
        "INSERT INTO customer (organization_id, id, display_name, email) VALUES (1, 900, '', 'hong@example.com')")
      let creation = Task { try await world.client.createTicket(request, world.by(TicketWorld.kim)) }
      let waiting: Query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO customer%'
        """
      while try await world.count(waiting) == 0 { try await loop.sleep(for: .milliseconds(10)) }
      return creation
    }
    #expect(try await creation.value.customer?.number == 900)
    #expect(try await world.count("SELECT count(*) FROM customer") == 1)
  }

  @Test("what new tickets name is looked up together, and each gets its own answer")
  func factsTogether() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO customer (organization_id, id, display_name, email, phone) VALUES
        (1, 901, 'One', 'one@example.com', '0101'), (1, 902, 'Two', 'two@example.com', '0102'),
        (1, 903, 'Three', NULL, '0102'), (1, 904, 'Four', NULL, '0104')
      """)
    try await world.addTrigger(service: 2)
    let (one, two, four) = (CustomerID(901), CustomerID(902), CustomerID(904))
    let rows: [(String, TicketCustomer, type: String, group: String, (CustomerID?, Bool?, Bool, Bool))] = [
      ("care", TicketCustomer(number: 902), "1", "1", (two, true, true, false)),
      ("care", TicketCustomer(email: "one@example.com", phone: "0104"), "4", "2", (one, false, true, false)),
      ("care", TicketCustomer(email: "new@example.com", phone: "0102"), "20", "9", (two, nil, false, false)),
      ("care", TicketCustomer(number: 999), "1", "", (nil, true, false, false)),
      ("bugs", TicketCustomer(phone: "0104"), "20", "1", (four, true, false, true)),
      ("care", TicketCustomer(email: "new@example.com"), "1", "", (nil, true, false, false)),
    ]
    var questions: [CreationQuestion] = []
    for (index, row) in rows.enumerated() {
      var request = Self.byHand()
      request.parent = "services/\(row.0)"
      request.customer = row.1
      request.submissionType = "services/\(row.0)/submissionTypes/\(row.type)"
      if !row.group.isEmpty { request.group = "services/\(row.0)/groups/\(row.group)" }
      var check = RequestCheck()
      let wanted = NewTicket(request, by: .agent, &check)
      try check.done()
      questions.append(CreationQuestion(wanted, in: try await world.service(row.0), opens: index % 2 == 0))
    }
    let answers = try await TicketStore.answers(to: questions, world.ledger.pool, TestDatabase.deadline)
    #expect(answers.count == rows.count)
    var ids: Set<TicketID> = []
    for (index, (answer, row)) in zip(answers, rows).enumerated() {
      let (customer, isTypeActive, hasGroup, hasTriggers) = row.4
      let facts = answer.facts
      #expect(facts.customer?.id == customer && facts.isTypeActive == isTypeActive, "row \(index)")
      #expect(facts.hasGroup == hasGroup && facts.hasTriggers == hasTriggers, "row \(index)")
      if index % 2 == 0, case .fresh(let id, _) = answer.opening { ids.insert(id) }
    }
    #expect(ids.count == 3 && !ids.contains(TicketID(0)))
  }

  @Test("tickets of many new customers at once get customers of their own")
  func newCustomers() async throws {
    let world = try await TicketWorld()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...20 {
        group.addTask {
          var request = Self.byHand()
          request.customer = TicketCustomer(email: "new\(number)@example.com")
          _ = try await world.client.createTicket(request, world.by(TicketWorld.kim))
        }
      }
      try await group.waitForAll()
    }
    #expect(try await world.count("SELECT count(DISTINCT id) FROM customer") == 20)
    #expect(try await world.count("SELECT count(DISTINCT customer_id) FROM ticket") == 20)
    #expect(try await world.count("SELECT (nextval('customer_id_seq') > max(id))::integer FROM customer") == 1)
  }

  @Test("a repeated request answers with the first ticket, and the id is refused for another request")
  func replay() async throws {
    let world = try await TicketWorld()
    var request = Self.byHand()
    request.requestId = "once"
    let first = try await world.client.createTicket(request, world.by(TicketWorld.kim))
    let second = try await world.client.createTicket(request, world.by(TicketWorld.kim))
    #expect(second.name == first.name)
    let others = try await world.client.createTicket(request, world.by(TicketWorld.lee))
    #expect(others.name != first.name, "each caller has ids of their own")
    request.title = "Another"
    let error = await refusal { try await world.client.createTicket(request, world.by(TicketWorld.kim)) }
    #expect(error?.reason == .requestIDReused)
    #expect(try await world.count("SELECT count(*) FROM ticket") == 2)
  }
}
