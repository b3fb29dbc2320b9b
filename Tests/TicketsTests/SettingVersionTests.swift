import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("versions of settings") struct SettingVersionTests {
  /// Something that administrators change: its version, and a change of it by one of them.
  private struct Setting {
    let label: String
    let fields: String
    /// Returns the version that the change made.
    let change: @Sendable (_ seen: Int64, _ caller: CallOptions) async throws -> Int64
  }

  private func settings(_ world: TicketWorld) async throws -> [Setting] {
    let boss = world.by(TicketWorld.boss)
    let client = world.client
    let field = try await client.createField(
      CreateFieldRequest(
        parent: "services/care", field: Field(code: "f", kind: .text, audience: .customer, displayName: "F")), boss)
    let template = try await client.createTemplate(
      CreateTemplateRequest(parent: "services/care", template: Template(title: "t", content: "c")), boss)
    let type = "services/care/submissionTypes/1"
    return try await dooray(world) + [
      Setting(label: "service", fields: "display_name") { seen, caller in
        try await client.updateService(
          UpdateServiceRequest(
            service: Service(name: "services/care", displayName: "\(seen)"),
            updateMask: FieldMask(paths: ["display_name"]), version: seen), caller
        ).version
      },
      Setting(label: "submission type", fields: "active,position") { seen, caller in
        try await client.updateSubmissionType(
          UpdateSubmissionTypeRequest(
            submissionType: TypeNode(name: type, active: true, position: 3),
            updateMask: FieldMask(paths: ["position", "active"]), version: seen), caller
        ).version
      },
      Setting(label: "processing type", fields: "display_name") { seen, caller in
        try await client.updateProcessingType(
          UpdateProcessingTypeRequest(
            processingType: TypeNode(name: "services/care/processingTypes/1", displayName: "안내 \(seen)"),
            updateMask: FieldMask(paths: ["display_name"]), version: seen), caller
        ).version
      },
      Setting(label: "form", fields: "customer_fields") { seen, caller in
        try await client.updateForm(
          UpdateFormRequest(submissionType: type, customerFields: [field.name], version: seen), caller
        ).version
      },
      Setting(label: "field", fields: "display_name,required") { seen, caller in
        try await client.updateField(
          UpdateFieldRequest(
            field: Field(name: field.name, displayName: "F \(seen)"),
            updateMask: FieldMask(paths: ["required", "display_name"]), version: seen), caller
        ).version
      },
      Setting(label: "system field", fields: "display_name,required") { seen, caller in
        try await client.updateSystemField(
          UpdateSystemFieldRequest(
            systemField: SystemField(name: "services/care/systemFields/customer_phone", displayName: "\(seen)"),
            updateMask: FieldMask(paths: ["required", "display_name"]), version: seen), caller
        ).version
      },
      Setting(label: "template", fields: "title") { seen, caller in
        try await client.updateTemplate(
          UpdateTemplateRequest(
            template: Template(name: template.name, title: "t \(seen)"), updateMask: FieldMask(paths: ["title"]),
            version: seen), caller
        ).version
      },
    ]
  }

  private func dooray(_ world: TicketWorld) async throws -> [Setting] {
    try await world.run(
      """
      INSERT INTO dooray_organization (service_id, display_name, dooray_id, sealed_token) VALUES (1, 'o', '9', '\\x01')
      """)
    try await world.run(
      """
      INSERT INTO dooray_project (service_id, organization_id, display_name, dooray_id, address)
      SELECT service_id, id, 'p', '5', '' FROM dooray_organization
      """)
    let boss = world.by(TicketWorld.boss)
    let client = world.client
    let organization = try #require(
      try await client.listDoorayOrganizations(ListDoorayOrganizationsRequest(parent: "services/care"), boss)
        .organizations.first)
    let project = try #require(
      try await client.listDoorayProjects(ListDoorayProjectsRequest(parent: "services/care"), boss).projects.first)
    return [
      Setting(label: "Dooray!", fields: "state") { seen, caller in
        try await client.updateDooraySettings(
          UpdateDooraySettingsRequest(
            dooraySettings: DooraySettings(name: "services/care/dooraySettings", state: .active),
            updateMask: FieldMask(paths: ["state"]), version: seen), caller
        ).version
      },
      Setting(label: "organization at Dooray!", fields: "display_name") { seen, caller in
        try await client.updateDoorayOrganization(
          UpdateDoorayOrganizationRequest(
            organization: DoorayOrganization(name: organization.name, displayName: "o \(seen)"),
            updateMask: FieldMask(paths: ["display_name"]), version: seen), caller
        ).version
      },
      Setting(label: "project at Dooray!", fields: "address,representative") { seen, caller in
        try await client.updateDoorayProject(
          UpdateDoorayProjectRequest(
            project: DoorayProject(name: project.name, address: "https://a.example.com/\(seen)"),
            updateMask: FieldMask(paths: ["representative", "address"]), version: seen), caller
        ).version
      },
    ]
  }

  @Test("everything that administrators change has a version, and a stale writer is told what changed and by whom")
  func stale() async throws {
    let world = try await TicketWorld()
    try await world.run("UPDATE service_member SET role = 'ADMINISTRATOR' WHERE service_id = 1 AND agent_id = 2")
    let (boss, lee) = (world.by(TicketWorld.boss), world.by(TicketWorld.lee))
    for setting in try await settings(world) {
      #expect(try await setting.change(1, boss) == 2, "\(setting.label)")
      let error = await refusal { try await setting.change(1, lee) }
      #expect(error?.reason == .staleVersion, "\(setting.label)")
      let told = error?.metadata ?? [:]
      #expect(told["current_version"] == "2" && told["seen_version"] == "1", "\(setting.label): \(told)")
      #expect(told["changed_fields"] == setting.fields, "\(setting.label): \(told)")
      #expect(told["changed_by"] == "agents/3" && told["changed_by_display_name"] == "박관리", "\(setting.label)")
      #expect(told["change_time"]?.hasSuffix("Z") == true, "\(setting.label): \(told)")
      #expect(error?.message.contains("박관리") == true, "\(setting.label)")
      // Whoever does not mind is not asked, and whoever has read it again goes on.
      #expect(try await setting.change(0, lee) == 3, "\(setting.label)")
      #expect(try await setting.change(3, lee) == 4, "\(setting.label)")
      let future = await refusal { try await setting.change(9, lee) }
      #expect(future?.reason == .staleVersion && future?.metadata["changed_by"] == nil, "\(setting.label)")
      let negative = await refusal { try await setting.change(-1, lee) }
      #expect(negative?.violations.map(\.field) == ["version"], "\(setting.label)")
    }
  }

  @Test("of administrators who change the same version at the same time, one succeeds")
  func races() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    for setting in try await settings(world) {
      let outcomes = await withTaskGroup(of: Reason?.self) { group in
        for _ in 0..<6 { group.addTask { await refusal { try await setting.change(1, boss) }?.reason } }
        return await group.reduce(into: [Reason?]()) { $0.append($1) }
      }
      #expect(outcomes.count { $0 == nil } == 1, "\(setting.label): \(outcomes)")
      #expect(outcomes.allSatisfy { $0 == nil || $0 == .staleVersion }, "\(setting.label): \(outcomes)")
    }
  }

  @Test("of every setting the last hundred changes are remembered")
  func memory() async throws {
    let world = try await TicketWorld()
    let setting = try #require(try await settings(world).first { $0.label == "service" })
    try await world.run(
      """
      INSERT INTO setting_change (service_id, subject, version, fields, agent_id)
      SELECT 1, 'service/1', n, ARRAY['language'], 2 FROM generate_series(2, 300) AS n
      """)
    try await world.run("UPDATE service SET version = 300 WHERE id = 1")
    #expect(try await setting.change(300, world.by(TicketWorld.boss)) == 301)
    #expect(try await world.count("SELECT count(*) FROM setting_change WHERE subject = 'service/1'") == 100)
    let error = await refusal { try await setting.change(1, world.by(TicketWorld.boss)) }
    #expect(error?.metadata["changed_fields"] == "language,display_name")
  }
}
