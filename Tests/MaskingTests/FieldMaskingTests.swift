import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import ServiceKit
import Testing
import TicketLedger

@Suite("Masking fields of the service, chats and calls")
struct FieldMaskingTests {
  private static let number = "900101-1234568"
  private static let words = "예금주 홍길동"

  private let world: MaskingDesk
  private let ticket: TicketName
  private var desk: Desk { world.desk }
  private var scan: CopyScan { CopyScan(desk: world.desk) }

  init() async throws {
    world = try await MaskingDesk.open()
    let made = try await world.desk.newTicket(inquiry: "환불해 주세요.")
    ticket = made.name
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, is_administrators_only) VALUES
        (1, 51, 'account', 'TEXTAREA', 'CUSTOMER', '계좌', false), (1, 52, 'day', 'DATE', 'CUSTOMER', '날짜', false),
        (1, 53, 'secret', 'TEXT', 'AGENT', '관리자', true)
      """)
    var event = EventDraft(.fieldsSaved, by: .agent(Desk.kim))
    event.fieldValues = [
      FieldValueChange(FieldID(51), code: "account", before: nil, after: "\(Self.words)\n\(Self.number) 입니다"),
      FieldValueChange(FieldID(52), code: "day", before: nil, after: "2026-11-26"),
      FieldValueChange(FieldID(53), code: "secret", before: nil, after: "본인 \(Self.number)"),
    ]
    let time = made.ticket.createTime
    let said = world.desk.ledger.storing(
      StoredConversation(
        lines: [
          .init(speaker: "AGENT", speakerName: "", body: "무엇을 도와드릴까요?", time: time),
          .init(speaker: "CUSTOMER", speakerName: "", body: "번호는 900101-1234568", time: time),
        ], call: .init(direction: "INBOUND", phone: "01000009876", startTime: time, durationSeconds: 60)),
      on: made.ticket.link)
    event.notes = said.notes
    var change = TicketChange(event)
    change.companions = said.statements
    _ = try await world.desk.ledger.write(change, on: made.ticket, deadline: world.desk.deadline)
  }

  private func link() -> TicketLink { TicketLink(serviceID: ServiceID(1), ticketID: ticket.id) }

  private func listed() async throws -> [Mask] {
    try await world.masking.listMasks(ListMasksRequest(parent: ticket.description), world.call("ListMasks")).masks
  }

  @Test("personal data is found in chat lines and in fields of free text, in those of administrators by them only")
  func detection() async throws {
    func found(by agent: AgentID) async throws -> [String] {
      try await world.masking.detectPersonalData(
        DetectPersonalDataRequest(parent: ticket.description), world.call("DetectPersonalData", by: agent)
      ).findings.compactMap { $0.span?.field }
    }
    #expect(try await found(by: Desk.kim) == ["transcript.2", "field.account"])
    #expect(try await found(by: Desk.boss) == ["transcript.2", "field.account", "field.secret"])
  }

  @Test("a number in a form field is masked in chat, events and search too, shown once, and comes back whole")
  func field() async throws {
    let before = try await scan.texts()
    let start = Int32(Self.words.unicodeScalars.count + 1)
    let span = TextSpan(start: start, length: Int32(Self.number.unicodeScalars.count), field: "field.account")
    let mask = try #require(try await world.mask([span], on: ticket).first)
    #expect(mask.span == span)
    #expect(try await listed().map(\.span) == [span])
    #expect(try await scan.tables(holding: Self.number) == [])
    let kept = try await desk.number("SELECT count(*) FROM ticket_field_value WHERE value LIKE '예금주 홍길동%*** 입니다'")
    #expect(kept == 1)
    let found = try await desk.number(
      "SELECT count(*) FROM ticket_search WHERE place = 'field/51' AND tokens::text LIKE '%1234568%'")
    #expect(found == 0)
    #expect(try await world.isIntact(link()))
    let shown = try await world.masking.revealMask(
      RevealMaskRequest(name: mask.name, reason: "확인"), world.call("RevealMask"))
    #expect(shown.text == Self.number)
    try await world.unmask(mask)
    #expect(try await scan.texts() == before)
    #expect(try await world.isIntact(link()))
  }

  @Test("a chat line and the number of a call are masked where they stand, several at once")
  func chatAndCall() async throws {
    let before = try await scan.texts()
    let spans = [
      TextSpan(start: 0, length: 3, field: "transcript.2"), TextSpan(start: 0, length: 11, field: "call_record.phone"),
      TextSpan(start: 4, length: 14, field: "transcript.2"),
    ]
    let masks = try await world.mask(spans, on: ticket)
    #expect(masks.map(\.span) == spans)
    #expect(try await scan.tables(holding: "01000009876") == [])
    let line = try await desk.database.pool.query(
      "SELECT body FROM transcript_line WHERE number = 2", deadline: desk.deadline)
    #expect(try line[0].string(0) == "*** **************")
    for mask in masks.shuffled() { try await world.unmask(mask) }
    #expect(try await scan.texts() == before)
  }

  @Test("a repeated request answers with the same names")
  func repeated() async throws {
    let request = CreateMasksRequest(
      parent: ticket.description, spans: [TextSpan(start: 0, length: 3, field: "field.account")], requestId: "once")
    let first = try await world.masking.createMasks(request, world.call("CreateMasks"))
    #expect(try await world.masking.createMasks(request, world.call("CreateMasks")).masks == first.masks)
  }

  @Test(
    "a span that names no text of people is refused by its place in the request, and changes nothing",
    arguments: [
      "field.day", "field.secret", "field.nothing", "field.", "field", "transcript", "transcript.x", "transcript.99",
      "transcript.-1", "entry", "state",
    ])
  func refusals(_ field: String) async throws {
    let before = try await scan.texts()
    let spans = [TextSpan(start: 0, length: 1), TextSpan(start: 0, length: 1, field: field)]
    await #expect("\(field)") { try await world.mask(spans, on: ticket) } throws: { error in
      (error as? ServiceError)?.reason == .requestInvalid
        && (error as? ServiceError)?.violations.map(\.field) == ["spans[1].field"]
    }
    #expect(try await scan.texts() == before)
  }
}
