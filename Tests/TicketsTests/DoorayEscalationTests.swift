import HandoffAPI
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Escalating to Dooray!", .timeLimit(.minutes(10)))
struct DoorayEscalationTests {
  @Test("the task has what was chosen, and the ticket waits for it with its link, an entry and an event")
  func escalates() async throws {
    let world = try await EscalatingWorld(tags: [.init(id: "7", name: "a", group: nil)])
    let ticket = try await world.base.world.ticket()
    let answer = try await world.escalate(ticket, tags: ["7"])
    #expect(answer.state == .doorayEscalated)
    let posts = try await world.base.fake.posts()
    let post = try #require(posts.first)
    #expect(posts.count == 1 && post.subject == "배송 확인 요청" && post.tagIds == ["7"] && post.creator == "12")
    #expect(post.body.content.hasPrefix("**어디** 있나요?\n\n---\nHandoff \(answer.name) "))
    #expect(post.users.to.map(\.member.organizationMemberId) == ["13"])
    #expect(post.users.cc.map(\.member.organizationMemberId) == ["12"])
    let task = try #require(try await world.tasks(ticket).first)
    #expect(task.doorayId == post.id && task.address == "https://shop.dooray.com/project/tasks/\(post.id)")
    #expect(task.agent == "agents/1" && task.projectDisplayName == "고객 지원")
    let events = try await world.base.world.eventCodes(answer.name)
    #expect(events.last == "DOORAY_ESCALATED")
    let entries = try await world.base.client.listEntries(
      ListEntriesRequest(parent: answer.name), world.base.world.by(TicketWorld.kim)
    ).entries
    #expect(entries.last?.text == "**어디** 있나요?" && entries.last?.act == .escalate)
  }

  @Test("who has no key, or is no member of the project, escalates in the representative's name")
  func representative() async throws {
    let world = try await EscalatingWorld()
    _ = try await world.escalate(try await world.base.world.ticket(), by: TicketWorld.lee)
    let organization = DoorayOrganization(name: world.project.organization)
    try await world.base.setKey("lees-key", of: TicketWorld.lee, in: organization)
    _ = try await world.escalate(try await world.base.world.ticket(), by: TicketWorld.lee)
    #expect(try await world.base.fake.posts().map(\.creator) == ["13", "13"])
  }

  @Test("what the groups of tags demand is looked at before anything is created")
  func tags() async throws {
    let group = FakeDooray.Group(id: "1", name: "종류", mandatory: true, selectOne: true)
    let world = try await EscalatingWorld(tags: [
      .init(id: "7", name: "a", group: group), .init(id: "8", name: "b", group: group),
      .init(id: "9", name: "c", group: nil),
    ])
    let ticket = try await world.base.world.ticket()
    for tags in [[], ["9"], ["7", "8"], ["7", "7"], ["7", "6"]] {
      let error = await refusal { try await world.escalate(ticket, tags: tags) }
      #expect(error?.reason == .requestInvalid && error?.violations.first?.field == "tag_ids", "\(tags)")
    }
    #expect(try await world.base.fake.calls().allSatisfy { $0.method == "GET" })
    #expect(try await world.escalate(ticket, tags: ["9", "8"]).state == .doorayEscalated)
  }

