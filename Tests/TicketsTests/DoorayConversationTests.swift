import Crypto
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Conversations with Dooray!", .timeLimit(.minutes(10)))
struct DoorayConversationTests {
  private func escalated(
    _ world: EscalatingWorld, by agent: AgentID = TicketWorld.kim
  ) async throws -> (ticket: TicketRecord, task: String) {
    let ticket = try await world.base.world.ticket()
    _ = try await world.escalate(ticket, by: agent)
    try await world.poll()
    return (ticket, try #require(try await world.tasks(ticket).first).doorayId)
  }

  private func logs(_ world: EscalatingWorld) async throws -> [FakeDooray.Post.Log] {
    try await world.base.fake.posts().flatMap(\.logs)
  }

  @Test("an agent's comment is sent in the agent's name, and does not come back")
  func sent() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    let made = try await world.comment("언제 도착하나요?", on: ticket, requestID: "one")
    #expect(made.state == .sending && made.agent == "agents/1" && made.authorDisplayName == "김상담")
    #expect(try await world.comment("언제 도착하나요?", on: ticket, requestID: "one").name == made.name)
    try await world.send()
    let log = try #require(try await logs(world).first)
    #expect(log.body.content.hasPrefix("언제 도착하나요?\n\n---\nHandoff ") && log.creator.member.organizationMemberId == "12")
    for payload in try await world.base.fake.payloads() { try await world.receive(payload) }
    try await world.poll()
    let conversation = try await world.conversation(ticket)
    #expect(conversation.map(\.state) == [.sent] && conversation[0].text == "언제 도착하나요?")
    #expect(try await logs(world).count == 1)
    let codes = try await world.base.world.eventCodes(world.base.world.name(ticket))
    #expect(codes.count { $0 == "DOORAY_COMMENT_SENT" } == 1 && !codes.contains("DOORAY_COMMENT_RECEIVED"))
  }

