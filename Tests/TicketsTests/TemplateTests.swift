import HandoffAPI
import HandoffTestKit
import Mail
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct TemplateTests {
  private func create(
    _ world: TicketWorld, _ template: Template, in service: String = "services/care",
    by agent: AgentID = TicketWorld.boss
  ) async throws -> Template {
    try await world.client.createTemplate(
      CreateTemplateRequest(parent: service, template: template), world.by(agent))
  }

  @Test("inserting fills the codes from the ticket and counts every use; masked text stays masked")
  func insert() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, is_administrators_only) VALUES
        (1, 50, 'order_number', 'TEXT', 'AGENT', '주문', false), (1, 51, 'secret', 'TEXT', 'AGENT', '비밀', true)
      """)
    let ticket = try await world.ticket(TicketWorld.Shape(title: "#{agentName} 배송", text: "내 번호는 *** 입니다"))
    try await world.run(
      """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      VALUES (1, \(ticket.id), 50, 'A-1'), (1, \(ticket.id), 51, 'X')
      """)
    let template = try await create(
      world,
      Template(
        title: "인사",
        content: "#{customerName}님 [#{subject}] #{inquiry} #{agentName} #{serviceName} #{groupName} "
          + "#{field.order_number} #{nothing} #{field.secret} #{ #{} #{submissionType}."))
    #expect(template.useCount == 0 && template.version == 1)
    let request = InsertTemplateRequest(name: template.name, ticket: world.name(ticket))
    for agent in [TicketWorld.kim, TicketWorld.kim] {
      let inserted = try await world.client.insertTemplate(request, world.by(agent))
      #expect(
        inserted.text == "홍길동님 [#{agentName} 배송] 내 번호는 *** 입니다 김상담 고객센터 배송 A-1 "
          + "#{nothing} #{field.secret} #{ #{} .")
      #expect(inserted.unknownCodes == ["nothing", "field.secret"])
    }
    let after = try await world.client.getTemplate(GetTemplateRequest(name: template.name), world.by(TicketWorld.kim))
    #expect(after.useCount == 2 && after.version == 1)
    #expect(try await world.eventCodes(world.name(ticket)) == ["CREATED"])
  }

  @Test("for a ticket that is being made, a template is filled from what is known by then, and the use counts once")
  func insertBeforehand() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      VALUES (1, 50, 'order_number', 'TEXT', 'CUSTOMER', '주문')
      """)
    try await world.run(
      """
      INSERT INTO customer (organization_id, id, display_name, email, user_code)
      VALUES (1, 70, '홍길동', 'hong@example.com', 'U-1')
      """)
    let template = try await create(
      world,
      Template(
        title: "접수",
        content: "#{customerName}(#{customerId}, #{userCode}, #{email}, #{phone})님 [#{subject}] #{submissionType} "
          + "#{groupName} #{serviceName} #{agentName} #{field.order_number} #{nothing}"
          + "|#{ticketId}#{createdAt}#{inquiry}#{processingType}|"))
    var request = InsertTemplateRequest(name: template.name, service: "services/care")
    request.draft = Ticket(
      title: "배송 문의", group: "services/care/groups/1", submissionType: "services/care/submissionTypes/2",
      customer: TicketCustomer(number: 70, phone: "010-1234-5678"),
      fieldValues: [FieldValue(code: "order_number", values: ["A-1"])])
    let filled = try await world.client.insertTemplate(request, world.by(TicketWorld.kim))
    #expect(
      filled.text == "홍길동(70, U-1, hong@example.com, 01012345678)님 [배송 문의] 배송 지연 배송 고객센터 김상담 A-1 "
        + "#{nothing}||")
    #expect(filled.unknownCodes == ["nothing"])
    let made = try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "배송 문의", text: filled.text, customer: TicketCustomer(number: 70),
        submissionType: "services/care/submissionTypes/2"), world.by(TicketWorld.kim))
    #expect(made.customer?.userCode == "U-1")
    request.draft = nil
    let bare = try await world.client.insertTemplate(request, world.by(TicketWorld.kim))
    #expect(bare.text == "(, , , )님 []   고객센터 김상담  #{nothing}||")
    let used = try await world.client.getTemplate(GetTemplateRequest(name: template.name), world.by(TicketWorld.kim))
    #expect(used.useCount == 2)
  }

  @Test("what is wrong with a ticket that is being made is refused, and no use is counted")
  func insertBeforehandRefused() async throws {
    let world = try await TicketWorld()
    let template = try await create(world, Template(title: "접수", content: "#{subject}"))
    func insert(by agent: AgentID = TicketWorld.kim, _ change: (inout InsertTemplateRequest) -> Void) async
      -> ServiceError?
    {
      var request = InsertTemplateRequest(name: template.name, service: "services/care", draft: Ticket())
      change(&request)
      return await refusal { [request] in try await world.client.insertTemplate(request, world.by(agent)) }
    }
    let rows: [(Reason, (inout InsertTemplateRequest) -> Void)] = [
      (.typeNotFound, { $0.draft?.submissionType = "services/care/submissionTypes/99" }),
      (.typeNotFound, { $0.draft?.submissionType = "services/bugs/submissionTypes/20" }),
      (.groupNotFound, { $0.draft?.group = "services/care/groups/99" }),
      (.groupNotFound, { $0.draft?.group = "services/other/groups/3" }),
      (.customerNotFound, { $0.draft?.customer = TicketCustomer(number: 999) }),
      (.serviceNotFound, { $0.service = "services/none" }),
      (.templateNotFound, { $0.service = "services/bugs" }),
    ]
    for (reason, change) in rows { #expect(await insert(change)?.reason == reason) }
    #expect(await insert(by: TicketWorld.guest) { _ in }?.reason == .permissionDenied)
    #expect(await insert(by: TicketWorld.stranger) { _ in }?.reason == .serviceNotFound)
    let wrong = await insert {
      $0.ticket = "services/care/tickets/1"
      $0.draft?.title = "a\u{7}"
      $0.draft?.customer = TicketCustomer(email: "x", userCode: "*")
      $0.draft?.fieldValues = [FieldValue(code: "?", values: [])]
    }
    #expect(
      wrong?.violations.map(\.field) == [
        "ticket", "draft.title", "draft.customer.email", "draft.customer.user_code", "draft.field_values[0].code",
      ])
    let both = await insert { ($0.service, $0.ticket) = ("", "services/care/tickets/1") }
    #expect(both?.violations.map(\.field) == ["draft"])
    let neither = await insert { ($0.service, $0.draft) = ("", nil) }
    #expect(neither?.violations.map(\.field) == ["ticket"])
    let used = try await world.client.getTemplate(GetTemplateRequest(name: template.name), world.by(TicketWorld.kim))
    #expect(used.useCount == 0)
  }

  @Test("a template's codes are those of mail's layouts, less what only an answer has")
  func codes() {
    let known = Set(ReplacementCode.allCases.map(\.rawValue))
    #expect(Set(TemplateCode.allCases.map(\.rawValue)) == known.subtracting(["content", "answeredAt", "status"]))
  }

  @Test("agents find templates by title, search code and processing type, their own service's and the shared ones")
  func find() async throws {
    let world = try await TicketWorld()
    let type = "services/care/processingTypes/1"
    let own = try await create(
      world, Template(title: "배송 안내 Delivery", content: "c", searchCode: "Ship1", processingTypes: [type]))
    let other = try await create(world, Template(title: "환불", content: "c", searchCode: "refund"))
    let shared = try await create(
      world, Template(title: "공통 인사", content: "c", shared: true), in: "services/bugs")
    let hidden = try await create(world, Template(title: "내부", content: "c"), in: "services/bugs")
    func find(_ request: ListTemplatesRequest, by agent: AgentID = TicketWorld.kim) async throws -> [String] {
      var request = request
      if request.parent.isEmpty { request.parent = "services/care" }
      request.pageSize = 1
      var names: [String] = []
      repeat {
        let page = try await world.client.listTemplates(request, world.by(agent))
        names += page.templates.map(\.name)
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      return names
    }
    #expect(try await find(ListTemplatesRequest()) == [own.name, other.name, shared.name])
    #expect(try await find(ListTemplatesRequest(title: "delivery")) == [own.name])
    #expect(try await find(ListTemplatesRequest(title: "안내")) == [own.name])
    #expect(try await find(ListTemplatesRequest(title: "%")).isEmpty)
    #expect(try await find(ListTemplatesRequest(searchCode: "SHIP")) == [own.name])
    #expect(try await find(ListTemplatesRequest(processingType: type)) == [own.name])
    #expect(try await find(ListTemplatesRequest(parent: "services/other"), by: TicketWorld.stranger) == [shared.name])
    let ticket = world.name(try await world.ticket())
    func insert(_ template: Template) async -> ServiceError? {
      await refusal {
        try await world.client.insertTemplate(
          InsertTemplateRequest(name: template.name, ticket: ticket), world.by(TicketWorld.lee))
      }
    }
    #expect(await insert(shared) == nil)
    #expect(await insert(hidden)?.reason == .templateNotFound)
  }

  @Test("a shared template is its organization's: no other one sees it, or can use it")
  func otherOrganization() async throws {
    let world = try await TicketWorld()
    let foreigner = AgentID(51)
    try await world.run("INSERT INTO organization (id, code, display_name) VALUES (2, 'far-away', 'Far')")
    try await world.run(
      """
      INSERT INTO service (id, organization_id, code, kind, display_name) VALUES (9, 2, 'far', 'CONSULTATION', 'Far')
      """)
    try await world.run(
      """
      INSERT INTO agent (id, organization_id, email, display_name, is_organization_administrator)
      VALUES (\(foreigner), 2, 'foreigner@example.com', 'Foreigner', true)
      """)
    try await world.run(
      "INSERT INTO service_member (service_id, agent_id, role) VALUES (9, \(foreigner), 'ADMINISTRATOR')")
    let ours = try await create(world, Template(title: "우리 인사", content: "안녕하세요.", shared: true))
    let theirs = try await create(
      world, Template(title: "Their greeting", content: "Hello.", shared: true), in: "services/far", by: foreigner)
    let ticket = try await world.ticket(.init(service: "far", agent: foreigner))
    let there = TicketName(service: "far", id: ticket.id).description
    let here = world.name(try await world.ticket())
    let places: [(AgentID, service: String, ticket: String, own: Template, foreign: Template)] = [
      (foreigner, "services/far", there, theirs, ours), (TicketWorld.boss, "services/care", here, ours, theirs),
    ]
    for (agent, service, ticket, own, foreign) in places {
      let caller = world.by(agent)
      let list = try await world.client.listTemplates(ListTemplatesRequest(parent: service), caller)
      #expect(list.templates.map(\.name) == [own.name])
      let found = try await world.client.listTemplates(
        ListTemplatesRequest(parent: service, title: foreign.title), caller)
      #expect(found.templates.isEmpty)
      for request in [
        InsertTemplateRequest(name: foreign.name, ticket: ticket),
        InsertTemplateRequest(name: foreign.name, service: service),
      ] {
        let error = await refusal { try await world.client.insertTemplate(request, caller) }
        #expect(error?.reason == .templateNotFound)
      }
      let get = GetTemplateRequest(name: foreign.name)
      #expect(await refusal { try await world.client.getTemplate(get, caller) }?.reason == .serviceNotFound)
      let inserted = try await world.client.insertTemplate(
        InsertTemplateRequest(name: own.name, ticket: ticket), caller)
      #expect(inserted.text == own.content)
    }
    #expect(try await world.count("SELECT sum(use_count)::bigint FROM template") == 2)
    // In its organization, a service whose people know nothing of its owner has it.
    let other = try await world.client.listTemplates(
      ListTemplatesRequest(parent: "services/other"), world.by(TicketWorld.stranger))
    #expect(other.templates.map(\.name) == [ours.name])
  }

  @Test("a search code is as long as it is stored, in old letters, too")
  func searchCodeLength() async throws {
    let world = try await TicketWorld()
    func create(_ letter: String, _ count: Int) async throws -> Template {
      let code = String(repeating: letter, count: count)
      return try await self.create(world, Template(title: "t", content: "c", searchCode: code))
    }
    // A syllable of three characters, which nothing composes.
    let old = "\u{1112}\u{119E}\u{11AB}"
    let refused = await refusal { try await create(old, 7) }
    #expect(refused?.violations == [FieldViolation("template.search_code", "must have at most 20 characters")])
    #expect(try await create(old, 6).searchCode.unicodeScalars.count == 18)
    // And one of three that are stored as one.
    #expect(try await create("\u{1112}\u{1161}\u{11AB}", 20).searchCode.unicodeScalars.count == 20)
  }

  @Test("administrators change and delete templates; everything wrong is told at once")
  func administration() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    let type = "services/care/processingTypes/2"
    let made = try await create(
      world, Template(title: "t", content: "c", searchCode: "abc", processingTypes: [type]))
    var wanted = made
    wanted.title = "새 제목"
    wanted.processingTypes = []
    let request = UpdateTemplateRequest(
      template: wanted, updateMask: FieldMask(paths: ["title", "processing_types"]), version: 1)
    let used = await refusal {
      try await world.client.deleteProcessingType(DeleteProcessingTypeRequest(name: type), boss)
    }
    #expect(used?.reason == .inUse)
    let changed = try await world.client.updateTemplate(request, boss)
    #expect(changed.title == "새 제목" && changed.content == "c" && changed.processingTypes.isEmpty)
    #expect(await refusal { try await world.client.updateTemplate(request, boss) }?.reason == .staleVersion)
    let taken = await refusal { try await create(world, Template(title: "t", content: "c", searchCode: "ABC")) }
    #expect(taken?.reason == .alreadyExists)
    let foreign = await refusal {
      try await create(
        world, Template(title: "t", content: "c", processingTypes: ["services/other/processingTypes/9"]))
    }
    #expect(foreign?.reason == .typeNotFound)
    let wrong = await refusal {
      try await create(
        world,
        Template(
          title: "", content: " ", searchCode: "has space", processingTypes: ["x", "x"]))
    }
    #expect(
      wrong?.violations.map(\.field) == [
        "template.title", "template.content", "template.search_code", "template.processing_types",
        "template.processing_types[0]", "template.processing_types[1]",
      ])
    #expect(
      await refusal { try await create(world, Template(title: "t", content: "c"), by: TicketWorld.lee) }?.reason
        == .permissionDenied)
    _ = try await world.client.deleteTemplate(DeleteTemplateRequest(name: made.name), boss)
    let gone = await refusal { try await world.client.deleteTemplate(DeleteTemplateRequest(name: made.name), boss) }
    #expect(gone?.reason == .templateNotFound)
  }
}
