import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("fields that every ticket has") struct SystemFieldTests {
  private static let type = "services/care/submissionTypes/1"

  private func update(
    _ world: TicketWorld, _ code: String, _ paths: [String], in service: String = "care", version: Int64 = 0,
    by agent: AgentID = TicketWorld.boss, _ change: (inout SystemField) -> Void = { _ in }
  ) async throws -> SystemField {
    var field = SystemField(name: "services/\(service)/systemFields/\(code)")
    change(&field)
    return try await world.client.updateSystemField(
      UpdateSystemFieldRequest(systemField: field, updateMask: FieldMask(paths: paths), version: version),
      world.by(agent))
  }

  private func require(_ world: TicketWorld, _ codes: String..., in service: String = "care") async throws {
    for code in codes { _ = try await update(world, code, ["required"], in: service) { $0.required = true } }
  }

  private func list(_ world: TicketWorld, _ service: String = "care") async throws -> [SystemField] {
    try await world.client.listSystemFields(
      ListSystemFieldsRequest(parent: "services/\(service)"), world.by(TicketWorld.kim)
    ).systemFields
  }

  private func create(
    _ world: TicketWorld, by caller: CallOptions, _ change: (inout CreateTicketRequest) -> Void = { _ in }
  ) async throws -> Ticket {
    var request = CreateTicketRequest(
      parent: "services/care", title: "제목", text: "문의", channel: .api, submissionType: Self.type)
    change(&request)
    return try await world.client.createTicket(request, caller)
  }

  private func violations(_ work: () async throws -> some Sendable) async -> [String] {
    let error = await refusal(work)
    return error?.violations.map { "\($0.field) \($0.description.prefix { $0 != ":" })" } ?? []
  }

  @Test("the table of the fields that are built in, and what administrators can change of each")
  func table() async throws {
    let world = try await TicketWorld()
    let lines = try await list(world).map { field in
      "\(field.code) \(field.kind.protoName ?? "") \(field.audience.protoName ?? "") \(field.displayName)"
        + " \(field.localized.map { "\($0.language):\($0.displayName)" }.joined()) \(field.maxLength)"
        + " \(field.required ? "required" : "-") \(field.changeable.dropFirst(3).joined(separator: ","))"
    }
    #expect(
      lines == [
        "submission_type DROPDOWN CUSTOMER 접수유형 en:Submission type 0 required ",
        "title TEXT CUSTOMER 제목 en:Title 200 required max_length",
        "text TEXTAREA CUSTOMER 문의 내용 en:Inquiry 5000 required max_length",
        "customer_name TEXT CUSTOMER 이름 en:Name 100 - required,max_length",
        "customer_email TEXT CUSTOMER 이메일 en:E-mail 0 - required",
        "customer_phone TEXT CUSTOMER 전화번호 en:Phone 0 - required",
        "customer_user_code TEXT CUSTOMER 아이디 en:User code 100 - required,max_length",
        "attachments FILE CUSTOMER 첨부 파일 en:Attachments 0 - required",
        "privacy_consent AGREE CUSTOMER 개인정보 수집·이용 동의 en:Consent to the use of personal data 0 required ",
        "processing_type DROPDOWN AGENT 처리유형 en:Processing type 0 - required,administrators_only",
        "priority DROPDOWN AGENT 우선순위 en:Priority 0 - administrators_only",
        "call_time DATETIME AGENT 상담 일시 en:Time of the call 0 - ",
        "call_direction RADIO AGENT IN/OUT en:Incoming or outgoing 0 - ",
        "call_back AGREE AGENT 전화 예약 en:Call back 0 - ",
        "call_back_time DATETIME AGENT 예약 시간 en:Time to call back 0 - ",
        "call_back_phone TEXT AGENT 전화 예약 번호 en:Number to call back 0 - ",
      ])
    let fields = try await list(world)
    #expect(fields.allSatisfy { $0.changeable.prefix(3) == ["display_name", "description", "localized"] })
    #expect(fields.allSatisfy { !$0.changed && $0.version == 1 })
    // An English service has English names.
    #expect(try await list(world, "bugs").first?.displayName == "Submission type")
  }

  @Test("administrators change a field and take it all back; what was changed, by whom and when is known")
  func administration() async throws {
    let world = try await TicketWorld()
    let changed = try await update(
      world, "title", ["display_name", "description", "localized", "max_length"], version: 1
    ) {
      $0.displayName = "무엇이 궁금하세요?"
      $0.description = "한 줄로"
      $0.localized = [LocalizedField(language: "ja", displayName: "件名", description: "一行で")]
      $0.maxLength = 50
    }
    #expect(changed.displayName == "무엇이 궁금하세요?" && changed.description == "한 줄로" && changed.maxLength == 50)
    #expect(changed.localized.map(\.displayName) == ["件名"] && changed.changed && changed.version == 2)
    let form = try await world.client.getForm(GetFormRequest(submissionType: Self.type), world.by(TicketWorld.kim))
    #expect(form.systemFields.contains(changed) && form.systemFields.count == 16)
    #expect(try await world.count("SELECT count(*) FROM setting_change WHERE subject = 'system_field/title'") == 1)
    let back = try await world.client.resetSystemField(
      ResetSystemFieldRequest(name: changed.name, version: 2), world.by(TicketWorld.boss))
    #expect(back.displayName == "제목" && back.maxLength == 200 && !back.changed && back.version == 3)
    #expect(back.localized.map(\.displayName) == ["Title"])
    let fields = try await world.rows(
      "SELECT fields, agent_id FROM setting_change WHERE subject = 'system_field/title' AND version = 3")[0]
    #expect(try fields.strings(0) == ["description", "display_name", "localized", "max_length"])
    #expect(try fields.int64(1) == 3)
    // What is as it is built in needs no new version; a stale writer is told all the same.
    let again = try await world.client.resetSystemField(
      ResetSystemFieldRequest(name: changed.name), world.by(TicketWorld.boss))
    #expect(again.version == 3)
    let stale = await refusal {
      try await world.client.resetSystemField(
        ResetSystemFieldRequest(name: changed.name, version: 2), world.by(TicketWorld.boss))
    }
    #expect(stale?.reason == .staleVersion && stale?.metadata["changed_by"] == "agents/3")
  }

  @Test("what an administrator sets to what is built in counts as not changed")
  func asBuiltIn() async throws {
    let world = try await TicketWorld()
    let known = try #require(try await list(world).first { $0.code == "title" })
    let same = try await update(world, "title", ["display_name", "description", "localized", "max_length"]) {
      $0.displayName = known.displayName
      $0.localized = known.localized
      $0.maxLength = known.maxLength
    }
    #expect(!same.changed && same.version == known.version + 1)
    let phone = try await update(world, "customer_phone", ["required"]) { $0.required = true }
    #expect(phone.required && phone.changed)
    let back = try await update(world, "customer_phone", ["required"])
    #expect(!back.required && !back.changed && back.version == 3)
    let kept = try await world.count(
      """
      SELECT count(*) FROM system_field AS f LEFT JOIN system_field_translation AS t USING (service_id, code)
      WHERE coalesce(f.display_name, f.description, t.display_name) IS NOT NULL
        OR coalesce(f.is_required, f.length_max IS NOT NULL)
      """)
    #expect(kept == 0)
  }

  @Test("what cannot be changed, or must not be so, is refused all at once, and nobody else may")
  func refusals() async throws {
    let world = try await TicketWorld()
    #expect(
      await violations {
        try await update(world, "title", ["display_name", "localized", "required", "max_length"]) {
          $0.localized = [LocalizedField(language: "xx1", displayName: "")]
          $0.maxLength = 201
        }
      } == [
        "system_field.display_name must not be empty",
        "system_field.localized[0].language is not an ISO 639-1 code such as en",
        "system_field.localized[0].display_name must not be empty",
        "update_mask required of title cannot be changed; what can",
        "system_field.max_length must be 1 to 200, or 0 for that",
      ])
    #expect(
      await violations { try await update(world, "priority", ["required"]) } == [
        "update_mask required of priority cannot be changed; what can"
      ])
    #expect(
      await violations { try await update(world, "customer_email", ["max_length", "administrators_only"]) } == [
        "update_mask max_length of customer_email cannot be changed; what can",
        "update_mask administrators_only of customer_email cannot be changed; what can",
      ])
    #expect(await refusal { try await update(world, "title", ["kind"]) }?.violations.map(\.field) == ["update_mask"])
    #expect(await refusal { try await update(world, "title", []) }?.violations.map(\.field) == ["update_mask"])
    #expect(
      await refusal { try await update(world, "7", ["description"]) }?.violations.map(\.field)
        == ["system_field.name"])
    #expect(await refusal { try await update(world, "colour", ["description"]) }?.reason == .fieldNotFound)
    for (agent, reason) in [
      (TicketWorld.lee, Reason.permissionDenied), (TicketWorld.stranger, .serviceNotFound),
    ] {
      let name = "services/care/systemFields/title"
      #expect(await refusal { try await update(world, "title", ["description"], by: agent) }?.reason == reason)
      let reset = await refusal {
        try await world.client.resetSystemField(ResetSystemFieldRequest(name: name), world.by(agent))
      }
      #expect(reset?.reason == reason)
    }
    let listed = await refusal {
      try await world.client.listSystemFields(
        ListSystemFieldsRequest(parent: "services/care"), world.by(TicketWorld.stranger))
    }
    #expect(listed?.reason == .serviceNotFound)
    #expect(try await world.count("SELECT count(*) FROM system_field") == 0)
  }

  @Test("whoever creates a ticket of a type fills in what is required, and no more than what fits, by every channel")
  func creation() async throws {
    let world = try await TicketWorld()
    _ = try await update(world, "title", ["max_length"]) { $0.maxLength = 3 }
    _ = try await update(world, "text", ["max_length"]) { $0.maxLength = 4 }
    try await require(world, "customer_name", "customer_email", "customer_phone", "attachments")
    for caller in [world.by(TicketWorld.kim), world.by("mail")] {
      #expect(
        await violations {
          try await create(world, by: caller) {
            $0.title = "네 글자야"
            $0.text = "다섯 글자"
            $0.fieldValues = [FieldValue(code: "nothing", values: ["x"])]
          }
        } == [
          "title length", "text length", "customer.display_name required", "customer.email required",
          "customer.phone required", "attachments required", "field_values.nothing invalid",
        ])
    }
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
    // A customer who is named by number brings along what the organization knows of them.
    try await world.run(
      """
      INSERT INTO customer (organization_id, id, display_name, email, phone)
      VALUES (1, 7, '홍길동', 'hong@example.com', '01000000000')
      """)
    let missing = await violations {
      try await create(world, by: world.by(TicketWorld.kim)) { $0.customer = TicketCustomer(number: 7) }
    }
    #expect(missing == ["attachments required"])
    // What comes by mail was written into no form, and neither was what has no type.
    let mailed = try await create(world, by: world.by("mail")) {
      $0.title = "메일의 제목은 길다"
      $0.text = "메일의 본문도 길다"
      $0.channel = .email
      $0.submissionType = ""
    }
    #expect(mailed.title == "메일의 제목은 길다")
    // Once an agent gives it a type, it has one.
    var typed = Ticket(name: mailed.name, submissionType: Self.type)
    func move(_ paths: String...) async throws -> Ticket {
      try await world.client.updateTicket(
        UpdateTicketRequest(ticket: typed, updateMask: FieldMask(paths: paths)), world.by(TicketWorld.kim))
    }
    #expect(
      await violations { try await move("submission_type") } == [
        "ticket.title length", "ticket.customer.display_name required", "ticket.customer.email required",
        "ticket.customer.phone required", "attachments required",
      ])
    try await world.attachFile(to: mailed.name)
    typed.title = "짧음"
    typed.customer = TicketCustomer(displayName: "홍길동", email: "hong@example.com", phone: "010-0000-0000")
    _ = try await move("submission_type", "title", "customer.display_name", "customer.email", "customer.phone")
    typed.title = "네 글자야"
    typed.customer = TicketCustomer()
    #expect(
      await violations { try await move("title", "customer.email") } == [
        "ticket.title length", "ticket.customer.email required",
      ])
    // What was there before stays as long as nobody touches it.
    _ = try await update(world, "title", ["max_length"]) { $0.maxLength = 1 }
    typed.priority = .high
    #expect(try await move("priority").title == "짧음")
  }

  @Test("a processing type that is required is asked for when a ticket is resolved, one by one and in a batch")
  func resolving() async throws {
    let world = try await TicketWorld()
    try await require(world, "processing_type")
    let name = world.name(try await world.ticket())
    func process(_ act: ProcessTicketRequest.Act, _ type: String = "") async throws -> Ticket {
      try await world.client.processTicket(
        ProcessTicketRequest(name: name, act: act, text: "확인했습니다.", processingType: type),
        world.by(TicketWorld.kim))
    }
    _ = try await process(.comment)
    _ = try await process(.hold)
    let refused = await refusal { try await process(.resolve) }
    #expect(refused?.violations == [FieldViolation("processing_type", "required: fill in 처리유형")])
    let batch = try await world.client.createBatch(
      CreateBatchRequest(parent: "services/care", batch: Batch(act: .resolve, text: "끝"), tickets: [name]),
      world.by(TicketWorld.kim))
    let service = TicketService(ledger: world.ledger, mail: world.mail, assignment: TicketWorld.nowhere)
    _ = try await BatchRunner(service: service).runOnce()
    let results = try await world.client.listBatchResults(
      ListBatchResultsRequest(parent: batch.name), world.by(TicketWorld.kim))
    #expect(results.results.map(\.reason) == ["REQUEST_INVALID"])
    #expect(try await process(.resolve, "services/care/processingTypes/1").state == .resolved)
    let emptied = await violations {
      try await world.client.updateTicket(
        UpdateTicketRequest(ticket: Ticket(name: name), updateMask: FieldMask(paths: ["processing_type"])),
        world.by(TicketWorld.kim))
    }
    #expect(emptied == ["ticket.processing_type required"])
  }

  @Test("what is for administrators is filled by them alone, wherever it is filled")
  func administratorsOnly() async throws {
    let world = try await TicketWorld()
    for code in ["priority", "processing_type"] {
      _ = try await update(world, code, ["administrators_only"]) { $0.administratorsOnly = true }
    }
    try await require(world, "processing_type")
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let type = "services/care/processingTypes/1"
    func changes(by agent: AgentID) async -> [[String]] {
      [
        await violations { try await create(world, by: world.by(agent)) { $0.priority = .high } },
        await violations {
          try await world.client.updateTicket(
            UpdateTicketRequest(
              ticket: Ticket(name: name, priority: .low, processingType: type),
              updateMask: FieldMask(paths: ["priority", "processing_type"])), world.by(agent))
        },
        await violations {
          try await world.client.processTicket(
            ProcessTicketRequest(name: name, act: .hold, text: "x", processingType: type, priority: .low),
            world.by(agent))
        },
      ]
    }
    #expect(
      await changes(by: TicketWorld.kim) == [
        ["priority invalid"], ["ticket.processing_type invalid", "ticket.priority invalid"],
        ["processing_type invalid", "priority invalid"],
      ])
    // Agents are not asked for what they cannot fill, and see no such field.
    let form = try await world.client.getForm(GetFormRequest(submissionType: Self.type), world.by(TicketWorld.kim))
    #expect(form.systemFields.count == 14 && !form.systemFields.contains { $0.code == "priority" })
    _ = try await create(world, by: world.by(TicketWorld.kim))
    _ = try await create(world, by: world.by("mail")) { $0.priority = .high }
    // A program says what customers say, whoever's account it has.
    let program = world.forCustomer(through: TicketWorld.boss)
    #expect(await violations { try await create(world, by: program) { $0.priority = .high } } == ["priority invalid"])
    let resolved = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(try await world.ticket()), act: .resolve, text: "끝"),
      world.by(TicketWorld.kim))
    #expect(resolved.state == .resolved)
    #expect(await changes(by: TicketWorld.boss) == [[], [], []])
  }

  @Test("an escalation fills the form of the issue service, with the customer of the consultation ticket")
  func escalation() async throws {
    let world = try await TicketWorld()
    _ = try await update(world, "text", ["max_length"], in: "bugs") { $0.maxLength = 3 }
    try await require(world, "customer_email", "customer_phone", "attachments", "processing_type", in: "bugs")
    let name = world.name(try await world.ticket())
    var request = EscalateTicketRequest(
      name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
      text: "네 글자")
    let refused = await violations { [request] in
      try await world.client.escalateTicket(request, world.by(TicketWorld.kim))
    }
    #expect(refused == ["text length", "customer.phone required", "attachments required"])
    #expect(try await world.eventCodes(name) == ["CREATED"])
    // Consultation agents see what the form asks for.
    let form = try await world.client.getForm(
      GetFormRequest(submissionType: request.submissionType), world.by(TicketWorld.lee))
    #expect(form.systemFields.filter(\.required).map(\.code).contains("customer_phone"))
    #expect(form.systemFields.allSatisfy { $0.audience == .customer })
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(
        ticket: Ticket(name: name, customer: TicketCustomer(phone: "01000000000")),
        updateMask: FieldMask(paths: ["customer.phone"])), world.by(TicketWorld.kim))
    request.text = "요약"
    request.attachments = [try await world.uploaded("a.txt")]
    let waiting = try await world.client.escalateTicket(request, world.by(TicketWorld.kim))
    #expect(waiting.state == .escalating)
  }

  @Test("an escalation may be as long as an answer, take the customer as they are, and set no administrators' field")
  func escalationLimits() async throws {
    let world = try await TicketWorld()
    _ = try await update(world, "customer_name", ["max_length"], in: "bugs") { $0.maxLength = 1 }
    _ = try await update(world, "priority", ["administrators_only"], in: "bugs") { $0.administratorsOnly = true }
    var request = EscalateTicketRequest(
      name: world.name(try await world.ticket()), targetService: "services/bugs",
      submissionType: "services/bugs/submissionTypes/20", title: "t",
      text: String(repeating: "가", count: FieldLimits.inquiryCharactersMax + 1), priority: .urgent)
    let refused = await violations { [request] in
      try await world.client.escalateTicket(request, world.by(TicketWorld.kim))
    }
    #expect(refused == ["priority invalid"])
    request.priority = .unspecified
    let waiting = try await world.client.escalateTicket(request, world.by(TicketWorld.kim))
    #expect(waiting.state == .escalating && waiting.customer?.displayName.isEmpty == false)
  }

  @Test("what an administrator changes holds in another daemon, too", .timeLimit(.minutes(5)))
  func otherDaemon() async throws {
    let world = try await TicketWorld()
    let other = TicketWorld.client(
      TicketService(
        ledger: try TicketWorld.ledger(world.database, role: "handoff_tickets"), mail: world.mail,
        assignment: TicketWorld.nowhere))
    let request = CreateTicketRequest(
      parent: "services/care", title: "제목", text: "문의", submissionType: Self.type)
    _ = try await other.createTicket(request, world.by(TicketWorld.kim))
    try await require(world, "customer_email")
    #expect(
      await violations { try await world.client.createTicket(request, world.by(TicketWorld.kim)) } == [
        "customer.email required"
      ])
    // Its copy of the fields is half a second old at most; the wait is bounded by the test's own limit.
    while await refusal({ try await other.createTicket(request, world.by(TicketWorld.kim)) }) == nil {}
  }
}
