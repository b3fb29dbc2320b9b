import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct TypeTreeTests {
  private func create(
    _ world: TicketWorld, _ name: String, below parent: String = "", by agent: AgentID = TicketWorld.boss
  ) async throws -> TypeNode {
    try await world.client.createSubmissionType(
      CreateSubmissionTypeRequest(
        parent: "services/care", submissionType: TypeNode(parent: parent, displayName: name)), world.by(agent))
  }

  @Test("a tree has five levels, and a name stands once on each of them")
  func levels() async throws {
    let world = try await TicketWorld()
    var parent = ""
    for level in 1...5 {
      let node = try await create(world, "단계", below: parent)
      #expect(node.level == Int32(level) && node.parent == parent && node.active)
      parent = node.name
    }
    let deeper = await refusal { try await create(world, "여섯", below: parent) }
    #expect(deeper?.violations.map(\.field) == ["submission_type.parent"])
    let other = try await create(world, "다른 가지")
    _ = try await create(world, " 배송 지연2", below: other.name)
    for taken in ["단계", " 단계 ", "배송"] {
      #expect(await refusal { try await create(world, taken) }?.reason == .alreadyExists)
    }
    // Case makes no difference, and another branch none either.
    _ = try await create(world, "Refund", below: other.name)
    let again = await refusal {
      try await create(world, "refund", below: "services/care/submissionTypes/1")
    }
    #expect(again?.reason == .alreadyExists)
    let foreign = await refusal { try await create(world, "x", below: "services/other/submissionTypes/9") }
    #expect(foreign?.reason == .typeNotFound)
    let agent = await refusal { try await create(world, "x", by: TicketWorld.lee) }
    #expect(agent?.reason == .permissionDenied)
  }

  @Test("names in other languages, place and activity are changed as the mask says")
  func changes() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    let name = "services/care/submissionTypes/3"
    func update(_ node: TypeNode, _ paths: [String]) async throws -> TypeNode {
      var node = node
      if node.name.isEmpty { node.name = name }
      return try await world.client.updateSubmissionType(
        UpdateSubmissionTypeRequest(submissionType: node, updateMask: FieldMask(paths: paths)), boss)
    }
    let names = [
      LocalizedName(language: "en", displayName: "Refund"), LocalizedName(language: "ja", displayName: "返金"),
    ]
    let changed = try await update(
      TypeNode(displayName: "환불 문의", localizedNames: names, position: 9),
      ["display_name", "active", "localized_names", "position"])
    #expect(changed.displayName == "환불 문의" && !changed.active && changed.localizedNames == names)
    let listed = try await world.client.listSubmissionTypes(
      ListSubmissionTypesRequest(parent: "services/care"), world.by(TicketWorld.kim)
    ).submissionTypes
    #expect(listed.last == changed)
    let wrong = await refusal {
      try await update(
        TypeNode(
          displayName: "", localizedNames: [LocalizedName(language: "en"), LocalizedName(language: "en")],
          position: -1),
        ["display_name", "localized_names", "position", "level"])
    }
    #expect(
      wrong?.violations.map(\.field) == [
        "update_mask", "submission_type.display_name", "submission_type.position", "submission_type.localized_names",
        "submission_type.localized_names[0].display_name", "submission_type.localized_names[1].display_name",
      ])
    let gone = await refusal {
      try await update(TypeNode(name: "services/care/submissionTypes/999", displayName: "x"), ["display_name"])
    }
    #expect(gone?.reason == .typeNotFound)
    let taken = await refusal { try await update(TypeNode(displayName: "배송"), ["display_name"]) }
    #expect(taken?.reason == .alreadyExists)
  }

  @Test("a place has a limit, and behind the last one there is always room")
  func places() async throws {
    let world = try await TicketWorld()
    func create(at place: Int32) async throws -> TypeNode {
      try await world.client.createSubmissionType(
        CreateSubmissionTypeRequest(
          parent: "services/care", submissionType: TypeNode(displayName: "자리", position: place)),
        world.by(TicketWorld.boss))
    }
    for place: Int32 in [-1, 1_000_001, .max] {
      let refused = await refusal { try await create(at: place) }
      #expect(refused?.violations == [FieldViolation("submission_type.position", "must be 0 to 1000000")])
    }
    let last = try await create(at: 1_000_000)
    let behind = try await self.create(world, "그 뒤")
    #expect(last.position == 1_000_000 && behind.position == 1_000_000)
    let listed = try await world.client.listSubmissionTypes(
      ListSubmissionTypesRequest(parent: "services/care"), world.by(TicketWorld.kim))
    #expect(listed.submissionTypes.suffix(2).map(\.name) == [last.name, behind.name])
    #expect(try await self.create(world, "아래", below: last.name).position == 1)
    // What was stored before there was a limit keeps nobody from adding types.
    try await world.run("UPDATE submission_type SET position = 2147483647 WHERE display_name = '자리'")
    #expect(try await self.create(world, "더 뒤").position == 1_000_000)
  }

  @Test("deleting takes everything below along, unless something is in use: then nothing goes, or all is deactivated")
  func deletion() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    func types() async throws -> [String: Bool] {
      let list = try await world.client.listSubmissionTypes(ListSubmissionTypesRequest(parent: "services/care"), boss)
      return Dictionary(
        list.submissionTypes.map { ($0.displayName, $0.active) }, uniquingKeysWith: { first, _ in first })
    }
    func delete(_ id: Int, deactivates: Bool = false) async -> ServiceError? {
      await refusal {
        try await world.client.deleteSubmissionType(
          DeleteSubmissionTypeRequest(
            name: "services/care/submissionTypes/\(id)", deactivateIfUsed: deactivates), boss)
      }
    }
    let ticket = try await world.ticket()
    try await world.run("UPDATE ticket SET submission_type_id = 2 WHERE id = \(ticket.id)")
    #expect(await delete(1)?.reason == .inUse)
    #expect(try await types() == ["배송": true, "배송 지연": true, "환불": true, "예전 유형": false])
    #expect(await delete(1, deactivates: true) == nil)
    #expect(try await types() == ["배송": false, "배송 지연": false, "환불": true, "예전 유형": false])
    try await world.run("UPDATE ticket SET submission_type_id = NULL")
    // An active trigger that names a type below it keeps it, too.
    try await world.run(
      """
      INSERT INTO trigger_rule (service_id, id, display_name, position, conditions, results)
      VALUES (1, 1, 'T', 1, '', '')
      """)
    try await world.run(
      "INSERT INTO trigger_reference (service_id, trigger_id, submission_type_id) VALUES (1, 1, 2)")
    #expect(await delete(1)?.reason == .inUse)
    try await world.run("DELETE FROM trigger_reference")
    #expect(await delete(1) == nil)
    #expect(try await types() == ["환불": true, "예전 유형": false])
    #expect(await delete(1)?.reason == .typeNotFound)
  }

  @Test("processing types have a tree of their own, of the same rules")
  func processing() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    let node = try await world.client.createProcessingType(
      CreateProcessingTypeRequest(
        parent: "services/care",
        processingType: TypeNode(parent: "services/care/processingTypes/1", displayName: "전화")), boss)
    #expect(node.level == 2)
    let off = try await world.client.updateProcessingType(
      UpdateProcessingTypeRequest(
        processingType: TypeNode(name: node.name), updateMask: FieldMask(paths: ["active"])), boss)
    #expect(!off.active)
    let named = await refusal {
      try await world.client.createProcessingType(
        CreateProcessingTypeRequest(
          parent: "services/care",
          processingType: TypeNode(
            displayName: "x", localizedNames: [LocalizedName(language: "en", displayName: "X")])), boss)
    }
    #expect(named?.violations.map(\.field) == ["processing_type.localized_names"])
    // A running batch that is to set a type below it keeps it, and so does a template.
    try await world.run(
      """
      INSERT INTO ticket_batch (service_id, act, processing_type_id, creator_agent_id, ticket_count)
      VALUES (1, 'UPDATE', 2, 3, 1)
      """)
    let delete = DeleteProcessingTypeRequest(name: "services/care/processingTypes/1")
    #expect(await refusal { try await world.client.deleteProcessingType(delete, boss) }?.reason == .inUse)
    try await world.run("UPDATE ticket_batch SET state = 'DONE', end_time = now()")
    let template = try await world.client.createTemplate(
      CreateTemplateRequest(
        parent: "services/care",
        template: Template(title: "t", content: "c", processingTypes: ["services/care/processingTypes/2"])), boss)
    #expect(await refusal { try await world.client.deleteProcessingType(delete, boss) }?.reason == .inUse)
    _ = try await world.client.deleteTemplate(DeleteTemplateRequest(name: template.name), boss)
    _ = try await world.client.deleteProcessingType(delete, boss)
    let left = try await world.client.listProcessingTypes(ListProcessingTypesRequest(parent: "services/care"), boss)
    #expect(left.processingTypes.isEmpty)
  }
}
