import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import Testing
import TicketLedger

@testable import Tickets

/// Agents who escalate to either of two projects, comment and resolve, people at Dooray! who move tasks and comment,
/// hooks in any order, looks, answers that are lost and daemons that end in the middle: in an order that a seed
/// decides.
@Suite("Whatever happens on the way, Dooray! and the tickets come to the same", .timeLimit(.minutes(30)))
struct DoorayInterleavingTests {
  /// What was asked for so far.
  private struct Story {
    let projects: [DoorayProject]
    var tickets: [TicketRecord] = []
    var resolved: Set<TicketID> = []
    var escalations = 0
    var agentTexts: [String] = []
    var peoplesTexts: [(text: String, task: String)] = []
  }

  @Test("one task for each escalation, states that agree, and every comment once")
  func interleavings() async throws {
    for await round in TestScale.rounds(usual: 1, all: 30) {
      var random = SeededGenerator(seed: TestScale.seed &+ UInt64(round))
      let world = try await EscalatingWorld()
      let other = try await world.base.project(
        in: DoorayOrganization(name: world.project.organization), doorayID: "502", representative: "agents/3")
      var story = Story(projects: [world.project, other])
      for _ in 0..<3 { story.tickets.append(try await world.base.world.ticket()) }
      for _ in 0..<TestScale.count(usual: 60, all: 150) {
        try await step(world, story.tickets.randomElement(using: &random) ?? story.tickets[0], &story, &random)
      }
      try await calmDown(world)
      try await check(world, story, TestScale.place(round))
    }
  }

  private func step(
    _ world: EscalatingWorld, _ ticket: TicketRecord, _ story: inout Story, _ random: inout SeededGenerator
  ) async throws {
    let fake = world.base.fake
    switch Int.random(in: 0..<13, using: &random) {
    case 0, 1:
      story.escalations += 1
      let project = story.projects.randomElement(using: &random)
      let request = world.request(on: ticket, to: project, requestID: "escalation-\(story.escalations)")
      try await attempt(request, world, &random)
      // Who gets no answer asks again.
      if Bool.random(using: &random) { try await attempt(request, world, &random) }
    case 2, 3:
      let text = "agent-\(story.agentTexts.count)-"
      let isTaken = (try? await world.comment(text, on: ticket)) != nil
      if isTaken { story.agentTexts.append(text) }
    case 4:
      guard let task = try await fake.posts().randomElement(using: &random) else { return }
      let text = "people-\(story.peoplesTexts.count)-"
      try await fake.comment(text, on: task.id)
      story.peoplesTexts.append((text, task.id))
    case 5, 6:
      guard let task = try await fake.posts().randomElement(using: &random) else { return }
      try await fake.move(
        task.id, to: ["backlog", "registered", "working", "closed"].randomElement(using: &random) ?? "")
    case 7:
      for payload in try await fake.payloads().shuffled(using: &random).prefix(4) { try await world.receive(payload) }
    case 8: try await world.poll()
    case 9: try await world.send()
    case 10:
      let faults: [FakeDooray.Fault] = [
        .init(method: "POST", path: "/posts$", kind: "lost"), .init(method: "POST", path: "/posts$", kind: "close"),
        .init(method: "POST", path: "/logs$", kind: "lost"), .init(method: "POST", path: "/logs$", kind: "close"),
        .init(path: "/posts", kind: "status", times: 2, status: 503), .init(path: "/logs", kind: "garbage"),
        .init(method: "POST", path: "/posts$", kind: "status", times: 1, status: 429),
      ]
      try await fake.fail(faults.randomElement(using: &random) ?? faults[0])
    case 11:
      let request = ProcessTicketRequest(
        name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others)
      let options = world.base.world.by(TicketWorld.kim)
      guard (try? await world.base.client.processTicket(request, options)) != nil else { return }
      story.resolved.insert(ticket.id)
      // What it leaves behind at Dooray! goes on beside another one.
      story.tickets.append(try await world.base.world.ticket())
    default:
      switch Int.random(in: 0..<4, using: &random) {
      case 0: try await world.pass()
      case 1: try await world.passSettling()
      case 2: try await world.passInterval()
      default: try await world.settle()
      }
    }
  }

  /// Escalates, which may fail, and which may be broken off in the middle, as when a daemon ends.
  private func attempt(
    _ request: EscalateToDoorayRequest, _ world: EscalatingWorld, _ random: inout SeededGenerator
  ) async throws {
    let isBrokenOff = Int.random(in: 0..<3, using: &random) == 0
    let milliseconds = Int.random(in: 0..<60, using: &random)
    let (client, options) = (world.base.client, world.base.world.by(TicketWorld.kim))
    let task = Task { _ = try await client.escalateToDooray(request, options) }
    if isBrokenOff {
      try await EventLoop.pause(for: .milliseconds(milliseconds))
      task.cancel()
    }
    _ = await task.result
  }

  /// Lets everything end that is under way, with a Dooray! that answers.
  private func calmDown(_ world: EscalatingWorld) async throws {
    try await world.base.fake.fail()
    for _ in 0..<3 {
      try await world.pass()
      try await world.settle()
      try await world.passSettling()
      try await world.send()
      try await world.base.world.run(
        "UPDATE dooray_task SET poll_lease_time = NULL, poll_time = now() WHERE state = 'OPEN'")
      try await world.poll()
    }
  }

  private func check(_ world: EscalatingWorld, _ story: Story, _ place: String) async throws {
    let posts = try await world.base.fake.posts()
    let markers = posts.map { DoorayMarker.marker(in: $0.body.content) ?? "" }
    #expect(Set(markers).count == markers.count, "a task was created twice; \(place)")
    let ids = try await world.base.world.rows("SELECT dooray_id FROM dooray_task").map { try $0.string(0) }
    #expect(Set(ids) == Set(posts.map(\.id)), "a task is not known; \(place)")
    for ticket in story.tickets {
      let state = try await world.state(ticket)
      if story.resolved.contains(ticket.id) {
        #expect(state == .resolved, "\(place)")
        continue
      }
      let newest = try await world.tasks(ticket).first
      let post = posts.first { $0.id == newest?.doorayId }
      let expected: Ticket.State =
        switch post?.workflow.class {
        case nil: .processing
        case "working": .doorayInProgress
        case "closed": .doorayAnswered
        default: .doorayEscalated
        }
      #expect(state == expected, "\(place)")
    }
    let there = posts.flatMap(\.logs).map(\.body.content)
    var here: [DoorayComment] = []
    for ticket in story.tickets { here += try await world.conversation(ticket) }
    for text in story.agentTexts {
      #expect(there.count { $0.hasPrefix(text) } == 1, "\(text); \(place)")
      #expect(here.filter { $0.text == text }.map(\.state) == [.sent], "\(text); \(place)")
    }
    let open = try await world.base.world.rows("SELECT dooray_id FROM dooray_task WHERE state = 'OPEN'")
      .map { try $0.string(0) }
    for (text, task) in story.peoplesTexts where open.contains(task) {
      #expect(here.count { $0.text == text } == 1, "\(text); \(place)")
    }
  }
}
