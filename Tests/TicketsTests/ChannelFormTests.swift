import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What the form of a submission type asks for and allows holds for every ticket that has the type.
@Suite("a submission type's form, by every way that tickets come") struct ChannelFormTests {
  private static let type = "services/care/submissionTypes/1"

  private let world: TicketWorld

  /// Type 1 asks for an order number of at most 5 characters, and takes a note and a receipt; titles have at most 20.
  init() async throws {
    world = try await TicketWorld()
    var fields: [String] = []
    for field in [
      Field(
        code: "order_number", kind: .text, audience: .customer, displayName: "주문 번호", required: true, maxLength: 5),
      Field(code: "note", kind: .textarea, audience: .customer, displayName: "메모"),
      Field(code: "receipt", kind: .file, audience: .customer, displayName: "영수증"),
    ] {
      let made = try await world.client.createField(
        CreateFieldRequest(parent: "services/care", field: field), world.by(TicketWorld.boss))
      fields.append(made.name)
    }
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: Self.type, customerFields: fields), world.by(TicketWorld.boss))
    try await limitTitle(20)
  }

  private func limitTitle(_ charactersMax: Int32) async throws {
    let title = SystemField(name: "services/care/systemFields/title", maxLength: charactersMax)
    _ = try await world.client.updateSystemField(
      UpdateSystemFieldRequest(systemField: title, updateMask: FieldMask(paths: ["max_length"])),
      world.by(TicketWorld.boss))
  }

  private func change(_ code: String, _ path: String, _ set: (inout Field) -> Void) async throws {
    let fields = try await world.client.listFields(
      ListFieldsRequest(parent: "services/care"), world.by(TicketWorld.boss)
    ).fields
    var field = try #require(fields.first { $0.code == code })
    set(&field)
    _ = try await world.client.updateField(
      UpdateFieldRequest(field: field, updateMask: FieldMask(paths: [path])), world.by(TicketWorld.boss))
  }

  private func create(
    _ caller: CallOptions, _ channel: Ticket.Channel, order: String? = nil, title: String = "제목",
    note: String? = nil
  ) async throws -> Ticket {
    let values = [("order_number", order), ("note", note)].compactMap { code, text in
      text.map { FieldValue(code: code, values: [$0]) }
    }
    return try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: title, text: "문의", channel: channel, submissionType: Self.type,
        fieldValues: values, privacyConsent: true), caller)
  }

  private func get(_ name: String) async throws -> Ticket {
    try await world.client.getTicket(GetTicketRequest(name: name), world.by(TicketWorld.boss))
  }

  private func answers(_ ticket: String) async throws -> [String: [String]] {
    let form = try await world.client.getTicketForm(GetTicketFormRequest(ticket: ticket), world.by(TicketWorld.boss))
    return Dictionary(
      form.customerFields.map { ($0.field?.code ?? "", $0.values) }, uniquingKeysWith: { first, _ in first }
    ).filter { !$0.value.isEmpty }
  }

  /// A ticket of the type with answers that was completed, and the ticket that a late reply opens.
  private func followUp(of ticket: Ticket, text: String = "또 고장났어요.") async throws -> Ticket {
    try await world.run("UPDATE ticket SET state = 'COMPLETED', complete_time = now() WHERE state <> 'COMPLETED'")
    let entry = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: ticket.name, text: text), world.by("mail"))
    let name = try #require(EntryName(entry.name)).ticket.description
    #expect(name != ticket.name)
    return try await get(name)
  }

  @Test("whoever brings it and however it came, a ticket without what is asked or with too much is not made")
  func channels() async throws {
    let (kim, mail) = (world.by(TicketWorld.kim), world.by("mail"))
    let program = world.forCustomer(through: TicketWorld.boss)
    let ways: [(caller: CallOptions, channels: [Ticket.Channel])] = [
      (kim, [.manual, .email, .helpCenter, .helpCenterMobile, .chat, .phone, .api]),
      (program, [.email, .helpCenter, .helpCenterMobile, .chat, .phone, .api]),
      (mail, [.email, .helpCenter, .helpCenterMobile, .chat, .phone, .api]),
    ]
    for (caller, channels) in ways {
      for channel in channels {
        let missing = await refusal { try await create(caller, channel, title: String(repeating: "가", count: 21)) }
        #expect(missing?.violations.map(\.field) == ["title", "field_values.order_number"], "\(channel)")
        let long = await refusal { try await create(caller, channel, order: "A-1234") }
        #expect(long?.violations.map(\.field) == ["field_values.order_number"], "\(channel)")
      }
    }
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
    for (caller, channels) in ways {
      for channel in channels { #expect(try await create(caller, channel, order: "A-1").submissionType == Self.type) }
    }
  }

  @Test("a ticket for a late reply takes over the type and what the customer filled in, but no files")
  func takenOver() async throws {
    let old = try await create(world.by(TicketWorld.kim), .api, order: "A-1", note: "빨간 것\n두 개")
    try await world.run(
      """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      SELECT service_id, (SELECT max(id) FROM ticket), id, 'services/care/attachments/1'
      FROM ticket_field WHERE code = 'receipt'
      """)
    let new = try await followUp(of: old)
    #expect(new.submissionType == Self.type && new.previousTicket == old.name)
    #expect(try await answers(new.name) == ["order_number": ["A-1"], "note": ["빨간 것\n두 개"]])
    let first = try await world.client.listEvents(
      ListEventsRequest(parent: new.name), world.by(TicketWorld.boss)
    ).events.first
    let values = first?.changes.filter { $0.field.hasPrefix("field.") }.map { "\($0.field) \($0.after)" }
    #expect(values?.sorted() == ["field.note 빨간 것\n두 개", "field.order_number A-1"])
    let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: new.name), world.by(TicketWorld.boss))
    #expect(found.intact, "\(found.finding)")
  }

  @Test("it has no type when the form asks for more by then, until an agent gives it one with what is asked")
  func notTakenOver() async throws {
    let kim = world.by(TicketWorld.kim)
    let changes: [@Sendable (ChannelFormTests) async throws -> Void] = [
      { try await $0.change("order_number", "max_length") { $0.maxLength = 2 } },
      { try await $0.change("note", "required") { $0.required = true } },
      { try await $0.limitTitle(1) },
      {
        let field = SystemField(name: "services/care/systemFields/attachments", required: true)
        _ = try await $0.world.client.updateSystemField(
          UpdateSystemFieldRequest(systemField: field, updateMask: FieldMask(paths: ["required"])),
          $0.world.by(TicketWorld.boss))
      },
    ]
    for change in changes {
      let care = try await ChannelFormTests()
      let old = try await care.create(care.world.by(TicketWorld.kim), .api, order: "A-1")
      try await change(care)
      let new = try await care.followUp(of: old)
      #expect(new.submissionType.isEmpty && new.previousTicket == old.name)
      #expect(try await care.answers(new.name).isEmpty)
    }
    let old = try await create(kim, .api, order: "A-1")
    try await world.run("DELETE FROM ticket_field_value")
    let new = try await followUp(of: old)
    #expect(new.submissionType.isEmpty)
    let typed = UpdateTicketRequest(
      ticket: Ticket(name: new.name, submissionType: Self.type), updateMask: FieldMask(paths: ["submission_type"]))
    let missing = await refusal { try await world.client.updateTicket(typed, kim) }
    #expect(missing?.violations.map(\.field) == ["field_values.order_number"])
  }

  @Test("an answer that fits its field no more is not taken over, and what else was said is")
  func unfitAnswers() async throws {
    let old = try await create(world.by(TicketWorld.kim), .api, order: "A-1", note: "빨간 것")
    try await change("note", "max_length") { $0.maxLength = 2 }
    let new = try await followUp(of: old)
    #expect(new.submissionType == Self.type)
    #expect(try await answers(new.name) == ["order_number": ["A-1"]])
  }

  @Test("who moves a ticket to a type is asked for what does not fit its form: title, files, and answers of before")
  func moving() async throws {
    let kim = world.by(TicketWorld.kim)
    let other = "services/care/submissionTypes/3"
    let fields = try await world.client.listFields(ListFieldsRequest(parent: "services/care"), kim).fields
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: other, customerFields: fields.map(\.name)), world.by(TicketWorld.boss))
    let made = try await create(kim, .api, order: "A-1", title: "긴 제목", note: "빨간 것")
    try await change("note", "max_length") { $0.maxLength = 2 }
    try await limitTitle(2)
    let files = SystemField(name: "services/care/systemFields/attachments", required: true)
    _ = try await world.client.updateSystemField(
      UpdateSystemFieldRequest(systemField: files, updateMask: FieldMask(paths: ["required"])),
      world.by(TicketWorld.boss))
    var ticket = Ticket(name: made.name, title: "새", submissionType: other)
    func move(_ paths: String...) async throws -> Ticket {
      try await world.client.updateTicket(
        UpdateTicketRequest(ticket: ticket, updateMask: FieldMask(paths: paths)), kim)
    }
    let name = SystemField(name: "services/care/systemFields/customer_name", maxLength: 2)
    _ = try await world.client.updateSystemField(
      UpdateSystemFieldRequest(systemField: name, updateMask: FieldMask(paths: ["max_length"])),
      world.by(TicketWorld.boss))
    let named = Ticket(name: made.name, customer: TicketCustomer(displayName: "길동"))
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(ticket: named, updateMask: FieldMask(paths: ["customer.display_name"])), kim)
    try await world.run("UPDATE ticket SET customer_name = '홍길동'")
    let wrong = await refusal { try await move("submission_type") }
    #expect(
      wrong?.violations.map(\.field) == [
        "ticket.title", "ticket.customer.display_name", "attachments", "field_values.note",
      ])
    #expect(try await get(made.name).submissionType == Self.type)
    try await world.attachFile(to: made.name)
    ticket.fieldValues = [FieldValue(code: "note", values: ["빨강"])]
    // What is masked can be right only as it was.
    try await world.run("UPDATE ticket SET customer_name = '***'")
    let moved = try await move("submission_type", "title", "field_values")
    #expect(moved.submissionType == other && moved.title == "새")
  }
}
