import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("the code by which an organization's own systems know a customer") struct UserCodeTests {
  private func create(
    _ world: TicketWorld, _ customer: TicketCustomer?, requestID: String = "", agent: AgentID? = nil
  ) async throws -> Ticket {
    try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "택배가 오지 않아요", text: "지난주에 주문했어요.", customer: customer,
        submissionType: "services/care/submissionTypes/1", agent: agent.map { AgentName(id: $0).description } ?? "",
        requestId: requestID), world.by(TicketWorld.kim))
  }

  private func number(_ world: TicketWorld, _ customer: TicketCustomer) async throws -> Int64 {
    try await create(world, customer).customer?.number ?? 0
  }

  /// `code email phone` of all customers, in the order of their numbers.
  private func customers(_ world: TicketWorld) async throws -> [String] {
    try await world.rows(
      """
      SELECT coalesce(user_code, '-') || ' ' || coalesce(email, '-') || ' ' || coalesce(phone, '-') FROM customer
      ORDER BY id
      """
    ).map { try $0.string(0) }
  }

  @Test("a customer is found by number, then code, then address, then phone number, and made otherwise")
  func order() async throws {
    let world = try await TicketWorld()
    let one = try await number(
      world, TicketCustomer(displayName: "홍길동", email: "one@example.com", phone: "010-1111-2222", userCode: " U-1 "))
    let two = try await number(world, TicketCustomer(email: "two@example.com", phone: "0102", userCode: "u-1"))
    #expect(one != two, "a code is taken in its case")
    let byCode = try await create(world, TicketCustomer(email: "two@example.com", phone: "0102", userCode: "U-1"))
    #expect(byCode.customer?.number == one)
    #expect(byCode.customer?.displayName.isEmpty == true, "a code is no key to the rest")
    let byNumber = try await create(world, TicketCustomer(number: two, userCode: "U-1"))
    #expect(byNumber.customer?.number == two && byNumber.customer?.userCode == "U-1")
    #expect(try await create(world, TicketCustomer(number: one)).customer?.userCode == "U-1")
    #expect(try await number(world, TicketCustomer(email: "two@example.com", phone: "010-1111-2222")) == two)
    #expect(try await number(world, TicketCustomer(phone: "010-1111-2222")) == one)
    #expect(try await customers(world) == ["U-1 one@example.com 01011112222", "u-1 two@example.com 0102"])
  }

  @Test("who has another code is another person, and whoever had the address keeps it")
  func otherPerson() async throws {
    let world = try await TicketWorld()
    let first = try await number(world, TicketCustomer(email: "shared@example.com", phone: "0101", userCode: "A"))
    let second = try await create(world, TicketCustomer(email: "shared@example.com", phone: "0101", userCode: "B"))
    #expect(second.customer?.number != first)
    #expect(second.customer?.email == "shared@example.com", "answers go there all the same")
    #expect(try await number(world, TicketCustomer(email: "shared@example.com")) == first)
    #expect(try await number(world, TicketCustomer(userCode: "B")) == second.customer?.number)
    #expect(try await customers(world) == ["A shared@example.com 0101", "B - 0101"])
  }

  @Test("who was known by number or address alone is known by the code from then on; a shared phone number gives none")
  func takesCode() async throws {
    let world = try await TicketWorld()
    let byMail = try await number(world, TicketCustomer(email: "mail@example.com"))
    let byPhone = try await number(world, TicketCustomer(phone: "0102"))
    #expect(try await number(world, TicketCustomer(email: "mail@example.com", userCode: "M")) == byMail)
    #expect(try await number(world, TicketCustomer(phone: "0102", userCode: "P")) == byPhone)
    #expect(try await customers(world) == ["M mail@example.com -", "- - 0102"])
    #expect(try await number(world, TicketCustomer(number: byPhone, userCode: "M")) == byPhone)
    #expect(try await customers(world) == ["M mail@example.com -", "- - 0102"], "a code stays with whom it belongs to")
    #expect(try await number(world, TicketCustomer(number: byPhone, userCode: "P")) == byPhone)
    #expect(try await number(world, TicketCustomer(email: "new@example.com", userCode: "P")) == byPhone)
    #expect(try await customers(world) == ["M mail@example.com -", "P - 0102"])
    #expect(try await number(world, TicketCustomer(email: "new@example.com")) != byPhone)
  }

  @Test("a program's word does not give an address a code, so nobody takes a customer over by typing it")
  func programs() async throws {
    let world = try await TicketWorld()
    let victim = try await number(world, TicketCustomer(email: "hong@example.com"))
    let said = try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "언제 오나요?", text: "지난주에 주문했어요.",
        customer: TicketCustomer(email: "hong@example.com", userCode: "X"),
        submissionType: "services/care/submissionTypes/1"), world.forCustomer(through: TicketWorld.boss))
    #expect(said.customer?.number == victim)
    #expect(try await customers(world) == ["- hong@example.com -"])
    #expect(try await number(world, TicketCustomer(email: "hong@example.com", userCode: "H")) == victim)
    #expect(try await customers(world) == ["H hong@example.com -"])
  }

  @Test("one code at many places at once is one customer's")
  func race() async throws {
    let world = try await TicketWorld()
    let known = try await number(world, TicketCustomer(email: "0@example.com"))
    let numbers = try await withThrowingTaskGroup(of: Int64.self) { group in
      for index in 0..<12 {
        group.addTask {
          try await number(world, TicketCustomer(email: "\(index % 3)@example.com", phone: "0101", userCode: "R"))
        }
      }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(!numbers.contains(0))
    #expect(try await world.count("SELECT count(*) FROM customer WHERE user_code = 'R'") == 1)
    #expect(try await world.count("SELECT count(*) FROM ticket") == 13)
    // Who came before the code was anybody's stays; whoever comes now is one.
    let last = try await number(world, TicketCustomer(email: "1@example.com", userCode: "R"))
    #expect(numbers.contains(last))
    #expect(try await number(world, TicketCustomer(email: "0@example.com")) == known)
  }

  @Test("of two codes that are said of one address at the same moment, each is one customer's, and one has the address")
  func twoCodes() async throws {
    let world = try await TicketWorld()
    for round in 1...8 {
      let email = "\(round)@example.com"
      let known = try await number(world, TicketCustomer(email: email))
      async let one = number(world, TicketCustomer(email: email, userCode: "A\(round)"))
      async let two = number(world, TicketCustomer(email: email, userCode: "B\(round)"))
      let numbers = try await [one, two]
      #expect(numbers[0] != numbers[1] && numbers.contains(known), "round \(round)")
      #expect(try await number(world, TicketCustomer(userCode: "A\(round)")) == numbers[0])
      #expect(try await number(world, TicketCustomer(userCode: "B\(round)")) == numbers[1])
    }
    #expect(try await world.count("SELECT count(*) FROM customer") == 16)
    #expect(try await world.count("SELECT count(*) FROM customer WHERE user_code IS NULL") == 0)
  }

  @Test("a code that cannot be is refused with its field and rule, wherever it is told")
  func violations() async throws {
    let world = try await TicketWorld()
    let ticket = try await create(world, TicketCustomer(displayName: "홍길동"))
    let rows = [
      (String(repeating: "가", count: 101), "must have at most 100 characters"),
      ("a\nb", "must be one line without tabs"), ("a\u{7}b", "must not hold control characters"),
      ("a*", "must not hold asterisks"),
    ]
    for (code, rule) in rows {
      let created = await refusal { try await create(world, TicketCustomer(userCode: code)) }
      #expect(created?.violations == [FieldViolation("customer.user_code", rule)])
      let updated = await refusal { try await save(world, ticket.name, code) }
      #expect(updated?.violations == [FieldViolation("ticket.customer.user_code", rule)])
      let searched = await refusal { try await search(world, code) }
      #expect(searched?.violations == [FieldViolation("user_code", rule)])
    }
    let blank = await refusal { try await search(world, "  ") }
    #expect(blank?.violations == [FieldViolation("user_code", "must not be empty when it is asked for")])
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE customer_user_code <> ''") == 0)
    let longest = String(repeating: "가", count: 100)
    #expect(try await create(world, TicketCustomer(userCode: longest)).customer?.userCode == longest)
    #expect(try await create(world, TicketCustomer(userCode: "e\u{301}")).customer?.userCode == "\u{e9}", "NFC")
  }

  private func save(_ world: TicketWorld, _ name: String, _ code: String, version: Int64 = 0) async throws -> Ticket {
    try await world.client.updateTicket(
      UpdateTicketRequest(
        ticket: Ticket(name: name, customer: TicketCustomer(userCode: code)),
        updateMask: FieldMask(paths: ["customer.user_code"]), version: version), world.by(TicketWorld.kim))
  }

  private func search(_ world: TicketWorld, _ code: String, in service: String = "care") async throws -> [String] {
    try await world.client.searchTickets(
      SearchTicketsRequest(parent: "services/\(service)", userCode: code), world.by(TicketWorld.kim)
    ).tickets.map(\.name)
  }

  @Test("a code that is typed in later finds its customer, stands in the history, and is found, the whole of it alone")
  func update() async throws {
    let world = try await TicketWorld()
    let known = try await create(world, TicketCustomer(email: "one@example.com", userCode: "U-1"))
    let ticket = try await create(world, nil)
    #expect(ticket.customer?.number == 0)
    let saved = try await save(world, ticket.name, "U-1", version: ticket.version)
    #expect(saved.customer?.number == known.customer?.number && saved.customer?.userCode == "U-1")
    #expect(saved.customer?.email.isEmpty == true && saved.version == ticket.version + 1)
    let events = try await world.client.listEvents(ListEventsRequest(parent: ticket.name), world.by(TicketWorld.kim))
    let changes = events.events.last?.changes.map { "\($0.field): \($0.before) -> \($0.after)" } ?? []
    #expect(changes.contains("customer.user_code:  -> U-1"), "\(changes)")
    #expect(try await save(world, ticket.name, "U-1").version == saved.version, "the same again writes nothing")
    let found = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim))
    #expect(found.intact, "\(found.finding)")
    #expect(try await search(world, " U-1 ") == [ticket.name, known.name])
    #expect(try await search(world, "u-1") == [])
    #expect(try await search(world, "U-") == [])
    #expect(try await save(world, ticket.name, "U-2").customer?.number == known.customer?.number)
    #expect(try await search(world, "U-1") == [known.name])
  }

  @Test("a repeated request answers as the first, and with another code is refused")
  func repeated() async throws {
    let world = try await TicketWorld()
    let first = try await create(world, TicketCustomer(userCode: "U-1"), requestID: "once")
    #expect(try await create(world, TicketCustomer(userCode: "U-1"), requestID: "once") == first)
    let other = await refusal { try await create(world, TicketCustomer(userCode: "U-2"), requestID: "once") }
    #expect(other?.reason == .requestIDReused)
    #expect(try await customers(world) == ["U-1 - -"])
  }

  @Test("a service that requires the code refuses tickets without one, and an issue ticket takes it over")
  func requiredAndEscalated() async throws {
    let world = try await TicketWorld()
    for service in ["care", "bugs"] {
      _ = try await world.client.updateSystemField(
        UpdateSystemFieldRequest(
          systemField: SystemField(name: "services/\(service)/systemFields/customer_user_code", required: true),
          updateMask: FieldMask(paths: ["required"])), world.by(TicketWorld.boss))
    }
    let missing = await refusal { try await create(world, TicketCustomer(email: "one@example.com")) }
    #expect(missing?.violations.map(\.field) == ["customer.user_code"])
    let ticket = try await create(
      world, TicketCustomer(email: "one@example.com", userCode: "U-1"), agent: TicketWorld.kim)
    _ = try await world.client.escalateTicket(
      EscalateTicketRequest(
        name: ticket.name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20",
        title: "t", text: "확인해 주세요"), world.by(TicketWorld.kim))
    let issues = try await search(world, "U-1", in: "bugs")
    #expect(issues.count == 1)
  }
}
