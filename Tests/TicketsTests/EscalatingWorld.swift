import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// A service that escalates to the project 501 of a Dooray!: kim is a member of it and has a key, boss represents it,
/// lee has no key.
struct EscalatingWorld {
  let base: DoorayWorld
  let project: DoorayProject
  let settler: DooraySettler
  let poller: DoorayPoller
  let delivery: DoorayDelivery
  /// The name of the service's hook.
  let hook: String

  init(tags: [FakeDooray.Tag] = [], templates: [FakeDooray.Template] = []) async throws {
    base = try await DoorayWorld()
    try await base.fake.load(
      .init(
        members: [
          .init(id: "11", email: "tenant@example.com", token: "tenant-token"),
          .init(id: "12", email: "kim@example.com", token: "kims-key"),
          .init(id: "13", email: "boss@example.com", token: "boss-key"),
          .init(id: "14", email: "lee@example.com", token: "lees-key"),
        ],
        projects: [
          .init(id: "501", members: ["12", "13"], tags: tags, templates: templates),
          .init(id: "502", code: "DEV", members: ["12", "13"]),
        ]))
    let organization = try await base.organization()
    project = try await base.project(in: organization, doorayID: "501", representative: "agents/3")
    try await base.setKey("kims-key", of: TicketWorld.kim, in: organization)
    try await base.setKey("boss-key", of: TicketWorld.boss, in: organization)
    try await base.world.run("INSERT INTO dooray_setting (service_id, state, version) VALUES (1, 'ACTIVE', 2)")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    settler = DooraySettler(service: base.service, log: log)
    poller = DoorayPoller(service: base.service, interval: .seconds(300), log: log, metrics: Metrics())
    delivery = DoorayDelivery(service: base.service, log: log, metrics: Metrics())
    let settings = try await base.client.getDooraySettings(
      GetDooraySettingsRequest(name: "services/care/dooraySettings"), base.boss)
    hook = String(settings.hookPath.dropFirst("/v1/".count))
  }

  func request(
    on ticket: TicketRecord, to project: DoorayProject? = nil, tags: [String] = [], version: Int64 = 0,
    requestID: String = ""
  ) -> EscalateToDoorayRequest {
    EscalateToDoorayRequest(
      name: base.world.name(ticket), project: (project ?? self.project).name, subject: "배송 확인 요청", text: "**어디** 있나요?",
      tagIds: tags, assigneeIds: ["13"], ccIds: ["12"], version: version, requestId: requestID)
  }

  func escalate(
    _ ticket: TicketRecord, by agent: AgentID = TicketWorld.kim, to project: DoorayProject? = nil,
    tags: [String] = [], version: Int64 = 0, requestID: String = ""
  ) async throws -> Ticket {
    try await base.client.escalateToDooray(
      request(on: ticket, to: project, tags: tags, version: version, requestID: requestID), base.world.by(agent))
  }

  /// The name of a file that kim has uploaded.
  func uploaded(_ name: String, _ content: String) async throws -> String {
    try await base.client.uploadAttachment(base.world.by(TicketWorld.kim)) { writer in
      try await writer.send(UploadAttachmentRequest(part: .header(.init(parent: "services/care", fileName: name))))
      try await writer.send(UploadAttachmentRequest(part: .chunk(Array(content.utf8))))
    }.name
  }

  /// Escalates with files.
  @discardableResult
  func escalate(_ ticket: TicketRecord, with files: [String]) async throws -> Ticket {
    try await base.client.escalateToDooray(
      EscalateToDoorayRequest(
        name: base.world.name(ticket), project: project.name, subject: "확인", text: "파일을 봐 주세요.",
        attachments: files), base.world.by(TicketWorld.kim))
  }

