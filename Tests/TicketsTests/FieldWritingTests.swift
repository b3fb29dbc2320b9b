import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What is written into fields, and where fields are placed.
@Suite("values of fields, and places") struct FieldWritingTests {
  private static let type = "services/care/submissionTypes/1"

  private let world: TicketWorld
  private var kim: CallOptions { world.by(TicketWorld.kim) }
  private var boss: CallOptions { world.by(TicketWorld.boss) }

  init() async throws { world = try await TicketWorld() }

  private func make(_ field: Field) async throws -> Field {
    try await world.client.createField(CreateFieldRequest(parent: "services/care", field: field), boss)
  }

  private func create(_ values: [FieldValue], title: String = "t", text: String = "x") async throws -> Ticket {
    try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: title, text: text, channel: .api, submissionType: Self.type,
        fieldValues: values), kim)
  }

  /// What becomes of a write that waits for somebody who deletes a field at that moment; the field is brought back.
  private func whileDeleted(
    _ code: String, _ write: @escaping @Sendable () async throws -> Void
  ) async throws -> ServiceError? {
    let writing = try await world.database.pool.transaction(deadline: TestDatabase.deadline) { other in
      _ = try await other.query("SELECT FROM ticket_field WHERE code = \(code) FOR UPDATE")
      let task = Task { await refusal(write) }
      let waiting: Query = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
      while try await world.count(waiting) == 0 { await Task.yield() }
      _ = try await other.query(
        "UPDATE ticket_field SET delete_time = now(), is_active = false WHERE code = \(code)")
      return task
    }
    let error = await writing.value
    try await world.run("UPDATE ticket_field SET delete_time = NULL, is_active = true WHERE code = \(code)")
    return error
  }

  @Test("whoever writes a value while its field is deleted finds it deleted, and writes nothing")
  func deletedMeanwhile() async throws {
    _ = try await make(Field(code: "memo", kind: .text, audience: .agent, displayName: "메모"))
    let (world, kim) = (self.world, self.kim)
    let name = world.name(try await world.ticket())
    let values = [FieldValue(code: "memo", values: ["적음"])]
    let writes: [@Sendable () async throws -> Void] = [
      {
        _ = try await world.client.createTicket(
          CreateTicketRequest(
            parent: "services/care", title: "t", text: "x", channel: .api, submissionType: Self.type,
            fieldValues: values), kim)
      },
      {
        _ = try await world.client.updateTicket(
          UpdateTicketRequest(
            ticket: Ticket(name: name, fieldValues: values), updateMask: FieldMask(paths: ["field_values"])), kim)
      },
      {
        _ = try await world.client.processTicket(
          ProcessTicketRequest(name: name, act: .comment, text: "확인", fieldValues: values), kim)
      },
    ]
    for write in writes {
      let error = try await whileDeleted("memo", write)
      #expect(error?.reason == .fieldNotFound, "\(String(describing: error))")
    }
    for (table, count) in [("ticket", 1), ("ticket_event", 1), ("ticket_entry", 1), ("ticket_field_value", 0)] {
      #expect(try await world.count("SELECT count(*) FROM \(identifier: table)") == count, "\(table)")
    }
    // With the field in its place, the same is taken.
    for write in writes { try await write() }
    #expect(try await world.count("SELECT count(*) FROM ticket_field_value WHERE value = '적음'") == 2)
  }

  @Test("a field that is deleted while it is placed on a form is on no form")
  func placedMeanwhile() async throws {
    let color = try await make(Field(code: "color", kind: .text, audience: .customer, displayName: "색"))
    let (world, boss) = (self.world, self.boss)
    let place: @Sendable () async throws -> Void = {
      _ = try await world.client.updateForm(
        UpdateFormRequest(submissionType: Self.type, customerFields: [color.name]), boss)
    }
    #expect(try await whileDeleted("color", place)?.reason == .fieldNotFound)
    #expect(try await world.count("SELECT count(*) FROM field_placement") == 0)
    try await place()
    #expect(try await world.count("SELECT count(*) FROM field_placement") == 1)
  }

  @Test(
    "what nobody can read fills no field",
    arguments: [" ", "\u{3164}", "\u{200B}", "\u{A0}", "\u{FEFF}", "\u{3000}\u{2060}\n", "\u{115F}\u{1160}"])
  func invisible(_ text: String) async throws {
    let order = try await make(
      Field(code: "order_number", kind: .text, audience: .customer, displayName: "번호", required: true))
    let color = try await make(Field(code: "color", kind: .text, audience: .customer, displayName: "색"))
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: Self.type, customerFields: [order.name, color.name]), boss)
    let empty = await refusal { try await create([FieldValue(code: "order_number", values: [text])]) }
    #expect(empty?.violations == [FieldViolation("field_values.order_number", "required: fill in 번호")])
    let number = FieldValue(code: "order_number", values: [" A 1"])
    let untitled = await refusal { try await create([number], title: text, text: text) }
    #expect(untitled?.violations.map(\.field) == ["title", "text"])
    // Where nothing is asked for, nothing is stored; and what can be read stays as it was written.
    _ = try await create([number, FieldValue(code: "color", values: [text])])
    let stored = try await world.rows("SELECT value FROM ticket_field_value")
    #expect(try stored.map { try $0.string(0) } == [" A 1"])
  }

  @Test("a customer whose name nobody can read has none where a name is asked for")
  func invisibleName() async throws {
    _ = try await world.client.updateSystemField(
      UpdateSystemFieldRequest(
        systemField: SystemField(name: "services/care/systemFields/customer_name", required: true),
        updateMask: FieldMask(paths: ["required"])), boss)
    let refused = await refusal {
      try await world.client.createTicket(
        CreateTicketRequest(
          parent: "services/care", title: "t", text: "x", customer: TicketCustomer(displayName: "\u{3164}"),
          channel: .api, submissionType: Self.type), kim)
    }
    #expect(refused?.violations.map(\.field) == ["customer.display_name"])
  }

  @Test("a field's place has a limit, and behind the last one there is always room")
  func places() async throws {
    func field(_ code: String, _ position: Int32 = 0) -> Field {
      Field(code: code, kind: .text, audience: .agent, displayName: code, position: position)
    }
    let rule = FieldViolation("field.position", "must be 0 to 1000000")
    for position: Int32 in [-1, 1_000_001, .max] {
      #expect(await refusal { try await make(field("wrong", position)) }?.violations == [rule])
    }
    #expect(try await make(field("first")).position == 1)
    var last = try await make(field("last", 1_000_000))
    #expect(last.position == 1_000_000)
    #expect(try await make(field("behind")).position == 1_000_000)
    last.position = .max
    let moved = await refusal { [last] in
      try await world.client.updateField(
        UpdateFieldRequest(field: last, updateMask: FieldMask(paths: ["position"])), boss)
    }
    #expect(moved?.violations == [rule])
    // What was stored before there was a limit keeps nobody from adding fields.
    try await world.run("UPDATE ticket_field SET position = 2147483647 WHERE code = 'last'")
    #expect(try await make(field("more")).position == 1_000_000)
  }
}

extension TicketWorld {
  /// The name of a small file that kim has uploaded to care.
  func uploaded(_ fileName: String) async throws -> String {
    try await client.uploadAttachment(by(Self.kim)) { writer in
      try await writer.send(
        UploadAttachmentRequest(part: .header(UploadHeader(parent: "services/care", fileName: fileName))))
      try await writer.send(UploadAttachmentRequest(part: .chunk([0x61])))
    }.name
  }
}
