import Crypto
import EventLoop
import HandoffAPI
import MessageJSON
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Tickets follow their tasks at Dooray!", .timeLimit(.minutes(10)))
struct DoorayFollowTests {
  private static let steps: [(step: String, state: Ticket.State)] = [
    ("working", .doorayInProgress), ("closed", .doorayAnswered), ("registered", .doorayEscalated),
    ("closed", .doorayAnswered), ("working", .doorayInProgress), ("backlog", .doorayEscalated),
  ]

  /// An escalated ticket whose task has been looked at once.
  private func escalated(_ world: EscalatingWorld) async throws -> (ticket: TicketRecord, task: String) {
    let ticket = try await world.base.world.ticket()
    _ = try await world.escalate(ticket)
    try await world.poll()
    return (ticket, try #require(try await world.tasks(ticket).first).doorayId)
  }

  @Test(
    "a hook of either form moves the ticket, in both directions, by the class of the step",
    arguments: ["documented", "observed"])
  func hooks(form: String) async throws {
    let world = try await EscalatingWorld()
    try await world.base.fake.useHooks(form: form)
    let (ticket, task) = try await escalated(world)
    for (step, state) in Self.steps {
      try await world.base.fake.move(task, to: step)
      try await world.poll()
      let before = try await world.state(ticket)
      #expect(before != state, "nobody told of \(step) yet")
      try await world.receive(try #require(try await world.base.fake.payloads().last))
      try await world.poll()
      #expect(try await world.state(ticket) == state, "\(step)")
    }
    let codes = try await world.base.world.eventCodes(world.base.world.name(ticket))
    #expect(codes.count { $0 == "DOORAY_STATE_CHANGED" } == Self.steps.count)
    #expect(try await world.tasks(ticket).first?.progress == .registered)
  }

  @Test("a lost hook heals after the interval")
  func lostHook() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "closed")
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayEscalated)
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayAnswered)
  }

  @Test("late, repeated and reordered hooks come to what the task is now")
  func disorder() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    for step in ["working", "closed", "working"] { try await world.base.fake.move(task, to: step) }
    let payloads = try await world.base.fake.payloads()
    for payload in payloads.reversed() + payloads { try await world.receive(payload) }
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayInProgress)
    let events = try await world.base.world.eventCodes(world.base.world.name(ticket))
    for payload in payloads {
      try await world.receive(payload)
      try await world.poll()
    }
    #expect(try await world.state(ticket) == .doorayInProgress)
    #expect(try await world.base.world.eventCodes(world.base.world.name(ticket)) == events)
  }

  @Test("a forged hook changes nothing, since it is not believed")
  func forged() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    let forged = """
      {"hookEventType": "postWorkflowChanged", "hookVersion": 2, "workflow": {"id": "1", "class": "closed"},
       "post": {"id": "\(task)"}, "project": {"id": "501"}}
      """
    try await world.receive(Array(forged.utf8))
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayEscalated)
  }

  @Test("hooks of unknown tasks, of other kinds and without sense are taken and dropped")
  func unknown() async throws {
    let world = try await EscalatingWorld()
    let (_, task) = try await escalated(world)
    let calls = try await world.base.fake.calls().count
    for payload in [
      #"{"hookEventType": "postWorkflowChanged", "post": {"id": "999"}, "project": {"id": "501"}}"#,
      #"{"hookEventType": "postWorkflowChanged", "post": {"id": "\#(task)"}, "project": {"id": "502"}}"#,
      #"{"hookEventType": "postTagChanged", "post": {"id": "\#(task)"}, "project": {"id": "501"}}"#,
      #"{"hookEventType": "memberChanged", "project": {"id": "501"}}"#, "{}", "[]", "null", "7",
      #"{"hookEventType": 7, "post": [], "project": null}"#,
    ] {
      try await world.receive(Array(payload.utf8))
    }
    #expect(try await world.poller.runOnce() == 0)
    #expect(try await world.base.fake.calls().count == calls)
    #expect(await refusal { try await world.receive(Array("{".utf8)) }?.reason == .requestInvalid)
    for name in [
      String(world.hook.dropLast()) + (world.hook.last == "0" ? "1" : "0"), "services/bugs/doorayHooks/7", "",
    ] {
      let error = await refusal {
        try await world.base.client.receiveDoorayHook(
          ReceiveDoorayHookRequest(name: name, payload: Array("{}".utf8)), world.base.world.by("gateway"))
      }
      #expect(error?.reason == .resourceNotFound, "\(name)")
    }
  }

  @Test("only administrators see the path of the hook")
  func hookPath() async throws {
    let world = try await EscalatingWorld()
    let seen = try await world.base.client.getDooraySettings(
      GetDooraySettingsRequest(name: "services/care/dooraySettings"), world.base.world.by(TicketWorld.kim))
    #expect(seen.hookPath.isEmpty && DoorayHookName(world.hook) != nil)
  }

  @Test("after escalating anew, the older task moves the ticket no more, and is not looked at by itself")
  func olderTask() async throws {
    let world = try await EscalatingWorld()
    let (ticket, first) = try await escalated(world)
    #expect(await refusal { try await world.escalate(ticket) }?.reason == .transitionNotAllowed)
    try await world.base.fake.move(first, to: "closed")
    try await world.receive(try #require(try await world.base.fake.payloads().last))
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayAnswered)
    let other = try await world.base.project(
      in: DoorayOrganization(name: world.project.organization), doorayID: "502", representative: "agents/3")
    _ = try await world.escalate(ticket, to: other)
    try await world.poll()
    for step in ["working", "closed"] {
      try await world.base.fake.move(first, to: step)
      try await world.receive(try #require(try await world.base.fake.payloads().last))
      try await world.poll()
      #expect(try await world.state(ticket) == .doorayEscalated, "\(step)")
    }
    let tasks = try await world.tasks(ticket)
    #expect(tasks.count == 2 && tasks.map(\.project) == [other.name, world.project.name])
    try await world.passInterval()
    #expect(try await world.poller.runOnce() == 1, "the newer one only")
  }

  @Test("a ticket that was resolved meanwhile stays resolved")
  func resolved() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "closed")
    try await world.passInterval()
    try await world.poll()
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(
        name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
    for step in ["working", "registered"] {
      try await world.base.fake.move(task, to: step)
      try await world.receive(try #require(try await world.base.fake.payloads().last))
      try await world.poll()
      #expect(try await world.state(ticket) == .resolved, "\(step)")
    }
    try await world.passInterval()
    #expect(try await world.poller.runOnce() == 0, "nobody waits for it")
  }

  @Test("whatever Dooray! answers instead, the ticket stays as it was, and follows later")
  func failures() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "working")
    for fault in [
      FakeDooray.Fault(path: "/posts/", kind: "status", times: 9, status: 500),
      .init(path: "/posts/", kind: "status", times: 9, status: 401),
      .init(path: "/posts/", kind: "status", times: 9, status: 403),
      .init(path: "/posts/", kind: "status", times: 9, status: 404),
      .init(path: "/posts/", kind: "status", times: 9, status: 429),
      .init(path: "/posts/", kind: "garbage", times: 9), .init(path: "/posts/", kind: "close", times: 9),
    ] {
      try await world.base.fake.fail(fault)
      try await world.passInterval()
      #expect(try await world.poller.runOnce() == 1)
      #expect(try await world.state(ticket) == .doorayEscalated, "\(fault.kind) \(fault.status)")
    }
    try await world.base.fake.fail()
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayInProgress)
  }

  @Test("a comment on a task that no ticket waits for is caught up with when the look that its hook asked for fails")
  func failedLook() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "closed")
    try await world.passInterval()
    try await world.poll()
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(
        name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
    try await world.passInterval()
    try await world.poll()
    try await world.base.fake.comment("내일 도착합니다.", on: task)
    try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 9, status: 503))
    try await world.receive(try #require(try await world.base.fake.payloads().last))
    #expect(try await world.poller.runOnce() == 1)
    #expect(try await world.conversation(ticket).isEmpty)
    try await world.base.fake.fail()
    try await world.passInterval()
    #expect(try await world.poller.runOnce() == 1)
    #expect(try await world.conversation(ticket).map(\.text) == ["내일 도착합니다."])
    try await world.passInterval()
    #expect(try await world.poller.runOnce() == 0, "nobody waits for it")
  }

  @Test("the representative's key looks where the organization's token may not")
  func otherKey() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "working")
    try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 1, status: 403))
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayInProgress)
  }

  @Test("who was slower than its lease writes nothing that is out of date")
  func slow() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "working")
    let store = world.base.service.dooray.store
    try await world.passInterval()
    let slow = try #require(
      try await store.claimWatches(limit: 1, holder: "slow", interval: .seconds(300), deadline: .after(.seconds(60)))
        .first)
    try await world.base.world.run("UPDATE dooray_task SET poll_lease_time = now() - interval '1 hour'")
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.state(ticket) == .doorayInProgress)
    try await world.base.fake.move(task, to: "closed")
    let owner = try await world.base.world.service("care")
    let project = try await store.project(slow.task.projectID, of: owner.id, deadline: .after(.seconds(60)))
    let look = DoorayLook(
      service: world.base.service, owner: owner, project: project, watch: slow, deadline: .after(.seconds(60)))
    #expect(await refusal { try await look.follow() }?.reason == .conflict)
    #expect(try await world.state(ticket) == .doorayInProgress)
  }

  @Test("an organization whose Dooray! hangs holds up the calls of no other")
  func hangs() async throws {
    let world = try await EscalatingWorld()
    let client = world.base.dooray
    let token = SecretBytes(Array("kims-key".utf8))
    let begun = try await world.base.fake.calls().count
    try await world.base.fake.fail(.init(path: "/members/me$", kind: "slow", times: 30, seconds: 5))
    let hanging = Task {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<30 {
          group.addTask {
            _ = try? await client.lane(of: DoorayOrganizationID(1)).owner(of: token, deadline: .after(.seconds(60)))
          }
        }
      }
    }
    try await world.isAsked(moreThan: begun + 7)
    _ = try await client.lane(of: DoorayOrganizationID(2)).isMember(
      "12", of: "501", as: token, deadline: .after(.seconds(60)))
    let calls = try await world.base.fake.calls().dropFirst(begun)
    #expect(calls.count < 30 && calls.contains { !$0.path.hasSuffix("/me") })
    hanging.cancel()
    await hanging.value
  }

  @Test("organizations have lanes of their own")
  func lanes() async throws {
    let lanes = DoorayLanes(placesMax: 1)
    let (one, two) = (DoorayOrganizationID(1), DoorayOrganizationID(2))
    let inside = try await lanes.run(one, of: ServiceID(1)) {
      let full = try await lanes.run(one, of: ServiceID(1)) { true }
      let other = try await lanes.run(two, of: ServiceID(1)) { true }
      return full == nil && other == true
    }
    #expect(inside == true)
    #expect(try await lanes.run(one, of: ServiceID(1)) { true } == true)
  }
}