  /// An escalated ticket whose task has been looked at once, and the task's id.
  func escalated() async throws -> (ticket: TicketRecord, task: String) {
    let ticket = try await base.world.ticket()
    _ = try await escalate(ticket)
    try await poll()
    return (ticket, try #require(try await tasks(ticket).first).doorayId)
  }

  /// Escalates beside what follows.
  func begin(_ ticket: TicketRecord, tags: [String] = [], requestID: String) -> Task<Ticket, any Error> {
    let (client, options) = (base.client, base.world.by(TicketWorld.kim))
    let request = request(on: ticket, tags: tags, requestID: requestID)
    return Task { try await client.escalateToDooray(request, options) }
  }

  /// Escalates so that the task is created, and nobody knows.
  func loseAnswer(on ticket: TicketRecord, requestID: String = "one") async throws {
    try await base.fake.fail(
      .init(method: "POST", path: "/posts$", kind: "lost"),
      .init(path: "/posts", kind: "status", times: 3, status: 503))
    let error = await refusal { try await escalate(ticket, requestID: requestID) }
    #expect(error?.reason == .backendUnavailable)
    try await base.fake.fail()
  }

  /// Waits until Dooray! was asked something more than so many things.
  func isAsked(moreThan count: Int) async throws {
    while try await base.fake.calls().count <= count { try await EventLoop.pause(for: .milliseconds(10)) }
  }

  func tasks(_ ticket: TicketRecord) async throws -> [DoorayTask] {
    try await base.client.listDoorayTasks(
      ListDoorayTasksRequest(parent: base.world.name(ticket)), base.world.by(TicketWorld.kim)
    ).tasks
  }

  func state(_ ticket: TicketRecord) async throws -> Ticket.State {
    try await base.client.getTicket(
      GetTicketRequest(name: base.world.name(ticket)), base.world.by(TicketWorld.kim)
    ).state
  }

  /// Lets so much time pass that leases end and lost answers are settled.
  func pass() async throws {
    try await base.world.run(
      """
      UPDATE dooray_task SET lease_time = lease_time - interval '1 hour', settle_time = settle_time - interval '1 hour'
      WHERE state = 'SENDING'
      """)
  }

  func settle() async throws { while try await settler.runOnce(deadline: TestDatabase.deadline) {} }

  /// Sends a hook.
  func receive(_ payload: [UInt8]) async throws {
    _ = try await base.client.receiveDoorayHook(
      ReceiveDoorayHookRequest(name: hook, payload: payload), base.world.by("gateway"))
  }

  /// Looks at every task that is due, as the daemon does, and at those that find no lane at first.
  func poll() async throws {
    while try await poller.runOnce() > 0 {
      try await base.world.run(
        "UPDATE dooray_task SET poll_time = now() WHERE poll_time < now() + interval '5 seconds' AND state = 'OPEN'")
    }
  }

  /// Lets so much time pass that every task that is looked at is due.
  func passInterval() async throws {
    try await base.world.run("UPDATE dooray_task SET poll_time = poll_time - interval '1 hour'")
  }

  /// Comments on the ticket's task.
  @discardableResult
  func comment(
    _ text: String, on ticket: TicketRecord, by agent: AgentID = TicketWorld.kim, requestID: String = ""
  ) async throws -> DoorayComment {
    try await base.client.createDoorayComment(
      CreateDoorayCommentRequest(parent: base.world.name(ticket), text: text, requestId: requestID),
      base.world.by(agent))
  }

  /// Comments of both sides, the oldest first.
  func conversation(_ ticket: TicketRecord) async throws -> [DoorayComment] {
    try await base.client.listDoorayComments(
      ListDoorayCommentsRequest(parent: base.world.name(ticket), pageSize: 200), base.world.by(TicketWorld.kim)
    ).comments.reversed()
  }

  /// Sends what is due in the outbox, as the daemon does.
  func send() async throws {
    let worker = delivery.worker(holder: "tests")
    while try await worker.runOnce(deadline: TestDatabase.deadline) > 0 {}
  }

  /// Lets so much time pass that what was sent without an answer is settled, and is tried again.
  func passSettling() async throws {
    try await base.world.run("UPDATE dooray_comment SET try_time = try_time - interval '1 hour'")
    try await base.world.run("UPDATE dooray_file SET try_time = try_time - interval '1 hour'")
    try await hurry()
  }

  /// Makes what waits in the outbox due.
  func hurry() async throws {
    try await base.world.run(
      "UPDATE outbox SET due_time = now(), lease_time = NULL, lease_holder = NULL WHERE topic = 'DOORAY'")
  }
}
