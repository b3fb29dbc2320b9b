import Crypto
import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("What can become of tasks at Dooray!", .timeLimit(.minutes(10)))
struct DoorayTroubleTests {
  private func look(_ world: EscalatingWorld) async throws {
    try await world.passInterval()
    try await world.poll()
  }

  @Test("a task that was moved to another project is followed there, with hooks, comments and files")
  func moved() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await world.escalated()
    try await world.base.fake.relocate(task, to: "502")
    try await look(world)
    #expect(try await world.state(ticket) == .doorayEscalated)
    try await world.base.fake.move(task, to: "working")
    try await world.receive(try #require(try await world.base.fake.payloads().last))
    #expect(try await world.poller.runOnce() == 1, "its hook names the other project")
    #expect(try await world.state(ticket) == .doorayInProgress)
    try await world.base.fake.comment("여기서 봅니다.", on: task)
    try await world.comment("네.", on: ticket)
    try await world.send()
    try await look(world)
    #expect(try await world.conversation(ticket).map(\.state) == [.sent, .received])
  }

  /// Lets two hours pass since a task was seen last.
  private func miss(_ world: EscalatingWorld) async throws {
    try await world.base.world.run("UPDATE dooray_task SET missing_time = missing_time - interval '2 hours'")
  }

  private func isMissed(_ world: EscalatingWorld) async throws -> Bool {
    try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE missing_time IS NOT NULL") == 1
  }

