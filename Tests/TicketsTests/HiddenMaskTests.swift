import HandoffAPI
import HandoffTestKit
import Masking
import Postgres
import Protobuf
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What tickets tell agents of masks, and what masks do to answers that are taken over.
@Suite("masks in fields, beside tickets") struct HiddenMaskTests {
  private static let number = "900101-1234568"

  private let desk: ArrivalWorld
  private var world: TicketWorld { desk.world }
  private var boss: CallOptions { world.by(TicketWorld.boss) }
  private var kim: CallOptions { world.by(TicketWorld.kim) }

  init() async throws {
    desk = try await ArrivalWorld(isMaskingReachable: true)
    try await world.run("UPDATE masking_setting SET detection = 'SUGGEST'")
  }

  private func make(_ field: Field) async throws -> Field {
    try await desk.client.createField(CreateFieldRequest(parent: "services/care", field: field), boss)
  }

  private func followUp(of ticket: Ticket) async throws -> String {
    try await world.run("UPDATE ticket SET state = 'COMPLETED', complete_time = now()")
    let entry = try await desk.client.appendInquiry(
      AppendInquiryRequest(parent: ticket.name, text: "또 고장났어요."), world.by("mail"))
    return try #require(EntryName(entry.name)).ticket.description
  }

  private func maskNotes(_ ticket: String, _ caller: CallOptions) async throws -> [String] {
    try await desk.client.listEvents(ListEventsRequest(parent: ticket), caller).events.flatMap(\.changes)
      .filter { $0.field == "mask" }.map(\.after)
  }

  @Test("a mask in an administrators' field is named to no agent, and is not taken over where agents would see it")
  func administrators() async throws {
    let secret = try await make(
      Field(code: "secret", kind: .text, audience: .agent, displayName: "비밀", administratorsOnly: true))
    let ticket = try await desk.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "\(Self.number) 문의", text: "언제 오나요?",
        submissionType: "services/care/submissionTypes/1",
        fieldValues: [FieldValue(code: "secret", values: [Self.number])]), boss)
    let made = try await desk.masking.createMasks(
      CreateMasksRequest(
        parent: ticket.name,
        spans: [TextSpan(start: 0, length: Int32(Self.number.count), field: "field.secret")]), boss)
    let mask = try #require(made.masks.first).name
    #expect(try await maskNotes(ticket.name, boss) == [mask])
    #expect(try await maskNotes(ticket.name, kim).isEmpty)
    let new = try await followUp(of: ticket)
    for caller in [boss, kim] {
      let title = try await desk.client.getTicket(GetTicketRequest(name: new), caller).title
      #expect(title == "************** 문의")
      let masks = try await desk.masking.listMasks(ListMasksRequest(parent: new), caller).masks
      #expect(masks.isEmpty)
      #expect(try await desk.client.verifyHistory(VerifyHistoryRequest(name: new), caller).intact)
    }
    // Once the field is everybody's, so are its masks.
    _ = try await desk.client.updateField(
      UpdateFieldRequest(
        field: Field(name: secret.name), updateMask: FieldMask(paths: ["administrators_only"])), boss)
    #expect(try await maskNotes(ticket.name, kim) == [mask])
  }

  @Test("answers that a late reply takes over keep their asterisks, and are looked at where that was not done before")
  func answers() async throws {
    let phone = try await make(
      Field(code: "phone", kind: .text, audience: .customer, displayName: "전화", required: true))
    let memo = try await make(Field(code: "memo", kind: .textarea, audience: .customer, displayName: "메모"))
    let type = "services/care/submissionTypes/1"
    _ = try await desk.client.updateForm(
      UpdateFormRequest(submissionType: type, customerFields: [phone.name, memo.name]), boss)
    let old = try await desk.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "문의", text: "언제 오나요?", submissionType: type,
        fieldValues: [
          FieldValue(code: "phone", values: ["010-0000-1234"]),
          FieldValue(code: "memo", values: ["주민번호 \(Self.number)"]),
        ]), kim)
    _ = try await desk.masking.createMasks(
      CreateMasksRequest(parent: old.name, spans: [TextSpan(start: 0, length: 13, field: "field.phone")]), kim)
    try await world.run("UPDATE masking_setting SET detection = 'AUTOMATIC'")
    let later = try ArrivalWorld.restarted(desk)
    try await world.run("UPDATE ticket SET state = 'COMPLETED', complete_time = now()")
    let entry = try await later.client.appendInquiry(
      AppendInquiryRequest(parent: old.name, text: "또 고장났어요."), world.by("mail"))
    let new = try #require(EntryName(entry.name)).ticket.description
    #expect(try await later.client.getTicket(GetTicketRequest(name: new), kim).submissionType == type)
    let form = try await later.client.getTicketForm(GetTicketFormRequest(ticket: new), kim)
    #expect(form.customerFields.map(\.values) == [["*************"], ["주민번호 **************"]])
    #expect(try await later.masking.listMasks(ListMasksRequest(parent: new), kim).masks.count == 1)
    #expect(
      try await world.count(
        """
        SELECT count(*) FROM ticket_event_value WHERE after_text LIKE '%1234568%' AND ticket_id <> (
          SELECT min(id) FROM ticket)
        """) == 0)
    let found = try await later.client.verifyHistory(VerifyHistoryRequest(name: new), kim)
    #expect(found.intact, "\(found.finding)")
  }
}
