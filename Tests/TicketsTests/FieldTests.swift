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

@Suite struct FieldTests {
  private func make(
    _ world: TicketWorld, _ field: Field, in service: String = "services/care", by agent: AgentID = TicketWorld.boss
  ) async throws -> Field {
    try await world.client.createField(CreateFieldRequest(parent: service, field: field), world.by(agent))
  }

  private func text(
    _ code: String, _ audience: Field.Audience = .customer, required: Bool = false, admin: Bool = false
  ) -> Field {
    Field(
      code: code, kind: .text, audience: audience, displayName: "이름 \(code)", required: required,
      administratorsOnly: admin)
  }

  /// Care with customer fields order_number (required) and color on type 1, and agent fields.
  private func prepared() async throws -> TicketWorld {
    let world = try await TicketWorld()
    let order = try await make(world, text("order_number", required: true))
    let color = try await make(
      world, Field(code: "color", kind: .checkbox, audience: .customer, displayName: "색", options: ["빨강", "파랑"]))
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: "services/care/submissionTypes/1", customerFields: [order.name, color.name]),
      world.by(TicketWorld.boss))
    _ = try await make(world, text("cause", .agent, required: true))
    _ = try await make(world, text("secret", .agent, admin: true))
    return world
  }

  private func create(
    _ world: TicketWorld, _ values: [FieldValue], type: String = "services/care/submissionTypes/1",
    by caller: CallOptions? = nil
  ) async throws -> Ticket {
    try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "t", text: "x", channel: .api, submissionType: type, fieldValues: values),
      caller ?? world.by(TicketWorld.kim))
  }

  private func form(_ world: TicketWorld, _ ticket: String, by agent: AgentID = TicketWorld.kim) async throws
    -> [String: [String]]
  {
    let form = try await world.client.getTicketForm(GetTicketFormRequest(ticket: ticket), world.by(agent))
    return Dictionary(
      (form.customerFields + form.agentFields).map { ($0.field?.code ?? "", $0.values) },
      uniquingKeysWith: { first, _ in first })
  }

  @Test("a field that is changed, filled or emptied past a ticket's history is told by its name")
  func pastHistory() async throws {
    let world = try await prepared()
    let ticket = try await create(world, [FieldValue(code: "order_number", values: ["A-1"])])
    func finding() async throws -> String {
      try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim)).finding
    }
    #expect(try await finding() == "")
    let changes: [(Query, field: String)] = [
      ("UPDATE ticket_field_value SET value = 'A-2'", "order_number"),
      ("DELETE FROM ticket_field_value", "order_number"),
      (
        """
        INSERT INTO ticket_field_value SELECT v.service_id, v.ticket_id, f.id, 'x' FROM ticket_field_value AS v
          JOIN ticket_field AS f ON f.service_id = v.service_id AND f.code = 'cause'
        """, "cause"
      ),
    ]
    for (change, field) in changes {
      try await world.run("CREATE TABLE kept AS SELECT * FROM ticket_field_value")
      try await world.run(change)
      #expect(try await finding() == "the ticket's field.\(field) is not what its events say")
      try await world.run("DELETE FROM ticket_field_value")
      try await world.run("INSERT INTO ticket_field_value SELECT * FROM kept")
      try await world.run("DROP TABLE kept")
    }
    #expect(try await finding() == "")
  }

  @Test("a form asks every channel alike, and tells all that is wrong at once")
  func creation() async throws {
    let world = try await prepared()
    let callers = [world.by(TicketWorld.kim), world.by("mail")]
    for caller in callers {
      let error = await refusal {
        try await create(
          world,
          [FieldValue(code: "color", values: ["초록"]), FieldValue(code: "nothing", values: ["x"])], by: caller)
      }
      #expect(
        error?.violations.map { "\($0.field) \($0.description.prefix { $0 != ":" })" } == [
          "field_values.color invalid", "field_values.nothing invalid", "field_values.order_number required",
        ])
      let ticket = try await create(
        world,
        [
          FieldValue(code: "order_number", values: ["A-1"]), FieldValue(code: "color", values: ["파랑", "빨강"]),
        ], by: caller)
      #expect(
        try await form(world, ticket.name) == ["order_number": ["A-1"], "color": ["빨강", "파랑"], "cause": []])
      let events = try await world.client.listEvents(
        ListEventsRequest(parent: ticket.name), world.by(TicketWorld.kim)
      ).events
      #expect(events[0].changes.contains { $0.field == "field.order_number" && $0.after == "A-1" })
      let found = try await world.client.verifyHistory(
        VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim))
      #expect(found.intact, "\(found.finding)")
    }
    // Another type has another form, and a ticket without a type none.
    _ = try await create(world, [], type: "services/care/submissionTypes/3")
    let elsewhere = await refusal {
      try await create(
        world, [FieldValue(code: "order_number", values: ["A"])], type: "services/care/submissionTypes/3")
    }
    #expect(elsewhere?.violations.map(\.field) == ["field_values.order_number"])
    let byCustomer = await refusal {
      try await create(
        world, [FieldValue(code: "order_number", values: ["A"]), FieldValue(code: "cause", values: ["x"])],
        by: world.by("mail"))
    }
    #expect(byCustomer?.violations.map(\.field) == ["field_values.cause"])
    let malformed = await refusal {
      try await create(
        world,
        [
          FieldValue(code: "Order", values: ["a\u{1}"]), FieldValue(code: "x", values: []),
          FieldValue(code: "x", values: Array(repeating: "y", count: 101)),
        ])
    }
    #expect(
      malformed?.violations.map(\.field) == [
        "field_values[0].code", "field_values[0].values[0]", "field_values[2].code", "field_values[2].values",
      ])
  }

  @Test("agents save values with an update or an act; what is required cannot be emptied, nor left out when resolving")
  func saving() async throws {
    let world = try await prepared()
    let made = try await create(world, [FieldValue(code: "order_number", values: ["A-1"])])
    var wanted = Ticket(name: made.name)
    func update(_ values: [FieldValue], _ paths: [String] = ["field_values"], by agent: AgentID = TicketWorld.kim)
      async throws -> Ticket
    {
      var ticket = wanted
      ticket.fieldValues = values
      return try await world.client.updateTicket(
        UpdateTicketRequest(ticket: ticket, updateMask: FieldMask(paths: paths)), world.by(agent))
    }
    let saved = try await update([FieldValue(code: "order_number", values: ["A-2"])])
    #expect(saved.version == made.version + 1)
    #expect(try await update([FieldValue(code: "order_number", values: ["A-2"])]).version == saved.version)
    let emptied = await refusal { try await update([FieldValue(code: "order_number")]) }
    #expect(emptied?.violations.map(\.field) == ["field_values.order_number"])
    let secret = await refusal { try await update([FieldValue(code: "secret", values: ["x"])]) }
    #expect(secret?.violations.map(\.field) == ["field_values.secret"])
    _ = try await update([FieldValue(code: "secret", values: ["x"])], by: TicketWorld.boss)
    #expect(try await form(world, made.name)["secret"] == nil)
    #expect(try await form(world, made.name, by: TicketWorld.boss)["secret"] == ["x"])
    let event = try await world.client.listEvents(
      ListEventsRequest(parent: made.name), world.by(TicketWorld.kim)
    ).events[1]
    #expect(event.changes.map { "\($0.field) \($0.before) \($0.after)" } == ["field.order_number A-1 A-2"])
    // Moving to a type with another form asks for that form's required fields.
    let size = try await make(world, text("size", required: true))
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: "services/care/submissionTypes/3", customerFields: [size.name]),
      world.by(TicketWorld.boss))
    wanted.submissionType = "services/care/submissionTypes/3"
    let moved = await refusal { try await update([], ["submission_type"]) }
    #expect(moved?.violations.map(\.field) == ["field_values.size"])
    _ = try await update([FieldValue(code: "size", values: ["L"])], ["submission_type", "field_values"])
    #expect(try await form(world, made.name)["order_number"] == ["A-2"])

    _ = try await world.client.updateTicket(
      UpdateTicketRequest(ticket: Ticket(name: made.name, priority: .low), updateMask: FieldMask(paths: ["priority"])),
      world.by(TicketWorld.kim))
    try await world.run("UPDATE ticket SET agent_id = 1, state = 'PROCESSING'")
    var act = ProcessTicketRequest(name: made.name, act: .resolve, text: "끝")
    let unfilled = await refusal { [act] in try await world.client.processTicket(act, world.by(TicketWorld.kim)) }
    #expect(unfilled?.violations.map(\.field) == ["field_values.cause"])
    act.fieldValues = [FieldValue(code: "cause", values: ["배송사"])]
    #expect(try await world.client.processTicket(act, world.by(TicketWorld.kim)).state == .resolved)
    #expect(try await form(world, made.name)["cause"] == ["배송사"])
  }

  @Test("escalating fills the form of the issue service, which consultation agents can read")
  func escalation() async throws {
    let world = try await TicketWorld()
    let field = try await make(world, text("device", required: true), in: "services/bugs")
    let type = "services/bugs/submissionTypes/20"
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: type, customerFields: [field.name]), world.by(TicketWorld.boss))
    // lee is no member of bugs, stranger's service escalates too, guest's ticket right is missing.
    for agent in [TicketWorld.lee, TicketWorld.stranger] {
      let form = try await world.client.getForm(GetFormRequest(submissionType: type), world.by(agent))
      #expect(form.customerFields.map(\.code) == ["device"] && form.agentFields.isEmpty)
    }
    let guest = await refusal {
      try await world.client.getForm(GetFormRequest(submissionType: type), world.by(TicketWorld.guest))
    }
    #expect(guest?.reason == .serviceNotFound)
    let name = world.name(try await world.ticket())
    var request = EscalateTicketRequest(
      name: name, targetService: "services/bugs", submissionType: type, title: "t", text: "x")
    let error = await refusal { [request] in try await world.client.escalateTicket(request, world.by(TicketWorld.kim)) }
    #expect(error?.violations.map(\.field) == ["field_values.device"])
    request.fieldValues = [FieldValue(code: "device", values: ["폰"])]
    let waiting = try await world.client.escalateTicket(request, world.by(TicketWorld.kim))
    #expect(try await form(world, waiting.targetTicket)["device"] == ["폰"])
  }

  @Test("a code is never used again, and a field in use is deactivated instead of deleted")
  func deletion() async throws {
    let world = try await prepared()
    let boss = world.by(TicketWorld.boss)
    func field(_ code: String) async throws -> Field? {
      try await world.client.listFields(ListFieldsRequest(parent: "services/care"), boss).fields.first {
        $0.code == code
      }
    }
    let color = try #require(try await field("color"))
    let ticket = try await create(world, [FieldValue(code: "order_number", values: ["A"])])
    let placed = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss) }
    #expect(placed?.reason == .inUse && placed?.metadata["used_by"] == "forms")
    let order = try #require(try await field("order_number"))
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: "services/care/submissionTypes/1", customerFields: [order.name]), boss)
    let template = try await world.client.createTemplate(
      CreateTemplateRequest(
        parent: "services/care", template: Template(title: "t", content: "고르신 색: #{field.color}")), boss)
    let quoted = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss) }
    #expect(quoted?.reason == .inUse && quoted?.metadata["used_by"] == "templates")
    _ = try await world.client.deleteTemplate(DeleteTemplateRequest(name: template.name), boss)
    try await world.run(
      """
      INSERT INTO trigger_rule (service_id, id, display_name, position, conditions, results)
      VALUES (1, 1, 'T', 1, '', '')
      """)
    try await world.run(
      """
      INSERT INTO trigger_reference (service_id, trigger_id, field_id)
      SELECT service_id, 1, id FROM ticket_field WHERE code = 'color'
      """)
    let asked = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss) }
    #expect(asked?.reason == .inUse && asked?.metadata["used_by"] == "triggers")
    try await world.run("DELETE FROM trigger_reference")
    // The layout that a mail was once dressed in holds nothing; the one that is current does.
    try await world.run(
      """
      INSERT INTO mail_layout (service_id, kind, language, subject, body, is_current) VALUES
        (1, 'RESOLVED', 'ko', '답변: #{field.color}', '#{content}', true),
        (1, 'PENDING', 'ko', '답변', '#{content} #{field.color}', false)
      """)
    let dressed = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss) }
    #expect(dressed?.reason == .inUse && dressed?.metadata["used_by"] == "layouts")
    try await world.run("UPDATE mail_layout SET subject = '답변' WHERE is_current")
    // What an agent added to the search goes with the field.
    _ = try await world.client.updateSearchSettings(
      UpdateSearchSettingsRequest(
        searchSettings: SearchSettings(name: "services/care/searchSettings", fields: [color.name]),
        updateMask: FieldMask(paths: ["fields"])),
      world.by(TicketWorld.kim))
    _ = try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss)
    #expect(try await field("color") == nil)
    #expect(try await world.count("SELECT count(*) FROM search_condition") == 0)
    let again = await refusal { try await make(world, text("color")) }
    #expect(again?.reason == .alreadyExists)
    let gone = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: color.name), boss) }
    #expect(gone?.reason == .fieldNotFound)
    let used = await refusal { try await world.client.deleteField(DeleteFieldRequest(name: order.name), boss) }
    #expect(used?.reason == .inUse && used?.metadata["used_by"] == "tickets,forms")
    _ = try await world.client.deleteField(DeleteFieldRequest(name: order.name, deactivateIfUsed: true), boss)
    #expect(try await field("order_number")?.active == false)
    // Off the form, and still to be seen where it was filled in.
    _ = try await create(world, [])
    #expect(try await form(world, ticket.name)["order_number"] == ["A"])
  }

  @Test("what agents filled in stays to be seen when its field is deactivated, by those who could see it before")
  func deactivated() async throws {
    let world = try await prepared()
    let boss = world.by(TicketWorld.boss)
    let made = try await create(world, [FieldValue(code: "order_number", values: ["A"])])
    let empty = try await create(world, [FieldValue(code: "order_number", values: ["B"])])
    let values = [FieldValue(code: "cause", values: ["배송사"]), FieldValue(code: "secret", values: ["x"])]
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(
        ticket: Ticket(name: made.name, fieldValues: values), updateMask: FieldMask(paths: ["field_values"])), boss)
    let fields = try await world.client.listFields(ListFieldsRequest(parent: "services/care"), boss).fields
    for field in fields where field.audience == .agent {
      _ = try await world.client.deleteField(DeleteFieldRequest(name: field.name, deactivateIfUsed: true), boss)
    }
    #expect(try await form(world, made.name) == ["order_number": ["A"], "color": [], "cause": ["배송사"]])
    #expect(try await form(world, made.name, by: TicketWorld.boss)["secret"] == ["x"])
    #expect(try await form(world, empty.name, by: TicketWorld.boss) == ["order_number": ["B"], "color": []])
  }

  @Test("administrators change fields, and everything wrong is told at once")
  func administration() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    var wanted = Field(
      code: "memo", kind: .textarea, audience: .agent, displayName: "메모", description: "안내",
      localized: [LocalizedField(language: "en", displayName: "Memo", description: "A note")], maxLength: 100)
    let made = try await make(world, wanted)
    #expect(made.active && made.version == 1 && made.localized == wanted.localized && made.position == 1)
    wanted.name = made.name
    wanted.displayName = "긴 메모"
    wanted.maxLength = 0
    wanted.localized = []
    let request = UpdateFieldRequest(
      field: wanted, updateMask: FieldMask(paths: ["display_name", "localized", "active"]), version: 1)
    let changed = try await world.client.updateField(request, boss)
    #expect(changed.displayName == "긴 메모" && changed.maxLength == 100 && changed.localized.isEmpty)
    #expect(!changed.active && changed.version == 2)
    #expect(await refusal { try await world.client.updateField(request, boss) }?.reason == .staleVersion)
    let wrong = Field(
      code: "Memo", kind: .date, audience: .customer, displayName: "", localized: [LocalizedField(language: "english")],
      maxLength: 3, options: ["a", "a"], administratorsOnly: true)
    let error = await refusal { try await make(world, wrong) }
    #expect(
      error?.violations.map(\.field) == [
        "field.code", "field.display_name", "field.localized[0].language", "field.localized[0].display_name",
        "field.max_length", "field.options", "field.options", "field.administrators_only",
      ])
    for agent in [TicketWorld.lee, TicketWorld.stranger] {
      let refused = await refusal { try await make(world, text("x"), by: agent) }
      #expect(refused?.reason == (agent == TicketWorld.lee ? .permissionDenied : .serviceNotFound))
    }
    let agentField = await refusal {
      try await world.client.updateForm(
        UpdateFormRequest(submissionType: "services/care/submissionTypes/1", customerFields: [made.name]), boss)
    }
    #expect(agentField?.violations.map(\.field) == ["customer_fields[0]"])
    for (type, fields, reason) in [
      ("services/care/submissionTypes/999", [String](), Reason.typeNotFound),
      ("services/care/submissionTypes/1", ["services/care/fields/999"], .fieldNotFound),
      ("services/care/submissionTypes/1", ["services/other/fields/1"], .fieldNotFound),
    ] {
      let refused = await refusal {
        try await world.client.updateForm(UpdateFormRequest(submissionType: type, customerFields: fields), boss)
      }
      #expect(refused?.reason == reason)
    }
  }

  @Test("a list reads the same rows of the same tables however many fields its tickets have")
  func lists() async throws {
    let world = try await TicketWorld()
    for _ in 0..<20 { _ = try await world.ticket() }
    func reading() async throws -> (plan: [String], tables: [String]) {
      let page = PageStatement(
        search: TicketSearch(filter: TicketFilter(service: ServiceID(1))), order: .newestFirst, holders: [], end: nil,
        limit: 11)
      let plan = try await world.rows(
        """
        EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
        \(fragment: page.query)
        """
      ).map { try $0.string(0) }
      return (plan.filter { $0.contains("rows=") }, plan.filter { $0.contains("Scan") })
    }
    try await world.run("VACUUM ANALYZE ticket")
    let before = try await reading()
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      SELECT 1, 1000 + n, 'f' || n, 'TEXT', 'AGENT', 'F' FROM generate_series(1, 300) AS n
      """)
    try await world.run(
      """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      SELECT 1, t.id, 1000 + n, 'value' FROM ticket AS t, generate_series(1, 300) AS n
      """)
    let after = try await reading()
    #expect(before.plan == after.plan && !before.plan.isEmpty)
    #expect(!after.tables.joined().contains("field"))
    let page = try await world.client.listTickets(
      ListTicketsRequest(parent: "services/care", pageSize: 10), world.by(TicketWorld.kim))
    #expect(page.tickets.count == 10 && page.tickets.allSatisfy { $0.fieldValues.isEmpty })
    // All 300 come back at once where they are asked for, each to its field.
    let form = try await world.client.getTicketForm(
      GetTicketFormRequest(ticket: page.tickets[0].name), world.by(TicketWorld.kim))
    #expect(form.agentFields.count == 300 && form.agentFields.allSatisfy { $0.values == ["value"] })
  }
}
