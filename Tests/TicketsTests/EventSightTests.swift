import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("administrators' fields in a ticket's history") struct EventSightTests {
  private func make(_ world: TicketWorld, _ code: String, isForAdministrators: Bool = false) async throws -> Field {
    try await world.client.createField(
      CreateFieldRequest(
        parent: "services/care",
        field: Field(
          code: code, kind: .text, audience: .agent, displayName: code, administratorsOnly: isForAdministrators)),
      world.by(TicketWorld.boss))
  }

  /// Saves values as an administrator.
  private func save(_ world: TicketWorld, _ ticket: String, _ values: [FieldValue]) async throws {
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(
        ticket: Ticket(name: ticket, fieldValues: values), updateMask: FieldMask(paths: ["field_values"])),
      world.by(TicketWorld.boss))
  }

  /// The events behind the first: of each its code, then a line for each change.
  private func told(_ world: TicketWorld, _ ticket: String, _ caller: CallOptions) async throws -> [[String]] {
    try await world.client.listEvents(ListEventsRequest(parent: ticket), caller).events.dropFirst().map { event in
      [event.code] + event.changes.map { "\($0.field) \($0.before)>\($0.after)" }
    }
  }

  @Test("agents are told that an administrator saved such a field, and not what; who sees the field is told both")
  func values() async throws {
    let world = try await TicketWorld()
    _ = try await make(world, "secret", isForAdministrators: true)
    _ = try await make(world, "cause")
    let ticket = world.name(try await world.ticket())
    try await save(
      world, ticket, [FieldValue(code: "secret", values: ["VIP"]), FieldValue(code: "cause", values: ["배송"])])
    try await save(world, ticket, [FieldValue(code: "secret", values: ["요주의"])])
    for caller in [world.by(TicketWorld.boss), world.by("operator")] {
      #expect(
        try await told(world, ticket, caller) == [
          ["FIELDS_SAVED", "field.cause >배송", "field.secret >VIP"], ["FIELDS_SAVED", "field.secret VIP>요주의"],
        ])
    }
    let kim = world.by(TicketWorld.kim)
    #expect(try await told(world, ticket, kim) == [["FIELDS_SAVED", "field.cause >배송"], ["FIELDS_SAVED"]])
    // Who is late is told what was changed by the names of the fields, which everybody can list.
    let stale = await refusal {
      try await world.client.updateTicket(
        UpdateTicketRequest(
          ticket: Ticket(name: ticket, title: "제목"), updateMask: FieldMask(paths: ["title"]), version: 1), kim)
    }
    #expect(stale?.metadata["changed_fields"] == "field.cause,field.secret")
    let words = "\(stale?.message ?? "") \(stale?.metadata ?? [:])"
    #expect(!words.contains("VIP") && !words.contains("요주의"))
  }

  @Test("what a field is now counts for all of its past, and what was in a deleted one is told to no agent")
  func today() async throws {
    let world = try await TicketWorld()
    let (boss, kim) = (world.by(TicketWorld.boss), world.by(TicketWorld.kim))
    let secret = try await make(world, "secret", isForAdministrators: true)
    let cause = try await make(world, "cause")
    let ticket = world.name(try await world.ticket())
    try await save(
      world, ticket, [FieldValue(code: "secret", values: ["VIP"]), FieldValue(code: "cause", values: ["배송"])])
    for isOpen in [true, false] {
      _ = try await world.client.updateField(
        UpdateFieldRequest(
          field: Field(name: secret.name, administratorsOnly: !isOpen),
          updateMask: FieldMask(paths: ["administrators_only"])), boss)
      let changes = try await told(world, ticket, kim)[0]
      #expect(changes.contains("field.secret >VIP") == isOpen && changes.contains("field.cause >배송"))
    }
    // What no ticket has any more can be deleted.
    try await save(world, ticket, [FieldValue(code: "secret"), FieldValue(code: "cause")])
    for field in [secret, cause] {
      _ = try await world.client.deleteField(DeleteFieldRequest(name: field.name), boss)
    }
    #expect(try await told(world, ticket, kim) == [["FIELDS_SAVED"], ["FIELDS_SAVED"]])
    #expect(
      try await told(world, ticket, boss) == [
        ["FIELDS_SAVED", "field.cause >배송", "field.secret >VIP"],
        ["FIELDS_SAVED", "field.cause 배송>", "field.secret VIP>"],
      ])
  }
}