  @Test("what was masked after a comment was taken up does not leave in clear")
  func maskedMeanwhile() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    try await world.comment("010-1234-5678", on: ticket)
    try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "close"))
    try await world.send()
    try await world.passSettling()
    // It is read, then looked for, and masked while that takes its time.
    try await world.base.fake.fail(.init(path: "/logs$", kind: "slow", seconds: 2))
    let asked = try await world.base.fake.calls().count
    let worker = world.delivery.worker(holder: "tests")
    let sending = Task { try await worker.runOnce(deadline: TestDatabase.deadline) }
    try await world.isAsked(moreThan: asked)
    try await world.base.world.run("UPDATE dooray_comment SET body = '*************'")
    #expect(try await sending.value == 1)
    #expect(try await logs(world).map { String($0.body.content.prefix(14)) } == ["*************\n"])
  }

  @Test("who is no member of the project comments in the representative's name")
  func representative() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    try await world.comment("확인 부탁드립니다.", on: ticket, by: TicketWorld.lee)
    let organization = DoorayOrganization(name: world.project.organization)
    try await world.base.setKey("lees-key", of: TicketWorld.lee, in: organization)
    try await world.comment("다시 부탁드립니다.", on: ticket, by: TicketWorld.lee)
    try await world.send()
    #expect(try await logs(world).map(\.creator.member.organizationMemberId) == ["13", "13"])
    #expect(try await world.conversation(ticket).map(\.authorDisplayName) == ["이상담", "이상담"])
  }

  @Test(
    "a comment at Dooray! appears once, however often its hook comes, in either form",
    arguments: ["documented", "observed"])
  func received(form: String) async throws {
    let world = try await EscalatingWorld()
    try await world.base.fake.useHooks(form: form)
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.comment("내일 **도착**합니다.", on: task)
    let payload = try #require(try await world.base.fake.payloads().last)
    for _ in 0..<3 {
      try await world.receive(payload)
      try await world.poll()
    }
    let conversation = try await world.conversation(ticket)
    #expect(conversation.map(\.text) == ["내일 **도착**합니다."] && conversation.map(\.state) == [.received])
    #expect(conversation.map(\.authorDisplayName) == ["Member"] && conversation[0].agent.isEmpty)
    let events = try await world.base.client.listEvents(
      ListEventsRequest(parent: world.base.world.name(ticket)), world.base.boss
    ).events.filter { $0.code == "DOORAY_COMMENT_RECEIVED" }
    #expect(events.count == 1)
  }

  @Test("while the task is done, no comment is taken; nor from who may not, nor without a text")
  func refused() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    #expect(await refusal { try await world.comment(" \n", on: ticket) }?.reason == .textRequired)
    #expect(
      await refusal { try await world.comment("a", on: ticket, by: TicketWorld.guest) }?.reason == .permissionDenied)
    #expect(
      await refusal { try await world.comment("a", on: ticket, by: TicketWorld.stranger) }?.reason == .ticketNotFound)
    try await world.base.fake.move(task, to: "working")
    try await world.passInterval()
    try await world.poll()
    try await world.comment("아직인가요?", on: ticket)
    try await world.base.fake.move(task, to: "closed")
    try await world.passInterval()
    try await world.poll()
    let error = await refusal { try await world.comment("a", on: ticket) }
    #expect(error?.reason == .transitionNotAllowed && error?.reason.entry.httpStatus == 409)
    let other = try await world.base.world.ticket()
    #expect(await refusal { try await world.comment("a", on: other) }?.reason == .transitionNotAllowed)
    let bare = try await world.base.world.ticket(.doorayEscalated)
    #expect(await refusal { try await world.comment("a", on: bare) }?.reason == .transitionNotAllowed, "it has no task")
  }

  @Test("a comment whose answer is lost is found by its marker, and is sent once")
  func lostAnswer() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "lost"))
    try await world.comment("한 번만", on: ticket)
    try await world.send()
    #expect(try await world.conversation(ticket).map(\.state) == [.sending])
    try await world.hurry()
    try await world.send()
    #expect(try await world.conversation(ticket).map(\.state) == [.sent])
    #expect(try await logs(world).count == 1)
  }

  @Test("a hook that is faster than the answer says what became of a comment, too")
  func fasterHook() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "lost"))
    try await world.comment("한 번만", on: ticket)
    try await world.send()
    try await world.receive(try #require(try await world.base.fake.payloads().last))
    try await world.poll()
    #expect(try await world.conversation(ticket).map(\.state) == [.sent])
    try await world.passSettling()
    try await world.send()
    #expect(try await logs(world).count == 1)
    #expect(try await world.base.world.count("SELECT count(*) FROM outbox WHERE topic = 'DOORAY'") == 0)
  }

  @Test("what was never heard is sent again, but not before it is certain; later ones wait their turn")
  func neverHeard() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "close"))
    try await world.comment("첫째", on: ticket)
    try await world.comment("둘째", on: ticket)
    try await world.send()
    try await world.hurry()
    try await world.send()
    #expect(try await world.conversation(ticket).map(\.state) == [.sending, .sending])
    try await world.passSettling()
    try await world.send()
    try await world.hurry()
    try await world.send()
    #expect(try await world.conversation(ticket).map(\.state) == [.sent, .sent])
    #expect(try await logs(world).map { $0.body.content.prefix(2) } == ["첫째", "둘째"])
  }

  @Test("what Dooray! refuses is given up with the reason, and what comes too fast is sent later")
  func failures() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await escalated(world)
    for status in [400, 401, 403, 404] {
      try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "status", times: 9, status: status))
      try await world.comment("\(status)", on: ticket)
      try await world.send()
      let last = try #require(try await world.conversation(ticket).last)
      #expect(last.state == .failed && !last.failure.isEmpty, "\(status)")
    }
    try await world.base.fake.fail(.init(method: "POST", path: "/logs$", kind: "status", times: 3, status: 429))
    try await world.comment("429", on: ticket)
    try await world.send()
    #expect(try await world.conversation(ticket).last?.state == .sending)
    try await world.hurry()
    try await world.send()
    #expect(try await world.conversation(ticket).last?.state == .sent)
    #expect(try await logs(world).count == 1)
  }

  @Test("comments on an older task and on that of a resolved ticket are kept")
  func olderTask() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.base.fake.move(task, to: "closed")
    try await world.passInterval()
    try await world.poll()
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
    try await world.base.fake.comment("추가로 알려 드립니다.", on: task)
    try await world.receive(try #require(try await world.base.fake.payloads().last))
    try await world.poll()
    #expect(try await world.conversation(ticket).map(\.text) == ["추가로 알려 드립니다."])
    #expect(try await world.state(ticket) == .resolved)
  }

  @Test("a hundred comments are caught up with in their order")
  func many() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    for number in 1...130 { try await world.base.fake.comment("\(number)", on: task) }
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.conversation(ticket).map(\.text) == (1...130).map(String.init))
    let page = try await world.base.client.listDoorayComments(
      ListDoorayCommentsRequest(parent: world.base.world.name(ticket), pageSize: 100), world.base.boss)
    #expect(page.comments.count == 100 && page.comments.first?.text == "130")
    let rest = try await world.base.client.listDoorayComments(
      ListDoorayCommentsRequest(
        parent: world.base.world.name(ticket), pageSize: 100, pageToken: page.nextPageToken), world.base.boss)
    #expect(rest.comments.count == 30 && rest.nextPageToken.isEmpty)
  }

  @Test("somebody who copies a marker is not taken for Handoff")
  func copiedMarker() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await escalated(world)
    try await world.comment("원본", on: ticket)
    try await world.send()
    let content = try #require(try await logs(world).first).body.content
    try await world.base.fake.comment("인용: \(content)", on: task)
    try await world.passInterval()
    try await world.poll()
    #expect(try await world.conversation(ticket).map(\.state) == [.sent, .received])
  }

  @Test(
    "a mask made later reaches the task and the comments of both sides here, and what has not left yet leaves masked")
  func masked() async throws {
    let world = try await EscalatingWorld()
    let number = "010-0000-1234"
    let ticket = try await world.base.world.ticket(.init(title: "환불", text: "\(number)로 전화 주세요."))
    let name = world.base.world.name(ticket)
    _ = try await world.base.client.escalateToDooray(
      EscalateToDoorayRequest(
        name: name, project: world.project.name, subject: "전화 \(number)", text: "\(number)에 전화해 주세요."),
      world.base.world.by(TicketWorld.kim))
    let task = try #require(try await world.tasks(ticket).first).doorayId
    try await world.base.fake.comment("\(number)는 받지 않습니다.", on: task)
    try await world.passInterval()
    try await world.poll()
    try await world.comment("\(number) 다시 걸어 주세요.", on: ticket)
    let entry = try #require(
      try await world.base.client.listEntries(ListEntriesRequest(parent: name), world.base.boss).entries.first)
    _ = try await world.base.masking.createMasks(
      CreateMasksRequest(parent: name, spans: [TextSpan(entry: entry.name, start: 0, length: 13)]),
      world.base.world.by(TicketWorld.kim))
    let stars = String(repeating: "*", count: 13)
    #expect(
      try await world.conversation(ticket).map(\.text) == ["\(stars)는 받지 않습니다.", "\(stars) 다시 걸어 주세요."])
    let shown = try #require(try await world.tasks(ticket).first)
    #expect(shown.subject == "전화 \(stars)" && shown.text == "\(stars)에 전화해 주세요.")
    try await world.send()
    let logs = try await logs(world)
    #expect(logs.last?.body.content.hasPrefix("\(stars) 다시 걸어 주세요.") == true)
    // What is written there afterwards stands there as it was written, and here without the number.
    try await world.base.fake.comment("\(number)로 걸었습니다.", on: task)
    try await world.passInterval()
    try await world.poll()
    let conversation = try await world.conversation(ticket)
    #expect(conversation.count == 3 && conversation.contains { $0.text == "\(stars)로 걸었습니다." })
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_comment WHERE body LIKE '%1234%'") == 0)
  }

  @Test("files follow the task over the address that Dooray! sends them to, and stand on the escalation's entry")
  func files() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    let files = [try await world.uploaded("주문 \"1\".txt", "송장 번호"), try await world.uploaded("b.txt", "둘")]
    let answer = try await world.escalate(ticket, with: files)
    #expect(try await world.tasks(ticket).first?.files.map(\.state) == [.sending, .sending])
    try await world.send()
    let post = try #require(try await world.base.fake.posts().first)
    #expect(post.files.map(\.size) == [13, 3] && post.files.last?.name == "b.txt")
    #expect(try await world.tasks(ticket).first?.files.map(\.state) == [.sent, .sent])
    #expect(try await world.base.fake.calls().count { $0.path.contains("/uploads/") } == 2)
    let entry = try #require(
      try await world.base.client.listEntries(
        ListEntriesRequest(parent: answer.name), world.base.boss
      ).entries.last)
    #expect(entry.attachments.map(\.name) == files)
    let other = try await world.base.world.ticket()
    #expect(await refusal { try await world.escalate(other, with: files) }?.reason == .attachmentNotFound)
    #expect(try await world.base.fake.posts().count == 1)
  }

  @Test("a file whose answer is lost is found and sent once")
  func lostFile() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    _ = try await world.escalate(ticket, with: [try await world.uploaded("a.txt", "하나")])
    try await world.base.fake.fail(.init(method: "POST", path: "/uploads/", kind: "lost"))
    try await world.send()
    #expect(try await world.tasks(ticket).first?.files.map(\.state) == [.sending])
    try await world.hurry()
    try await world.send()
    #expect(try await world.tasks(ticket).first?.files.map(\.state) == [.sent])
    #expect(try await world.base.fake.posts().first?.files.count == 1)
  }

  @Test("a file that Dooray! refuses is given up with the reason; the ticket waits for its task all the same")
  func refusedFile() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.base.fake.fail(.init(method: "POST", path: "/files$", kind: "status", times: 9, status: 400))
    _ = try await world.escalate(ticket, with: [try await world.uploaded("a.txt", "하나")])
    try await world.send()
    let file = try #require(try await world.tasks(ticket).first?.files.first)
    #expect(file.state == .failed && !file.failure.isEmpty && file.fileName == "a.txt")
    #expect(try await world.state(ticket) == .doorayEscalated)
  }

  @Test(
    "tokens go on only to addresses of the same owner",
    arguments: [
      ("https://api.dooray.com", "https://file-api.dooray.com/uploads/1", true),
      ("https://api.dooray.com", "https://api.dooray.com/x", true),
      ("https://api.dooray.com", "https://dooray.com.example.com/x", false),
      ("https://api.dooray.com", "https://evildooray.com/x", false),
      ("https://api.dooray.com", "http://file-api.dooray.com/x", false),
      ("https://api.dooray.com", "https://file-api.dooray.com:8443/x", false),
      ("https://api.dooray.com", "https://user@file-api.dooray.com/x", false),
      ("https://dooray.com", "https://example.com/x", false),
      ("https://203.0.113.5", "https://203.0.113.5/x", true), ("https://203.0.113.5", "https://198.0.113.5/x", false),
      ("https://[2001:db8::1]", "https://[2001:db8::2]/x", false),
      ("http://127.0.0.1:1", "http://127.0.0.1:2/x", true), ("http://127.0.0.1:1", "http://10.0.0.1/x", false),
    ])
  func forwarding(from: String, to: String, isAllowed: Bool) throws {
    #expect(try DoorayAddress(from).mayForward(to: to) == isAllowed)
  }
}