  @Test(
    "a task that was deleted, or that no key may see, traps no ticket: after an hour and three looks it is done",
    arguments: [404, 403])
  func deleted(status: Int) async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await world.escalated()
    if status == 404 {
      try await world.base.fake.remove(task)
    } else {
      try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 99, status: status))
    }
    for number in 0..<DoorayLook.goneAfterLooks {
      #expect(try await world.state(ticket) == .doorayEscalated, "after \(number) looks")
      if number > 0 { try await miss(world) }
      try await look(world)
    }
    #expect(try await world.state(ticket) == .doorayAnswered)
    let event = try #require(
      try await world.base.client.listEvents(
        ListEventsRequest(parent: world.base.world.name(ticket)), world.base.boss
      ).events.last { $0.code == "DOORAY_STATE_CHANGED" })
    #expect(event.changes.contains { $0.field == "reason" && $0.after == "TASK_GONE" })
    _ = try await world.base.client.processTicket(
      ProcessTicketRequest(name: world.base.world.name(ticket), act: .resolveInternally, internalReason: .others),
      world.base.world.by(TicketWorld.kim))
  }

  /// Why nothing is known of a task that no key sees.
  enum Doubt: CaseIterable, Sendable {
    /// The organization's token is refused, and the representative may not see the project.
    case tokenRefused
    /// The organization's token may not see it, and the representative's key is refused.
    case keyRefused
    /// The organization's token does not open any more, and the representative does not see the task.
    case tokenLost
  }

  @Test(
    "while a key is refused or lost, nobody knows whether a task is gone, and its ticket waits",
    arguments: Doubt.allCases)
  func doubt(_ doubt: Doubt) async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await world.escalated()
    let statuses =
      switch doubt {
      case .tokenRefused: [401, 403]
      case .keyRefused: [404, 401]
      case .tokenLost: [404]
      }
    // One look that was sure does not count with those that are not.
    try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 4, status: 404))
    try await look(world)
    #expect(try await isMissed(world))
    if doubt == .tokenLost {
      try await world.base.world.run(
        """
        UPDATE dooray_organization SET sealed_token =
          set_byte(sealed_token, length(sealed_token) - 1, 255 - get_byte(sealed_token, length(sealed_token) - 1))
        """)
    }
    for _ in 0..<(2 * DoorayLook.goneAfterLooks) {
      try await miss(world)
      // Once where the task was, once wherever it is.
      try await world.base.fake.fail(
        (statuses + statuses).map { .init(path: "/posts/", kind: "status", times: 1, status: $0) })
      try await look(world)
      #expect(try await world.state(ticket) == .doorayEscalated)
      #expect(try await !isMissed(world))
    }
    try await world.base.fake.fail()
    try await world.base.fake.move(task, to: "working")
    try await look(world)
    #expect(try await world.state(ticket) == .doorayInProgress)
  }

  @Test("a task that is seen again is not missed any more, though its comments cannot be read")
  func seenAgain() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await world.escalated()
    try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 4, status: 404))
    try await look(world)
    #expect(try await isMissed(world))
    try await world.base.fake.move(task, to: "working")
    try await world.base.fake.fail(.init(path: "/logs", kind: "status", times: 99, status: 500))
    try await world.passInterval()
    #expect(try await world.poller.runOnce() == 1)
    #expect(try await world.state(ticket) == .doorayInProgress)
    #expect(try await !isMissed(world))
  }

  @Test("a task that only seemed to be gone is followed as before")
  func seemedGone() async throws {
    let world = try await EscalatingWorld()
    let (ticket, task) = try await world.escalated()
    try await world.base.fake.fail(.init(path: "/posts/", kind: "status", times: 4, status: 404))
    try await look(world)
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE missing_time IS NOT NULL") == 1)
    try await world.base.fake.move(task, to: "working")
    try await look(world)
    #expect(try await world.state(ticket) == .doorayInProgress)
    #expect(try await world.base.world.count("SELECT count(*) FROM dooray_task WHERE missing_time IS NOT NULL") == 0)
  }

  @Test("a comment for which no key opens any more is given up, which the history says")
  func lostKey() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await world.escalated()
    let comment = try await world.comment("들리시나요?", on: ticket)
    try await world.base.world.run(
      """
      UPDATE dooray_user_key SET sealed_key =
        set_byte(sealed_key, length(sealed_key) - 1, 255 - get_byte(sealed_key, length(sealed_key) - 1))
      """)
    try await world.send()
    let kept = try #require(try await world.conversation(ticket).first)
    #expect(kept.state == .failed && kept.failure.contains("does not open any more"))
    let event = try #require(
      try await world.base.client.listEvents(
        ListEventsRequest(parent: world.base.world.name(ticket)), world.base.boss
      ).events.last)
    #expect(event.code == "DOORAY_COMMENT_FAILED")
    #expect(event.changes.contains { $0.field == "dooray_comment" && comment.name.hasSuffix("/\($0.after)") })
    let error = await refusal { try await world.escalate(try await world.base.world.ticket()) }
    #expect(error?.reason == .doorayRefused && error?.message.contains("enter it again") == true)
  }

  @Test("a comment that waits three days for masking, which opens the key, is given up, which the history says")
  func maskingAway() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await world.escalated()
    try await world.comment("들리시나요?", on: ticket)
    let alone = TicketService(
      ledger: world.base.world.ledger, mail: world.base.world.mail, assignment: TicketWorld.nowhere,
      masking: TicketWorld.nowhere, dooray: world.base.dooray)
    let worker = DoorayDelivery(
      service: alone, log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics()
    ).worker(holder: "alone")
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 1)
    #expect(try await world.conversation(ticket).map(\.state) == [.sending])
    try await world.base.world.run("UPDATE outbox SET create_time = create_time - interval '73 hours'")
    try await world.hurry()
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 1)
    #expect(try await world.conversation(ticket).map(\.state) == [.failed])
    #expect(try await world.base.world.eventCodes(world.base.world.name(ticket)).last == "DOORAY_COMMENT_FAILED")
  }

  @Test("one file that Dooray! refuses keeps back no other")
  func refusedFile() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.escalate(
      ticket, with: [try await world.uploaded("a.txt", "하나"), try await world.uploaded("b.txt", "둘")])
    try await world.base.fake.fail(.init(method: "POST", path: "/uploads/", kind: "status", status: 413))
    try await world.send()
    let files = try #require(try await world.tasks(ticket).first).files
    #expect(files.map(\.state) == [.failed, .sent] && files[0].failure == "Dooray! does not take it (413)")
    #expect(try await failedFiles(ticket, world) == [files[0].attachment])
  }

  /// The files that the ticket's history says could not be sent.
  private func failedFiles(_ ticket: TicketRecord, _ world: EscalatingWorld) async throws -> [String] {
    try await world.base.client.listEvents(
      ListEventsRequest(parent: world.base.world.name(ticket)), world.base.boss
    ).events.filter { $0.code == "DOORAY_FILE_FAILED" }.flatMap { event in
      event.changes.filter { $0.field == "attachment" }.map(\.after)
    }
  }

  @Test("files for which no key opens any more are given up, which the history says of each, once")
  func filesWithoutKey() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    let names = ["a.txt", "b.txt", "c.txt"]
    var uploaded: [String] = []
    for name in names { uploaded.append(try await world.uploaded(name, name)) }
    try await world.escalate(ticket, with: uploaded)
    try await world.base.fake.fail(
      .init(method: "POST", path: "/uploads/", kind: "status", status: 413),
      .init(method: "POST", path: "/uploads/", kind: "status", times: 9, status: 503))
    try await world.send()
    try await world.base.world.run(
      """
      UPDATE dooray_user_key SET sealed_key =
        set_byte(sealed_key, length(sealed_key) - 1, 255 - get_byte(sealed_key, length(sealed_key) - 1))
      """)
    try await world.passSettling()
    try await world.send()
    let files = try #require(try await world.tasks(ticket).first).files
    #expect(files.map(\.state) == [.failed, .failed, .failed])
    #expect(files[0].failure == "Dooray! does not take it (413)" && files[1].failure.contains("does not open any more"))
    #expect(try await failedFiles(ticket, world) == files.map(\.attachment))
  }

  @Test("somebody else's file of the same name is not taken for one whose answer was lost")
  func sameName() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    try await world.escalate(ticket, with: [try await world.uploaded("a.txt", "하나")])
    let task = try #require(try await world.tasks(ticket).first).doorayId
    try await world.base.fake.attach("a.txt", "둘셋", to: task)
    try await world.base.fake.fail(.init(method: "POST", path: "/uploads/", kind: "close"))
    try await world.send()
    try await world.base.fake.attach("a.txt", "셋", to: task)
    try await world.passSettling()
    try await world.send()
    #expect(try await world.tasks(ticket).first?.files.map(\.state) == [.sent])
    #expect(try await world.base.fake.posts().first?.files.map(\.size) == [6, 3, 6])
  }

  @Test("a template in HTML becomes text, since Dooray! takes tasks as Markdown")
  func template() async throws {
    let world = try await EscalatingWorld(
      templates: [
        .init(
          id: "77", templateName: "HTML", subject: "배송 확인",
          body: .init(mimeType: "text/html", content: "<p>주문 <b>번호</b></p><ul><li>하나</li></ul>"), tags: [],
          users: .init(to: [], cc: []))
      ])
    let ticket = try await world.base.world.ticket()
    _ = try await world.base.client.escalateToDooray(
      EscalateToDoorayRequest(name: world.base.world.name(ticket), project: world.project.name, templateId: "77"),
      world.base.world.by(TicketWorld.kim))
    let body = try #require(try await world.base.fake.posts().first).body.content
    #expect(body.hasPrefix("주문 번호\n\n- 하나\n"), "\(body)")
  }

  @Test("an older task moves no ticket whose next task may exist already; it does again when that never came to be")
  func inDoubt() async throws {
    for isLost in [true, false] {
      let world = try await EscalatingWorld()
      let (ticket, first) = try await world.escalated()
      try await world.base.fake.move(first, to: "closed")
      try await look(world)
      #expect(try await world.state(ticket) == .doorayAnswered)
      if isLost {
        try await world.loseAnswer(on: ticket)
      } else {
        try await world.base.fake.fail(.init(method: "POST", path: "/posts$", kind: "close", times: 2))
        #expect(await refusal { try await world.escalate(ticket, requestID: "one") }?.reason == .backendUnavailable)
      }
      try await world.base.fake.move(first, to: "working")
      try await look(world)
      #expect(try await world.state(ticket) == .doorayAnswered)
      try await world.pass()
      try await world.settle()
      try await world.poll()
      #expect(try await world.state(ticket) == (isLost ? .doorayEscalated : .doorayInProgress))
      #expect(try await world.tasks(ticket).count == (isLost ? 2 : 1))
    }
  }

  @Test("what goes on behind agents' backs is done a few at a time together, and leaves calls to agents")
  func background() async throws {
    let world = try await EscalatingWorld()
    let (ticket, _) = try await world.escalated()
    try await world.comment("들리시나요?", on: ticket)
    try await world.loseAnswer(on: try await world.base.world.ticket())
    try await world.pass()
    try await world.passInterval()
    let dooray = world.base.service.dooray
    let organization = try await dooray.store.organizations(of: ServiceID(1), deadline: TestDatabase.deadline)[0].id
    let begun = try await world.base.fake.calls().count
    /// Does something while so many places are taken.
    func occupied(_ places: Int, _ work: () async throws -> Void) async throws -> Bool {
      guard places > 0 else {
        try await work()
        return true
      }
      return try await dooray.lanes.run(organization, of: ServiceID(1)) {
        try await occupied(places - 1, work)
      } ?? false
    }
    let isOccupied = try await occupied(4) {
      #expect(try await world.poller.runOnce() == 1)
      try await world.send()
      try await world.settle()
      #expect(try await world.base.fake.calls().count == begun)
      let choices = try await world.base.client.getDoorayChoices(
        GetDoorayChoicesRequest(name: world.project.name), world.base.world.by(TicketWorld.kim))
      #expect(choices.members.count == 2)
    }
    #expect(isOccupied)
    #expect(try await occupied(5) {} == false)
    try await world.hurry()
    try await world.send()
    #expect(try await world.conversation(ticket).map(\.state) == [.sent])
  }

  @Test("names of members are asked for once in a while")
  func names() async throws {
    let world = try await EscalatingWorld()
    for agent in [TicketWorld.kim, TicketWorld.lee] {
      let choices = try await world.base.client.getDoorayChoices(
        GetDoorayChoicesRequest(name: world.project.name), world.base.world.by(agent))
      #expect(choices.members.map(\.displayName) == ["Member", "Member"])
    }
    #expect(try await world.base.fake.calls().count { $0.path.hasPrefix("/common/v1/members/") } == 2)
  }
}
