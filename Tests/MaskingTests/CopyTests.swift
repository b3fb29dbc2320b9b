import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import ServiceKit
import Testing
import TicketLedger

@Suite("Masking every copy")
struct CopyTests {
  private let world: MaskingDesk
  private var desk: Desk { world.desk }
  private var scan: CopyScan { CopyScan(desk: world.desk) }

  init() async throws { world = try await MaskingDesk.open() }

  @Test("more text than is searched at once is refused with what to do; nothing is masked", arguments: [true, false])
  func bound(isOwn: Bool) async throws {
    let world = try await MaskingDesk.open()
    let ticket = try await MarkedTicket.make(on: world)
    let large = isOwn ? ticket.own : ticket.issue
    try await world.run(
      """
      UPDATE ticket_entry SET body = body || repeat('가', 20000)
      WHERE service_id = \(large.serviceID) AND ticket_id = \(large.ticketID)
      """)
    let bounded = MaskingService(
      ledger: try world.desk.ledger(as: "handoff_masking"), keys: world.keys, textBytesMax: 50_000)
    let request = CreateMasksRequest(parent: ticket.name.description, spans: [ticket.spans[0]])
    let refusal = await #expect(throws: ServiceError.self) {
      try await bounded.createMasks(request, world.call("CreateMasks"))
    }
    #expect(refusal?.reason == .limitReached && refusal?.message.contains("nothing was masked") == true)
    let written = try await world.desk.database.pool.query(
      "SELECT (SELECT count(*) FROM mask_place) + (SELECT count(*) FROM ticket_entry WHERE body LIKE '%*%')",
      deadline: world.desk.deadline)
    #expect(try written[0].int64(0) == 0)
    #expect(try await world.masking.createMasks(request, world.call("CreateMasks")).masks.count == 1)
  }

  @Test("a mail server's words that were written anew, and shorter, while a mask lay on them are masked once more")
  func writtenAnew() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let first = try await world.mask([ticket.spans[0]], on: ticket.name)
    try await world.run("UPDATE mail_message SET server_reply = '* 메일은' WHERE ticket_id = \(ticket.own.ticketID)")
    var span = ticket.spans[0]
    (span.start, span.length) = (0, 3)
    let second = try await world.mask([span], on: ticket.name)
    func replies() async throws -> [String] {
      let texts = try await scan.texts()["mail_message.server_reply"] ?? []
      return texts.map { String($0.split(separator: " ").last ?? "") }
    }
    #expect(try await replies() == ["***", "***", "***"])
    try await world.unmask(second[0])
    try await world.unmask(first[0])
    #expect(try await replies() == ["메일은", "메일은", "메일은"])
    #expect(try await world.isIntact(ticket.own))
  }

  @Test("words that stand everywhere a ticket can carry text are nowhere once masked, and all back once unmasked")
  func leakScan() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    try await ticket.spread(on: world)
    let before = try await scan.texts()
    for copy in TextCopies.all {
      #expect(before[copy.name]?.contains { $0.contains(MarkedTicket.marker) } == true, "no marker in \(copy.name)")
    }
    let tables = try await scan.tables(holding: MarkedTicket.marker)
    #expect(Set(tables) == Set(TextCopies.all.map { "handoff.\($0.table)" }))
    let masks = try await world.mask(ticket.spans, on: ticket.name)
    let masked = try await scan.texts()
    for copy in TextCopies.all {
      #expect(masked[copy.name]?.contains { $0.lowercased().contains("marker") } == false, "left in \(copy.name)")
    }
    #expect(try await scan.tables(holding: MarkedTicket.marker) == [])
    #expect(try await scan.tables(holding: "marker") == [], "a part of the words is left")
    #expect(try await world.isIntact(ticket.own))
    #expect(try await world.isIntact(ticket.issue))
    for mask in masks.shuffled() { try await world.unmask(mask) }
    let after = try await scan.texts()
    for copy in TextCopies.all { #expect(after[copy.name] == before[copy.name], "\(copy.name)") }
    #expect(try await world.isIntact(ticket.own))
    #expect(try await world.isIntact(ticket.issue))
  }

  @Test(
    "search knows every text as it is stored: what is masked is found by nothing, and is found again once it is back")
  func searchIndex() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    try await ticket.spread(on: world)
    let before = try await indexed()
    #expect(before.allSatisfy { $0.tokens == $0.expected })
    let masks = try await world.mask(ticket.spans, on: ticket.name)
    let masked = try await indexed()
    #expect(masked.allSatisfy { $0.tokens == $0.expected })
    #expect(masked.map(\.tokens) != before.map(\.tokens))
    for mask in masks.shuffled() { try await world.unmask(mask) }
    #expect(try await indexed().map(\.tokens) == before.map(\.tokens))
  }

  /// The tokens of every text, and what they should be by the text as it is stored.
  private func indexed() async throws -> [(tokens: [String], expected: [String])] {
    let rows = try await desk.database.pool.query(
      """
      SELECT t.service_id, t.create_time, x.place, coalesce(e.body, f.value,
          CASE x.place WHEN 'title' THEN t.title WHEN 'customer_name' THEN t.customer_name END),
        tsvector_to_array(x.tokens), f.field_id
      FROM ticket_search AS x JOIN ticket AS t ON t.service_id = x.service_id AND t.id = x.ticket_id
      LEFT JOIN ticket_entry AS e ON e.service_id = x.service_id AND 'entry/' || e.id = x.place
      LEFT JOIN ticket_field_value AS f ON f.service_id = x.service_id AND f.ticket_id = x.ticket_id
        AND 'field/' || f.field_id = x.place
      ORDER BY x.service_id, x.ticket_id, x.place
      """, deadline: desk.deadline)
    return try rows.map { row in
      let scope: SearchScope =
        switch try row.string(2) {
        case "title": .title
        case "customer_name": .customerName
        default: try row.optionalInt64(5).map { .field(FieldID($0)) } ?? .entry
        }
      let tokens = SearchTokens(try row.string(3), in: scope, of: try row.value(0), receivedAt: try row.instant(1))
      return (try row.strings(4).sorted(), tokens.words.sorted())
    }
  }

  @Test("both tickets of an escalation get an event, and the event of the masked one names the mail that was sent")
  func events() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    _ = try await world.mask([ticket.spans[0]], on: ticket.name)
    let own = try await desk.ledger.ticket(ticket.own.ticketID, of: ticket.own.serviceID, deadline: desk.deadline)
    let event = try #require(try await desk.ledger.events(of: own, limit: 100, deadline: desk.deadline).last)
    let sent = try await desk.number("SELECT id FROM mail_message WHERE state = 'SENT'")
    #expect(event.code == "MASKED")
    #expect(event.changes.map(\.field) == ["mask", "left_before"])
    #expect(event.changes.last?.after == "mail_message/\(sent)")
    let issue = try await desk.ledger.ticket(ticket.issue.ticketID, of: ticket.issue.serviceID, deadline: desk.deadline)
    let other = try #require(try await desk.ledger.events(of: issue, limit: 100, deadline: desk.deadline).last)
    #expect(other.code == "MASKED" && other.changes.map(\.after) == [ticket.name.description])
    #expect(issue.version == 2)
  }

  @Test("an entry's mask leaves the customer's address on the ticket, so that answers still go there")
  func addressStays() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    _ = try await world.mask([ticket.spans[0]], on: ticket.name)
    let rows = try await desk.database.pool.query(
      "SELECT customer_email, title FROM ticket WHERE id = \(ticket.own.ticketID)", deadline: desk.deadline)
    #expect(try rows[0].string(0) == MarkedTicket.marker)
    #expect(try rows[0].string(1) == "*********************** 문의")
  }

  @Test("masks of a ticket's fields are shown with it, and every asterisk of an entry says whose it is")
  func masksAreShown() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let masks = try await world.mask(ticket.spans, on: ticket.name)
    let record = try await desk.ledger.ticket(ticket.own.ticketID, of: ticket.own.serviceID, deadline: desk.deadline)
    let message = try await desk.ledger.message(for: record, deadline: desk.deadline)
    #expect(message.titleMasks.map(\.name) == [masks[0].name])
    #expect(
      Set(message.customerMasks.map(\.field)) == [
        "customer.display_name", "customer.email", "customer.phone", "customer.user_code",
      ])
    let entries = try await desk.ledger.entries(of: record, limit: 10, deadline: desk.deadline)
    let shown = try await desk.ledger.messages(for: entries, of: record, deadline: desk.deadline)
    #expect(shown[0].text == "메일은 *********************** 이고 *********************** 도 같아요.")
    #expect(shown[0].masks.map(\.start) == [4, 31])
    #expect(shown[1].masks.count == 2 && shown[1].masks.allSatisfy { $0.name == masks[0].name })
  }

  /// What is masked, another text of the ticket, and which part of that is masked with it.
  static let quoted: [(String, String, String)] = [
    ("서울시 강남구\n테헤란로 7", "> 서울시 강남구 테헤란로\n> 7 맞나요?", "서울시 강남구 테헤란로\n> 7"),
    ("010-0000-1234 ", "01000001234입니다", "01000001234"), ("홍길동, ", "홍길동이에요", "홍길동"),
    ("제 번호는 010-0000-1234 입니다.", "번호: (010) 0000-1234", "(010) 0000-1234"),
    ("01000001234", "０１０－００００－１２３４", "０１０－００００－１２３４"), ("Hong Gildong", "> hong\n> gildong", "hong\n> gildong"),
  ]

  @Test("words are masked however another text quotes them, and come back as they stood there", arguments: quoted)
  func quotations(_ words: String, _ other: String, _ part: String) async throws {
    let ticket = try await desk.newTicket(inquiry: words + "끝")
    var comment = EventDraft(.commented, by: .agent(Desk.kim))
    comment.entries = [EntryDraft(.comment, .commentAdded, body: other)]
    _ = try await desk.ledger.write(TicketChange(comment), on: ticket.ticket, deadline: desk.deadline)
    try await world.run(
      """
      INSERT INTO mail_message (service_id, ticket_id, event_sequence, state, message_id, recipient, subject, body)
      VALUES (1, \(ticket.ticket.id), 2, 'SENT', 'quote@example.org', 'a@example.org', '', \(other))
      """)
    let before = try await scan.texts()
    let entry = EntryName(ticket: ticket.name, id: ticket.inquiry).description
    let masks = try await world.mask(
      [TextSpan(entry: entry, start: 0, length: Int32(words.unicodeScalars.count))], on: ticket.name)
    let found = try await desk.database.pool.query(
      "SELECT body FROM ticket_entry WHERE kind = 'COMMENT' UNION ALL SELECT body FROM mail_message",
      deadline: desk.deadline)
    let masked = other.replacing(part, with: String(repeating: "*", count: part.count))
    #expect(try found.map { try $0.string(0) } == [masked, masked])
    try await world.unmask(masks[0])
    #expect(try await scan.texts() == before)
  }

  @Test("tickets that replies to completed ones opened are masked with those, both ways, and all come back")
  func followUps() async throws {
    let care = try await desk.ledger.directory.service(code: "care", deadline: desk.deadline)
    var tickets: [TicketRecord] = []
    for number in 1...3 {
      var draft = TicketDraft(
        service: care, state: .unassigned, title: "marker 문의 \(number)", channel: .email, by: .customer)
      draft.previousID = tickets.last?.id
      draft.event.entries = [EntryDraft(.inquiry, .create, body: "marker \(number)")]
      tickets.append(try await desk.ledger.create(draft, deadline: desk.deadline).ticket)
    }
    let before = try await scan.texts()
    for ticket in tickets {
      let masks = try await world.mask(
        [TextSpan(start: 0, length: 6, field: "title")], on: TicketName(service: "care", id: ticket.id))
      #expect(try await scan.tables(holding: "marker") == [])
      for ticket in tickets { #expect(try await world.isIntact(ticket.link)) }
      try await world.unmask(masks[0])
      #expect(try await scan.texts() == before)
    }
  }

  @Test("a customer's address that another customer has taken since is not taken back")
  func takenAddress() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let masks = try await world.mask([ticket.spans[2]], on: ticket.name)
    try await world.run("INSERT INTO customer (organization_id, email) VALUES (1, \(MarkedTicket.marker))")
    try await world.unmask(masks[0])
    let count = try await desk.number("SELECT count(*) FROM customer WHERE email = \(MarkedTicket.marker)")
    #expect(count == 1)
  }

  @Test("a customer's code that another customer has taken since is not taken back")
  func takenCode() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let masks = try await world.mask([ticket.spans[4]], on: ticket.name)
    #expect(try await desk.number("SELECT count(*) FROM customer WHERE user_code IS NULL") == 1)
    try await world.run("INSERT INTO customer (organization_id, user_code) VALUES (1, \(MarkedTicket.marker))")
    try await world.unmask(masks[0])
    #expect(try await desk.number("SELECT count(*) FROM customer WHERE user_code = \(MarkedTicket.marker)") == 1)
  }

  @Test("masking's database role can read and change every column of the registry, and no other role reads the vault")
  func grants() async throws {
    for copy in TextCopies.all {
      for right in ["SELECT", "UPDATE"] {
        let has = try await desk.database.pool.query(
          "SELECT has_column_privilege('handoff_masking', \("handoff.\(copy.table)"), \(copy.column), \(right))",
          deadline: desk.deadline)
        #expect(try has[0].bool(0), "handoff_masking lacks \(right) on \(copy.name)")
      }
    }
    for role in ["tickets", "assignment", "mail", "gateway"] {
      for column in ["sealed_original", "key_id"] {
        let has = try await desk.database.pool.query(
          "SELECT has_column_privilege(\("handoff_\(role)"), 'handoff.mask_place', \(column), 'SELECT')",
          deadline: desk.deadline)
        #expect(try !has[0].bool(0), "handoff_\(role) can read \(column)")
      }
      let pool = try desk.ledger(as: "handoff_\(role)").pool
      await #expect(throws: PostgresError.self) {
        try await pool.query("SELECT sealed_original FROM mask_place", deadline: desk.deadline)
      }
    }
  }
}
