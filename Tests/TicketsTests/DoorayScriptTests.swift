import HandoffAPI
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// One service from its first task to its last, as an agent, an administrator and the people at Dooray! see it.
@Suite("The fourteen steps of an escalation to Dooray!", .timeLimit(.minutes(10)))
struct DoorayScriptTests {
  private struct Stage {
    let world: EscalatingWorld
    let ticket: TicketRecord
    var fake: FakeDooray { world.base.fake }

    /// Does something at Dooray!, and delivers the hook that follows so many times.
    func atDooray(times: Int = 1, _ work: () async throws -> Void) async throws {
      try await work()
      let payload = try #require(try await fake.payloads().last)
      for _ in 0..<times {
        try await world.receive(payload)
        try await world.poll()
      }
    }

    func expect(_ state: Ticket.State, _ step: String) async throws {
      #expect(try await world.state(ticket) == state, "\(step)")
    }
  }

  @Test("in order")
  func script() async throws {
    let kind = FakeDooray.Group(id: "1", name: "종류", mandatory: true, selectOne: true)
    let world = try await EscalatingWorld(tags: [.init(id: "7", name: "배송", group: kind)])
    let stage = Stage(world: world, ticket: try await world.base.world.ticket())
    let (ticket, fake) = (stage.ticket, stage.fake)

    // 1: a task with what was chosen.
    #expect(try await world.escalate(ticket, tags: ["7"]).state == .doorayEscalated)
    let post = try #require(try await fake.posts().first)
    #expect(post.users.to.map(\.member.organizationMemberId) == ["13"], "1: assignees")
    #expect(post.users.cc.map(\.member.organizationMemberId) == ["12"], "1: cc")
    #expect(post.tagIds == ["7"] && post.body.mimeType == "text/x-markdown", "1: tags and type")
    try await world.poll()

    // 2: a hook moves the ticket.
    try await stage.atDooray { try await fake.move(post.id, to: "working") }
    try await stage.expect(.doorayInProgress, "2")

    // 3: an agent's comment goes there, and its echo is no comment.
    try await world.comment("언제 되나요?", on: ticket)
    try await stage.atDooray { try await world.send() }
    #expect(try await fake.posts().first?.logs.count == 1, "3")
    #expect(try await world.conversation(ticket).map(\.state) == [.sent], "3")

    // 4: a comment from there appears once.
    try await stage.atDooray(times: 2) { try await fake.comment("내일 됩니다.", on: post.id) }
    #expect(try await world.conversation(ticket).map(\.state) == [.sent, .received], "4")

    // 5: a task that is done takes no comment.
    try await stage.atDooray { try await fake.move(post.id, to: "closed") }
    try await stage.expect(.doorayAnswered, "5")
    #expect(await refusal { try await world.comment("a", on: ticket) }?.reason.entry.httpStatus == 409, "5")

    // 6: escalated anew, the ticket follows the new task alone.
    let other = try await world.base.project(
      in: DoorayOrganization(name: world.project.organization), doorayID: "502", representative: "agents/3")
    #expect(try await world.escalate(ticket, to: other).state == .doorayEscalated, "6")
    try await world.poll()
    try await stage.atDooray { try await fake.move(post.id, to: "working") }
    try await stage.expect(.doorayEscalated, "6")
    let second = try #require(try await fake.posts().last).id

    // 7: what is taken up again moves the ticket back.
    try await stage.atDooray { try await fake.move(second, to: "closed") }
    try await stage.expect(.doorayAnswered, "7")
    try await stage.atDooray { try await fake.move(second, to: "registered") }
    try await stage.expect(.doorayEscalated, "7")

    try await refusals(stage, other)
    try await lateHook(stage, second)
  }

  private func set(_ state: DooraySettings.State, _ world: EscalatingWorld) async throws {
    _ = try await world.base.client.updateDooraySettings(
      UpdateDooraySettingsRequest(
        dooraySettings: DooraySettings(name: "services/care/dooraySettings", state: state),
        updateMask: FieldMask(paths: ["state"])), world.base.world.by(TicketWorld.boss))
  }

  private func offersEscalation(_ ticket: TicketRecord, _ world: EscalatingWorld) async throws -> Bool {
    try await world.base.client.listActs(
      ListActsRequest(parent: world.base.world.name(ticket)), world.base.world.by(TicketWorld.kim)
    ).acts.contains(.escalateToDooray)
  }

  /// Steps 8 to 12, on tickets of their own.
  private func refusals(_ stage: Stage, _ other: DoorayProject) async throws {
    let (world, fake) = (stage.world, stage.fake)
    let ticket = try await world.base.world.ticket()

    // 8: while paused, nothing is escalated, and no screen offers to.
    #expect(try await offersEscalation(ticket, world), "8")
    try await set(.paused, world)
    #expect(try await !offersEscalation(ticket, world), "8")
    #expect(await refusal { try await world.escalate(ticket, to: other) }?.reason == .doorayOff, "8")
    try await set(.active, world)

    // 9: who is no member acts in the representative's name.
    _ = try await world.escalate(ticket, by: TicketWorld.lee, to: other)
    #expect(try await fake.posts().last?.creator == "13", "9")

    // 10: too fast at first.
    let patient = try await world.base.world.ticket()
    try await fake.fail(.init(method: "POST", path: "/posts$", kind: "status", times: 1, status: 429))
    #expect(try await world.escalate(patient, to: other).state == .doorayEscalated, "10")

    // 11: without a mandatory tag nothing is even tried.
    let posted = try await fake.posts().count
    let untagged = try await world.base.world.ticket()
    #expect(await refusal { try await world.escalate(untagged) }?.reason.entry.httpStatus == 400, "11")
    #expect(try await fake.posts().count == posted, "11")

    // 12: a hook of a task that nobody knows is taken.
    try await world.receive(
      Array(#"{"hookEventType": "postWorkflowChanged", "post": {"id": "9"}, "project": {"id": "502"}}"#.utf8))
  }

  /// Steps 13 and 14.
  private func lateHook(_ stage: Stage, _ task: String) async throws {
    let (world, fake) = (stage.world, stage.fake)

    // 13: a resolved ticket stays resolved.
    try await stage.atDooray { try await fake.move(task, to: "closed") }
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(
        name: world.base.world.name(stage.ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
    try await stage.atDooray { try await fake.move(task, to: "working") }
    try await stage.expect(.resolved, "13")

    // 14: a file goes over the address that Dooray! names.
    let file = try await world.base.client.uploadAttachment(world.base.world.by(TicketWorld.kim)) { writer in
      try await writer.send(UploadAttachmentRequest(part: .header(.init(parent: "services/care", fileName: "a.txt"))))
      try await writer.send(UploadAttachmentRequest(part: .chunk(Array("송장".utf8))))
    }
    let ticket = try await world.base.world.ticket()
    _ = try await world.base.client.escalateToDooray(
      EscalateToDoorayRequest(
        name: world.base.world.name(ticket), project: world.project.name, subject: "확인", text: "확인", tagIds: ["7"],
        attachments: [file.name]), world.base.world.by(TicketWorld.kim))
    try await world.send()
    #expect(try await fake.posts().last?.files.map(\.name) == ["a.txt"], "14")
    #expect(try await fake.calls().contains { $0.path.hasPrefix("/uploads/") }, "14")
  }
}
