import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// Values that are too long for a field of the service's own.
@Suite struct FieldLengthTests {
  private let world: TicketWorld

  /// Care asks customers for `note`, of five characters, and for `story`, as long as texts can be; agents fill `cause`.
  init() async throws {
    world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    var names: [String] = []
    for field in [
      Field(code: "note", kind: .text, audience: .customer, displayName: "메모", maxLength: 5),
      Field(code: "story", kind: .text, audience: .customer, displayName: "사연"),
      Field(code: "cause", kind: .textarea, audience: .agent, displayName: "원인", maxLength: 5),
    ] {
      let made = try await world.client.createField(CreateFieldRequest(parent: "services/care", field: field), boss)
      if field.audience == .customer { names.append(made.name) }
    }
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: "services/care/submissionTypes/1", customerFields: names), boss)
  }

  private func create(_ values: [FieldValue], by caller: CallOptions) async throws -> Ticket {
    try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "t", text: "x", channel: .api,
        submissionType: "services/care/submissionTypes/1", fieldValues: values), caller)
  }

  /// The fields that a request was refused for, with the rule and the limit.
  private func told(_ error: ServiceError?) -> [String] {
    error?.reason == .requestInvalid ? error?.violations.map { "\($0.field) \($0.description)" } ?? [] : []
  }

  @Test("no ticket comes to be with a value that is too long; one as long as the field allows is taken")
  func creation() async throws {
    let callers = [world.by(TicketWorld.kim), world.by("mail")]
    let long = [
      FieldValue(code: "note", values: ["여섯 글자요"]),
      FieldValue(code: "story", values: [String(repeating: "가", count: 1_001)]),
    ]
    for caller in callers {
      #expect(
        told(await refusal { try await create(long, by: caller) }) == [
          "field_values.note length: must have at most 5 characters",
          "field_values.story length: must have at most 1000 characters",
        ])
    }
    for table in ["ticket", "ticket_entry", "ticket_event", "ticket_field_value", "outbox"] {
      #expect(try await world.count("SELECT count(*) FROM \(identifier: table)") == 0, "\(table)")
    }
    // In characters, and not in bytes.
    let fitting = [
      FieldValue(code: "note", values: ["다섯 글자"]),
      FieldValue(code: "story", values: [String(repeating: "가", count: 1_000)]),
    ]
    for caller in callers { _ = try await create(fitting, by: caller) }
    #expect(try await world.count("SELECT count(*) FROM ticket_field_value") == 4)
  }

  @Test("what is saved or done with a value that is too long is left undone altogether")
  func acts() async throws {
    let kim = world.by(TicketWorld.kim)
    let made = try await create([FieldValue(code: "note", values: ["다섯 글자"])], by: kim)
    try await world.run("UPDATE ticket SET agent_id = 1, state = 'PROCESSING'")
    let wanted = Ticket(name: made.name, title: "새 제목", fieldValues: [FieldValue(code: "note", values: ["abcdef"])])
    let saved = await refusal {
      try await world.client.updateTicket(
        UpdateTicketRequest(ticket: wanted, updateMask: FieldMask(paths: ["title", "field_values"])), kim)
    }
    #expect(told(saved) == ["field_values.note length: must have at most 5 characters"])
    let resolved = await refusal {
      try await world.client.processTicket(
        ProcessTicketRequest(
          name: made.name, act: .resolve, text: "끝", fieldValues: [FieldValue(code: "cause", values: ["한 줄\n두 줄"])]),
        kim)
    }
    #expect(told(resolved) == ["field_values.cause length: must have at most 5 characters"])
    let after = try await world.client.getTicket(GetTicketRequest(name: made.name), kim)
    #expect(after.version == made.version && after.title == "t" && after.state == .processing && after.entryCount == 1)
    #expect(try await world.rows("SELECT value FROM ticket_field_value").map { try $0.string(0) } == ["다섯 글자"])
    #expect(try await world.eventCodes(made.name) == ["CREATED"])
  }
}
