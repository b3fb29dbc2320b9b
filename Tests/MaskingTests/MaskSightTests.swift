import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import ServiceKit
import Testing
import TicketLedger

@Suite("Masks in fields that are for administrators only")
struct MaskSightTests {
  private static let number = "900101-1234568"
  private static let account = "110-1234-5678"
  private static let phone = "010-0000-1234"

  private let world: MaskingDesk
  private let ticket: TicketName
  private let entry: String
  /// What the administrator masked in the administrators' field, whose former value holds it, too.
  private let hidden: Mask
  /// What an agent masked afterwards, in a field of all agents.
  private let shared: Mask
  private var desk: Desk { world.desk }
  private var scan: CopyScan { CopyScan(desk: world.desk) }

  init() async throws {
    world = try await MaskingDesk.open()
    let made = try await world.desk.newTicket(inquiry: "제 번호는 \(Self.phone) 입니다.")
    ticket = made.name
    entry = EntryName(ticket: made.name, id: made.inquiry).description
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, is_administrators_only) VALUES
        (1, 51, 'account', 'TEXT', 'AGENT', '계좌', false), (1, 53, 'secret', 'TEXT', 'AGENT', '관리자', true)
      """)
    let (former, current) = ("전에는 \(Self.number)", "본인 \(Self.number) 전화 \(Self.phone)")
    var first = EventDraft(.fieldsSaved, by: .agent(Desk.boss))
    first.fieldValues = [
      FieldValueChange(FieldID(51), code: "account", before: nil, after: "계좌 \(Self.account)"),
      FieldValueChange(FieldID(53), code: "secret", before: nil, after: former),
    ]
    var second = EventDraft(.fieldsSaved, by: .agent(Desk.boss))
    second.fieldValues = [FieldValueChange(FieldID(53), code: "secret", before: former, after: current)]
    let ledger = world.desk.ledger
    let written = try await ledger.write(TicketChange(first), on: made.ticket, deadline: world.desk.deadline)
    _ = try await ledger.write(TicketChange(second), on: written.ticket, deadline: world.desk.deadline)
    hidden = try await world.mask([Self.span(of: Self.number, at: 3, "secret")], on: made.name, by: Desk.boss)[0]
    shared = try await world.mask([Self.span(of: Self.account, at: 3, "account")], on: made.name)[0]
  }

  private static func span(of words: String, at start: Int32, _ field: String) -> TextSpan {
    TextSpan(start: start, length: Int32(words.unicodeScalars.count), field: "field.\(field)")
  }

  private func listed(by agent: AgentID?, pageSize: Int32 = 0) async throws -> ListMasksResponse {
    try await world.masking.listMasks(
      ListMasksRequest(parent: ticket.description, pageSize: pageSize), world.call("ListMasks", by: agent))
  }

  private func names(by agent: AgentID?) async throws -> [String] {
    try await listed(by: agent).masks.map(\.name)
  }

  private func reveal(_ name: String, by agent: AgentID) async throws -> String {
    try await world.masking.revealMask(
      RevealMaskRequest(name: name, reason: "확인"), world.call("RevealMask", by: agent)
    ).text
  }

  private func unmask(_ name: String, by agent: AgentID, requestID: String = "") async throws {
    _ = try await world.masking.unmaskText(
      UnmaskTextRequest(name: name, reason: "확인", requestId: requestID), world.call("UnmaskText", by: agent))
  }

  /// What somebody may try with a mask.
  private enum Act: CaseIterable {
    case reveal, unmask, unmaskOnce
  }

  /// What an act is refused with; nil: it is not.
  private func refusal(of act: Act, on name: String, by agent: AgentID) async -> ServiceError? {
    do {
      switch act {
      case .reveal: _ = try await reveal(name, by: agent)
      case .unmask: try await unmask(name, by: agent)
      case .unmaskOnce: try await unmask(name, by: agent, requestID: "once")
      }
      return nil
    } catch {
      return ServiceError(caught: error)
    }
  }

  private func requireHidden(by agent: AgentID) async {
    for act in Act.allCases {
      let refused = await refusal(of: act, on: hidden.name, by: agent)
      let unknown = await refusal(of: act, on: "\(ticket)/masks/999", by: agent)
      #expect(refused?.reason == .maskNotFound, "\(act) by \(agent)")
      #expect(refused == unknown, "\(act) by \(agent)")
    }
  }

  @Test("an agent with the unmask right neither sees, reveals nor takes off such a mask, as if there were none")
  func hiddenFromAgents() async throws {
    let texts = try await scan.texts()
    for agent in [Desk.kim, Desk.lee] {
      #expect(try await names(by: agent) == [shared.name])
      await requireHidden(by: agent)
    }
    #expect(await refusal(of: .reveal, on: hidden.name, by: Desk.away)?.reason == .permissionDenied)
    #expect(try await scan.texts() == texts)
    #expect(try await scan.tables(holding: Self.number) == [])
    #expect(try await desk.number("SELECT count(*) FROM ticket_event WHERE code IN ('UNMASKED', 'MASK_REVEALED')") == 0)
    #expect(try await desk.number("SELECT count(*) FROM mask_act WHERE act <> 'MASK'") == 0)
  }

  @Test("a page is as long as what its caller sees")
  func pages() async throws {
    let seen = try await listed(by: Desk.kim, pageSize: 1)
    #expect(seen.masks.map(\.name) == [shared.name] && seen.nextPageToken.isEmpty)
    let all = try await listed(by: Desk.boss, pageSize: 1)
    #expect(all.masks.map(\.name) == [hidden.name] && !all.nextPageToken.isEmpty)
  }

  @Test("an administrator sees, reveals and takes off such a mask, and daemons see it; agents do not learn of that")
  func administrators() async throws {
    #expect(try await names(by: Desk.boss) == [hidden.name, shared.name])
    #expect(try await names(by: nil) == [hidden.name, shared.name])
    #expect(try await reveal(hidden.name, by: Desk.boss) == Self.number)
    try await unmask(hidden.name, by: Desk.boss)
    let tables = try await scan.tables(holding: Self.number)
    #expect(tables.contains("handoff.ticket_field_value") && tables.contains("handoff.ticket_event_value"))
    #expect(try await names(by: Desk.kim) == [shared.name])
    #expect(try await world.isIntact(TicketLink(serviceID: ServiceID(1), ticketID: ticket.id)))
  }

  @Test("once the field is opened to agents they reveal and take off what is masked in it")
  func opened() async throws {
    try await world.run("UPDATE ticket_field SET is_administrators_only = false WHERE id = 53")
    #expect(try await names(by: Desk.kim) == [hidden.name, shared.name])
    #expect(try await reveal(hidden.name, by: Desk.kim) == Self.number)
    try await unmask(hidden.name, by: Desk.kim)
    #expect(try await scan.tables(holding: Self.number).contains("handoff.ticket_field_value"))
  }

  @Test("once a field is the administrators' an agent does not find the mask that they made in it")
  func closed() async throws {
    try await world.run("UPDATE ticket_field SET is_administrators_only = true WHERE id = 51")
    #expect(try await names(by: Desk.kim) == [])
    for act in Act.allCases {
      #expect(await refusal(of: act, on: shared.name, by: Desk.kim)?.reason == .maskNotFound, "\(act)")
    }
    #expect(try await reveal(shared.name, by: Desk.boss) == Self.account)
  }

  @Test("a deleted field stays what it was: what was masked in one of administrators is not shown to agents")
  func deleted() async throws {
    // As the service deletes fields, save that it waits until no ticket has a value there.
    try await world.run("UPDATE ticket_field SET delete_time = now(), is_active = false")
    #expect(try await names(by: Desk.kim) == [shared.name])
    await requireHidden(by: Desk.kim)
    #expect(try await names(by: Desk.boss) == [hidden.name, shared.name])
    #expect(try await reveal(hidden.name, by: Desk.boss) == Self.number)
  }

  @Test("an agent masks nothing in such a field by name, whether or not it is deleted", arguments: [false, true])
  func masking(isDeleted: Bool) async throws {
    if isDeleted { try await world.run("UPDATE ticket_field SET delete_time = now(), is_active = false") }
    let texts = try await scan.texts()
    let span = TextSpan(start: 0, length: 2, field: "field.secret")
    await #expect { try await world.mask([span], on: ticket) } throws: { error in
      (error as? ServiceError)?.reason == .requestInvalid
        && (error as? ServiceError)?.violations.map(\.field) == ["spans[0].field"]
    }
    #expect(try await scan.texts() == texts)
  }

  @Test("what an agent masked in an entry they bring back, also where the words stand in such a field")
  func copies() async throws {
    let texts = try await scan.texts()
    let span = TextSpan(entry: entry, start: 6, length: Int32(Self.phone.unicodeScalars.count))
    let mask = try await world.mask([span], on: ticket)[0]
    let copied = try await desk.number(
      "SELECT count(*) FROM mask_place WHERE text_column = 'ticket_field_value.value' AND number > 0")
    #expect(copied == 1)
    #expect(try await names(by: Desk.kim) == [shared.name, mask.name])
    #expect(try await reveal(mask.name, by: Desk.kim) == Self.phone)
    try await unmask(mask.name, by: Desk.kim)
    #expect(try await scan.texts() == texts)
    #expect(try await reveal(hidden.name, by: Desk.boss) == Self.number)
  }
}