  @Test("who escalates a ticket that somebody has changed meanwhile is told by whom, and no task is made")
  func stale() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(name: world.base.world.name(ticket), act: .comment, text: "잠시만요."),
      world.base.world.by(TicketWorld.lee))
    let error = await refusal { try await world.escalate(ticket, version: ticket.version) }
    #expect(error?.reason == .staleVersion && error?.metadata["changed_by"] == "agents/2")
    #expect(try await world.base.fake.posts().isEmpty)
    #expect(try await world.escalate(ticket, version: ticket.version + 1).state == .doorayEscalated)
  }

  @Test("a refusal leaves the ticket as it was, and says why")
  func refused() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    for status in [400, 401, 403, 404, 429] {
      let reason: Reason = status == 429 ? .backendUnavailable : .doorayRefused
      try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "status", times: 9, status: status))
      let error = await refusal { try await world.escalate(ticket) }
      #expect(error?.reason == reason, "\(status): \(String(describing: error))")
      #expect(try await world.state(ticket) == .processing)
      #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task") == 0)
    }
    try await world.base.fake.fail()
    #expect(try await world.escalate(ticket).state == .doorayEscalated)
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("when the answer is lost, the task is found, linked, and not created again")
  func lostAnswer() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "lost"))
    #expect(try await world.escalate(ticket, requestID: "one").state == .doorayEscalated)
    #expect(try await world.escalate(ticket, requestID: "one").state == .doorayEscalated)
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("two requests at once create one task, of one of them", arguments: ["one", "two"])
  func overlapping(second: String) async throws {
    let world = try await EscalatingWorld(tags: [.init(id: "7", name: "a", group: nil)])
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(.init(path: "/tags$", kind: "slow", seconds: 2))
    let slow = world.begin(ticket, tags: ["7"], requestID: "one")
    // The slow request has looked at the ticket by now.
    try await world.isAsked(moreThan: 0)
    #expect(try await world.escalate(ticket, tags: ["7"], requestID: second).state == .doorayEscalated)
    if second == "one" {
      #expect(try await slow.value.state == .doorayEscalated)
    } else {
      #expect(await refusal { try await slow.value }?.reason == .transitionNotAllowed)
    }
    #expect(try await world.base.fake.posts().count == 1)
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE state <> 'OPEN'") == 0)
  }

  @Test("when Dooray! goes away after taking the task, it is settled later by itself")
  func goesAway() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(
      .init(method: "POST", path: "/posts$", kind: "lost"),
      .init(path: "/posts", kind: "status", times: 4, status: 503))
    #expect(await refusal { try await world.escalate(ticket, requestID: "one") }?.reason == .backendUnavailable)
    #expect(try await world.state(ticket) == .processing)
    #expect(await refusal { try await world.escalate(ticket, requestID: "two") }?.reason == .conflict)
    try await world.settle()
    #expect(try await world.state(ticket) == .processing, "nobody may settle it yet")
    try await world.pass()
    try await world.settle()
    #expect(try await world.state(ticket) == .processing, "Dooray! is still away")
    try await world.pass()
    try await world.settle()
    #expect(try await world.state(ticket) == .doorayEscalated)
    #expect(try await world.base.fake.posts().count == 1)
    #expect(try await world.escalate(ticket, requestID: "one").state == .doorayEscalated, "the same request again")
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("a task is settled with another key when Dooray! refuses those with which it was created")
  func otherKeys() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.loseAnswer(on: ticket)
    try await world.pass()
    try await world.base.fake.fail(.init(path: "/posts$", kind: "status", times: 2, status: 401))
    try await world.settle()
    #expect(try await world.state(ticket) == .doorayEscalated)
  }

  @Test("what cannot be settled holds up no other, and lets its ticket go after a day")
  func unsettled() async throws {
    let world = try await EscalatingWorld()
    let (first, second) = (try await world.base.world.ticket(), try await world.base.world.ticket())
    try await world.loseAnswer(on: first)
    try await world.loseAnswer(on: second)
    try await world.pass()
    try await world.base.world.run(
      "UPDATE dooray_task SET lease_time = lease_time - interval '1 hour' WHERE ticket_id = \(first.id)")
    // Of the three keys, none may look for the first.
    try await world.base.fake.fail(.init(path: "/posts$", kind: "status", times: 3, status: 403))
    try await world.settle()
    #expect(try await world.state(first) == .processing)
    #expect(try await world.state(second) == .doorayEscalated)
    #expect(await refusal { try await world.escalate(first, requestID: "two") }?.reason == .conflict)
    try await world.pass()
    try await world.base.world.run("UPDATE dooray_task SET create_time = create_time - interval '2 days'")
    try await world.base.fake.fail(.init(path: "/posts$", kind: "status", times: 3, status: 403))
    try await world.settle()
    let codes = try await world.base.world.eventCodes(world.base.world.name(first))
    #expect(codes.last == "DOORAY_ESCALATION_FAILED")
    #expect(try await world.escalate(first, requestID: "two").state == .doorayEscalated)
  }

  @Test("a task whose ticket has moved on meanwhile is told in the ticket's history, and the request is not repeated")
  func stray() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.loseAnswer(on: ticket)
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(
        name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
    try await world.pass()
    try await world.settle()
    #expect(try await world.state(ticket) == .resolved)
    let events = try await world.base.client.listEvents(
      ListEventsRequest(parent: world.base.world.name(ticket)), world.base.boss
    ).events.filter { $0.code == "DOORAY_TASK_STRAYED" }
    let post = try #require(try await world.base.fake.posts().first)
    #expect(events.count == 1 && String(describing: events).contains(post.id))
    #expect(await refusal { try await world.escalate(ticket, requestID: "one") }?.reason == .transitionNotAllowed)
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("a task is found behind hundreds of newer ones, some of which are deleted or closed to the key")
  func farBehind() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.loseAnswer(on: ticket)
    try await world.base.fake.fill("501", 320)
    try await world.pass()
    try await world.base.fake.fail(
      .init(path: "/posts/", kind: "status", times: 3, status: 404),
      .init(path: "/posts/", kind: "status", times: 3, status: 403))
    try await world.settle()
    #expect(try await world.state(ticket) == .doorayEscalated)
  }

  @Test("408 says nothing about whether the task was created")
  func timedOut() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "status", status: 408))
    #expect(await refusal { try await world.escalate(ticket) }?.reason == .backendUnavailable)
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE state = 'SENDING'") == 1)
  }

  @Test("a request whose task was found later is known again, whatever has become of the ticket since")
  func knownAgain() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    let escalate = { try await world.escalate(ticket, version: ticket.version, requestID: "one") }
    try await world.base.fake.fail(
      .init(method: "POST", path: "/posts$", kind: "lost"),
      .init(path: "/posts", kind: "status", times: 3, status: 503))
    #expect(await refusal(escalate)?.reason == .backendUnavailable)
    try await world.base.fake.fail()
    try await world.pass()
    try await world.settle()
    #expect(try await escalate().state == .doorayEscalated)
    try await world.base.fake.move(try #require(try await world.tasks(ticket).first).doorayId, to: "closed")
    try await world.poll()
    #expect(try await escalate().state == .doorayAnswered)
    #expect(try await world.base.fake.posts().count == 1)
    let other = try await world.base.project(
      in: DoorayOrganization(name: world.project.organization), doorayID: "502", representative: "agents/3")
    #expect(
      await refusal { try await world.escalate(ticket, to: other, requestID: "one") }?.reason == .requestIDReused)
  }

  @Test("what never came to be is forgotten, or created by the same request once that is certain")
  func neverCame() async throws {
    let world = try await EscalatingWorld()
    let (first, second) = (try await world.base.world.ticket(), try await world.base.world.ticket())
    for ticket in [first, second] {
      let escalate = { try await world.escalate(ticket, requestID: "\(ticket.id)") }
      try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "close", times: 2))
      #expect(await refusal(escalate)?.reason == .backendUnavailable)
      try await world.base.fake.fail()
      #expect(await refusal(escalate)?.reason == .backendUnavailable, "that is not certain yet")
    }
    try await world.pass()
    #expect(try await world.escalate(first, requestID: "\(first.id)").state == .doorayEscalated)
    try await world.settle()
    #expect(try await world.state(second) == .processing)
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE state = 'SENDING'") == 0)
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("what was masked while a task was looked for does not leave in clear, nor into the history")
  func maskedMeanwhile() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "close", times: 2))
    #expect(await refusal { try await world.escalate(ticket, requestID: "one") }?.reason == .backendUnavailable)
    try await world.pass()
    try await world.base.fake.fail(.init(path: "/posts$", kind: "slow", seconds: 2))
    let asked = try await world.base.fake.calls().count
    let again = world.begin(ticket, requestID: "one")
    try await world.isAsked(moreThan: asked)
    try await world.base.world.run("UPDATE dooray_task SET body = '****'")
    #expect(try await again.value.state == .doorayEscalated)
    #expect(try await world.base.fake.posts().map { $0.body.content.hasPrefix("****\n\n---\n") } == [true])
    let entries = try await world.base.client.listEntries(
      ListEntriesRequest(parent: world.base.world.name(ticket)), world.base.world.by(TicketWorld.kim)
    ).entries
    #expect(entries.last?.text == "****")
  }

  @Test("it is refused while Dooray! is off or paused, in states that forbid it, and by who may not")
  func guards() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.world.run("UPDATE dooray_setting SET state = 'PAUSED'")
    #expect(await refusal { try await world.escalate(ticket) }?.reason == .doorayOff)
    try await world.base.world.run("DELETE FROM dooray_setting")
    #expect(await refusal { try await world.escalate(ticket) }?.reason == .doorayOff)
    for state in [TicketState.unassigned, .resolved, .escalating, .doorayEscalated] {
      let other = try await world.base.world.ticket(state)
      #expect(await refusal { try await world.escalate(other) }?.reason == .transitionNotAllowed, "\(state)")
    }
    #expect(await refusal { try await world.escalate(ticket, by: TicketWorld.guest) }?.reason == .permissionDenied)
    #expect(await refusal { try await world.escalate(ticket, by: TicketWorld.stranger) }?.reason == .ticketNotFound)
    #expect(try await world.base.fake.calls().isEmpty)
  }

  @Test("a template fills in what the request leaves empty")
  func template() async throws {
    let world = try await EscalatingWorld(
      tags: [.init(id: "7", name: "a", group: nil)],
      templates: [
        .init(
          id: "77", templateName: "배송 문의", subject: "배송 확인", body: .init(content: "## 주문\n"),
          tags: [.init(id: "7")], users: .init(to: [.init(member: .init(organizationMemberId: "13"))], cc: []))
      ])
    let ticket = try await world.base.world.ticket()
    var request = EscalateToDoorayRequest(
      name: world.base.world.name(ticket), project: world.project.name, text: "어디 있나요?", templateId: "78")
    let error = await refusal {
      try await world.base.client.escalateToDooray(request, world.base.world.by(TicketWorld.kim))
    }
    #expect(error?.reason == .requestInvalid && error?.violations.first?.field == "template_id")
    request.templateId = "77"
    _ = try await world.base.client.escalateToDooray(request, world.base.world.by(TicketWorld.kim))
    let post = try #require(try await world.base.fake.posts().first)
    #expect(post.subject == "배송 확인" && post.body.content.hasPrefix("어디 있나요?") && post.tagIds == ["7"])
    #expect(post.users.to.map(\.member.organizationMemberId) == ["13"] && post.users.cc.isEmpty)
  }

  @Test("what can be chosen is told: tags with their groups, templates and members with their names")
  func choices() async throws {
    let group = FakeDooray.Group(id: "1", name: "종류", mandatory: true, selectOne: false)
    let world = try await EscalatingWorld(tags: [
      .init(id: "7", name: "a", group: group), .init(id: "9", name: "c", group: nil),
    ])
    let choices = try await world.base.client.getDoorayChoices(
      GetDoorayChoicesRequest(name: world.project.name), world.base.world.by(TicketWorld.lee))
    #expect(choices.tags.map(\.displayName) == ["종류:a", "c"] && choices.tags.map(\.groupId) == ["1", ""])
    #expect(choices.tagGroups == [DoorayTagGroup(id: "1", displayName: "종류", mandatory: true, singleChoice: false)])
    #expect(choices.members.map(\.id) == ["12", "13"] && choices.members.map(\.displayName) == ["Member", "Member"])
    #expect(choices.templates.isEmpty)
  }
}
