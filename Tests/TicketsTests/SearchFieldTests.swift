import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("search by fields") struct SearchFieldTests {
  private func field(_ world: TicketWorld, _ field: Field) async throws -> String {
    try await world.client.createField(
      CreateFieldRequest(parent: "services/care", field: field), world.by(TicketWorld.boss)
    ).name
  }

  private func search(
    _ world: TicketWorld, _ conditions: [FieldCondition], by agent: AgentID = TicketWorld.kim
  ) async throws -> [String] {
    try await world.client.searchTickets(
      SearchTicketsRequest(parent: "services/care", fields: conditions), world.by(agent)
    ).tickets.map(\.name)
  }

  /// Fields of each kind, and a ticket with a value in all of them.
  private func prepared() async throws -> (world: TicketWorld, ticket: String, fields: [String]) {
    let world = try await TicketWorld()
    let kinds: [(String, Field.Kind, [String])] = [
      ("note", .text, []), ("color", .checkbox, ["빨강", "파랑", "노랑"]), ("day", .date, []),
      ("stay", .datePeriod, []), ("agreed", .agree, []),
    ]
    var fields: [String] = []
    for (code, kind, options) in kinds {
      fields.append(
        try await field(
          world, Field(code: code, kind: kind, audience: .agent, displayName: code, options: options)))
    }
    fields.append(
      try await field(
        world, Field(code: "secret", kind: .text, audience: .agent, displayName: "s", administratorsOnly: true)))
    let ticket = try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "t", text: "x", submissionType: "services/care/submissionTypes/1",
        fieldValues: [
          FieldValue(code: "note", values: ["세탁기 모델 AX-100"]), FieldValue(code: "color", values: ["빨강", "노랑"]),
          FieldValue(code: "day", values: ["2026-02-10"]),
          FieldValue(code: "stay", values: ["2026-02-01 ~ 2026-02-05"]),
          FieldValue(code: "agreed", values: ["true"]), FieldValue(code: "secret", values: ["내부 메모"]),
        ]), world.by(TicketWorld.boss))
    _ = try await world.ticket()
    return (world, ticket.name, fields)
  }

  @Test("a field is asked for by words, choices or times, as its kind has them")
  func kinds() async throws {
    let (world, ticket, _) = try await prepared()
    let rows: [(FieldCondition, Bool)] = [
      (FieldCondition(code: "note", text: "탁기"), true), (FieldCondition(code: "note", text: "ax 100"), true),
      (FieldCondition(code: "note", text: "ㅁㄷ"), true), (FieldCondition(code: "note", text: "냉장고"), false),
      (FieldCondition(code: "color", options: ["파랑", "노랑"]), true),
      (FieldCondition(code: "color", options: ["파랑"]), false),
      (FieldCondition(code: "agreed", options: ["true"]), true),
      (FieldCondition(code: "agreed", options: ["false"]), false),
      (FieldCondition(code: "day", from: "2026-02-10", to: "2026-02-10"), true),
      (FieldCondition(code: "day", from: "2026-02-11"), false), (FieldCondition(code: "day", to: "2026-02-09"), false),
      (FieldCondition(code: "stay", from: "2026-02-05"), true),
      (FieldCondition(code: "stay", from: "2026-02-06"), false),
      (FieldCondition(code: "stay", to: "2026-02-01"), true), (FieldCondition(code: "stay", to: "2026-01-31"), false),
    ]
    for (condition, isFound) in rows {
      let found = try await search(world, [condition])
      #expect(found == (isFound ? [ticket] : []), "\(condition)")
    }
    let both = [FieldCondition(code: "note", text: "세탁"), FieldCondition(code: "color", options: ["빨강"])]
    #expect(try await search(world, both) == [ticket])
    // Words of the history and of a field count both.
    for (word, isFound) in [("세탁", true), ("냉장고", false)] {
      let found = try await world.client.searchTickets(
        SearchTicketsRequest(parent: "services/care", text: "x", fields: [FieldCondition(code: "note", text: word)]),
        world.by(TicketWorld.kim)
      ).tickets.map(\.name)
      #expect(found == (isFound ? [ticket] : []), "\(word)")
    }
    _ = try await world.client.processTicket(
      ProcessTicketRequest(
        name: ticket, act: .comment, text: "x", fieldValues: [FieldValue(code: "note", values: ["냉장고"])]),
      world.by(TicketWorld.boss))
    #expect(try await search(world, [FieldCondition(code: "note", text: "냉장")]) == [ticket])
    #expect(try await search(world, [FieldCondition(code: "note", text: "세탁")]).isEmpty)
  }

  @Test("a wrong condition on a field is refused, and fields of administrators are theirs alone")
  func refusals() async throws {
    let (world, ticket, fields) = try await prepared()
    let wrong: [FieldCondition] = [
      FieldCondition(code: "note", options: ["x"]), FieldCondition(code: "note", text: "%"),
      FieldCondition(code: "color", options: ["초록"]), FieldCondition(code: "color", text: "빨강"),
      FieldCondition(code: "day", from: "gestern"), FieldCondition(code: "day"),
    ]
    let error = await refusal { try await search(world, wrong) }
    #expect(
      error?.violations.map(\.field) == [
        "fields[0]", "fields[1].text", "fields[2].options", "fields[3]", "fields[4].from", "fields[5]",
      ])
    #expect(
      await refusal { try await search(world, [FieldCondition(code: "no", text: "x")]) }?.reason == .fieldNotFound)
    let secret = [FieldCondition(code: "secret", text: "메모")]
    #expect(await refusal { try await search(world, secret) }?.reason == .fieldNotFound)
    #expect(try await search(world, secret, by: TicketWorld.boss) == [ticket])
    let hidden = await refusal {
      try await world.client.updateSearchSettings(
        UpdateSearchSettingsRequest(
          searchSettings: SearchSettings(name: "services/care/searchSettings", fields: [fields[5]]),
          updateMask: FieldMask(paths: ["fields"])), world.by(TicketWorld.kim))
    }
    #expect(hidden?.reason == .fieldNotFound)
  }

  @Test("an option is found in any normalization")
  func normalization() async throws {
    let (world, ticket, _) = try await prepared()
    let decomposed = "\u{1102}\u{1169}\u{1105}\u{1161}\u{11BC}"
    #expect(decomposed == "노랑" && Array(decomposed.utf8) != Array("노랑".utf8))
    #expect(try await search(world, [FieldCondition(code: "color", options: [decomposed])]) == [ticket])
    #expect(try await search(world, [FieldCondition(code: "color", options: ["파랑", decomposed])]) == [ticket])
  }

  @Test("an option that was taken away still finds the tickets that have it")
  func formerOptions() async throws {
    let (world, ticket, fields) = try await prepared()
    let field = Field(name: fields[1], options: ["파랑", "초록"])
    _ = try await world.client.updateField(
      UpdateFieldRequest(field: field, updateMask: FieldMask(paths: ["options"])), world.by(TicketWorld.boss))
    let decomposed = "\u{1102}\u{1169}\u{1105}\u{1161}\u{11BC}"
    for (options, isFound) in [
      (["노랑"], true), ([decomposed], true), (["파랑", "빨강"], true), (["초록"], false), (["파랑"], false),
    ] {
      let found = try await search(world, [FieldCondition(code: "color", options: options)])
      #expect(found == (isFound ? [ticket] : []), "\(options)")
    }
    for options in [["노렁"], ["노랑", "노렁"], ["빨강\n노랑"], [""], Array(repeating: "노랑", count: 101)] {
      let error = await refusal { try await search(world, [FieldCondition(code: "color", options: options)]) }
      #expect(error?.violations.map(\.field) == ["fields[0].options"], "\(options)")
    }
  }

  @Test("times in the wrong order are refused, and all that is wrong with a search is told at once")
  func allAtOnce() async throws {
    let (world, ticket, _) = try await prepared()
    let reversed = [
      FieldCondition(code: "day", from: "2026-02-10", to: "2026-02-09"),
      FieldCondition(code: "stay", from: "2026-02-05", to: "2026-02-01"),
      FieldCondition(code: "day", from: "2026-02-10", to: "gestern"),
    ]
    let error = await refusal { try await search(world, reversed) }
    #expect(
      error?.violations == [
        FieldViolation("fields[0].to", "must not be earlier than from"),
        FieldViolation("fields[1].to", "must not be earlier than from"),
        FieldViolation("fields[2].to", "must be a date such as 2026-01-31"),
      ])
    let all = await refusal {
      try await world.client.searchTickets(
        SearchTicketsRequest(parent: "services/care", email: "ab*", fields: reversed, pageSize: 999),
        world.by(TicketWorld.kim))
    }
    #expect(
      all?.violations.map(\.field) == ["email", "page_size", "fields[0].to", "fields[1].to", "fields[2].to"])
    // What is wrong comes before what is not there; in a menu that shows nothing, too.
    let unknown = await refusal {
      try await world.client.searchTickets(
        SearchTicketsRequest(
          parent: "services/care", menu: .myGroups, fields: [FieldCondition(code: "no", text: "x")], pageSize: 999),
        world.by(TicketWorld.boss))
    }
    #expect(unknown?.violations.map(\.field) == ["page_size"])
    let hidden = await refusal {
      try await world.client.searchTickets(
        SearchTicketsRequest(parent: "services/care", menu: .myGroups, fields: reversed), world.by(TicketWorld.boss))
    }
    #expect(hidden?.violations.count == 3)
    #expect(try await search(world, [FieldCondition(code: "day", from: "2026-02-01", to: "2026-02-10")]) == [ticket])
  }

  @Test("the conditions that an agent added are kept for that agent and service")
  func settings() async throws {
    let (world, _, fields) = try await prepared()
    let name = "services/care/searchSettings"
    func set(_ fields: [String], by agent: AgentID) async throws -> [String] {
      try await world.client.updateSearchSettings(
        UpdateSearchSettingsRequest(
          searchSettings: SearchSettings(name: name, fields: fields), updateMask: FieldMask(paths: ["fields"])),
        world.by(agent)
      ).fields
    }
    func get(_ agent: AgentID) async throws -> [String] {
      try await world.client.getSearchSettings(GetSearchSettingsRequest(name: name), world.by(agent)).fields
    }
    #expect(try await get(TicketWorld.kim).isEmpty)
    #expect(try await set([fields[2], fields[0]], by: TicketWorld.kim) == [fields[2], fields[0]])
    #expect(try await get(TicketWorld.kim) == [fields[2], fields[0]])
    #expect(try await get(TicketWorld.lee).isEmpty)
    #expect(try await set([fields[0]], by: TicketWorld.kim) == [fields[0]])
    #expect(try await get(TicketWorld.kim) == [fields[0]])
    let twice = await refusal { try await set([fields[0], fields[0]], by: TicketWorld.kim) }
    #expect(twice?.violations.map(\.field) == ["search_settings.fields"])
  }
}
