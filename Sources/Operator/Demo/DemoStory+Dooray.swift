import EventLoop
import HandoffAPI
import MessageJSON
import Outbound
import RPC

extension DemoStory {
  static let taskText = "**상자 한 개**가 아직 창고에 있는지 확인해 주세요."
  static let warehouseText = "창고에 있습니다. 오늘 오후에 보냅니다."
  static let thanksText = "감사합니다. 송장 번호도 남겨 주세요."

  /// A third inquiry becomes a task at Dooray!, where a colleague works on it; left out where there is no fake one.
  func escalateToDooray(_ administrator: Person) async throws {
    guard let dooray else {
      return show(
        "\n(No fake Dooray! runs beside this cluster, so nothing is escalated there:"
          + " handoff up \(CommandOption.withFakeDooray.rawValue))")
    }
    let (ticket, holder) = try await ticketForDooray(administrator)
    let project = try await doorayProject(holder)
    let waiting = try await escalate(ticket, to: project, holder)
    let task = try await client.api.listDoorayTasks(
      ListDoorayTasksRequest(parent: waiting.name), options(holder)
    ).tasks.first
    guard let task else { throw DemoFailure("\(waiting.name) has no task at Dooray!") }

    step("Somebody in the warehouse takes the task up and comments on it; hooks tell Handoff")
    try await dooray.move(task.doorayId, to: "working")
    try await dooray.comment(Self.warehouseText, on: task.doorayId)
    try await waits(for: .doorayInProgress, waiting, holder)
    show("→ DOORAY_IN_PROGRESS, by the hook and what Dooray! says when it is asked")
    let received = try await wait("the comment of \(task.doorayId) did not come within 20 s") {
      try await conversation(waiting, holder)
    } until: {
      $0.contains { $0.text == Self.warehouseText }
    }
    show("HandoffService.ListDoorayComments → \(received.last?.authorDisplayName ?? "?"): \(Self.warehouseText)")

    step("\(holder.agent.displayName) answers there, and the task is done")
    _ = try await client.api.createDoorayComment(
      CreateDoorayCommentRequest(parent: waiting.name, text: Self.thanksText), options(holder))
    let sent = try await wait("the agent's comment was not sent within 20 s") {
      try await conversation(waiting, holder)
    } until: {
      $0.contains { $0.text == Self.thanksText && $0.state == .sent }
    }
    try expect(sent.count == 2, "\(sent.count) comments in the place of two")
    try expect(try await dooray.comments(on: task.doorayId) == 2, "Dooray! has another number of comments")
    show("HandoffService.CreateDoorayComment → SENT, once on either side")
    try await dooray.move(task.doorayId, to: "closed")
    try await waits(for: .doorayAnswered, waiting, holder)
    let number = waiting.name.split(separator: "/").last ?? ""
    let told = try await wait("the channel \(FakeDooray.channel) was not told within 20 s") {
      try await dooray.messages()
    } until: {
      $0.contains { $0.hasPrefix("\(number) ") }
    }
    show("A trigger writes into the messenger channel \(FakeDooray.channel): \(told.last ?? "")")
    let resolved = try await client.api.processTicket(
      ProcessTicketRequest(name: waiting.name, act: .resolve, text: Self.warehouseText), options(holder))
    try expect(resolved.state == .resolved, "the ticket is \(resolved.state.protoName ?? "?"), not RESOLVED")
    show("→ DOORAY_ANSWERED, then ProcessTicket → \(resolved.state.protoName ?? "?")")
  }

  private func ticketForDooray(_ administrator: Person) async throws -> (Ticket, Person) {
    step("A third inquiry comes in, about a parcel that may still be in the warehouse")
    let type = try await client.api.listSubmissionTypes(
      ListSubmissionTypesRequest(parent: service), options(administrator)
    ).submissionTypes.first(where: \.active)
    let created = try await client.api.createTicket(
      CreateTicketRequest(
        parent: service, title: "상자 한 개가 오지 않았어요", text: "두 개 중 하나만 왔습니다.", submissionType: type?.name ?? ""),
      options(administrator))
    let ticket = try await assigned(created, administrator)
    show("→ \(ticket.name), held by \(ticket.agentDisplayName)")
    return (ticket, try await signIn(ticket.agent, administrator))
  }

  private func doorayProject(_ holder: Person) async throws -> DoorayProject {
    let projects = try await client.api.listDoorayProjects(
      ListDoorayProjectsRequest(parent: service), options(holder)
    ).projects
    guard let project = projects.first(where: { $0.doorayId == FakeDooray.projects[0].id }) else {
      throw DemoFailure("\(service) does not know the project \(FakeDooray.projects[0].code)")
    }
    return project
  }

  private func escalate(_ ticket: Ticket, to project: DoorayProject, _ holder: Person) async throws -> Ticket {
    step("\(holder.agent.displayName) escalates it to \(project.displayName) at Dooray!")
    let choices = try await client.api.getDoorayChoices(GetDoorayChoicesRequest(name: project.name), options(holder))
    show("HandoffService.GetDoorayChoices → tags \(choices.tags.map(\.displayName).joined(separator: ", "))")
    var request = EscalateToDoorayRequest(
      name: ticket.name, project: project.name, subject: "상자 확인", text: Self.taskText,
      assigneeIds: [FakeDooray.colleague], requestId: "\(ticket.name)-dooray")
    do {
      _ = try await client.api.escalateToDooray(request, options(holder))
      throw DemoFailure("a task without the tag that its project demands was created")
    } catch let error as RPCError {
      show("EscalateToDooray without a tag → \(error.message)")
    }
    request.tagIds = [FakeDooray.tag]
    let waiting = try await client.api.escalateToDooray(request, options(holder))
    try expect(
      waiting.state == .doorayEscalated, "the ticket is \(waiting.state.protoName ?? "?"), not DOORAY_ESCALATED")
    show("EscalateToDooray  \"\(Self.taskText)\" → \(waiting.state.protoName ?? "?")")
    return waiting
  }

  private func waits(for state: Ticket.State, _ ticket: Ticket, _ reader: Person) async throws {
    _ = try await wait("\(ticket.name) did not become \(state.protoName ?? "?") within 20 s") {
      try await client.api.getTicket(GetTicketRequest(name: ticket.name), options(reader))
    } until: {
      $0.state == state
    }
  }

  private func conversation(_ ticket: Ticket, _ reader: Person) async throws -> [DoorayComment] {
    try await client.api.listDoorayComments(
      ListDoorayCommentsRequest(parent: ticket.name), options(reader)
    ).comments
  }
}

/// What a colleague does at the fake Dooray!.
struct DemoDooray: Sendable {
  /// Its URL without a path.
  let url: String
  let http: HTTPClient

  /// Moves a task into a step of a class.
  func move(_ task: String, to step: String) async throws {
    _ = try await control("move", [("post", task), ("class", step), ("member", FakeDooray.colleague)])
  }

  /// Comments on a task.
  func comment(_ text: String, on task: String) async throws {
    _ = try await control("comment", [("post", task), ("text", text), ("member", FakeDooray.colleague)])
  }

  /// How many comments a task has.
  func comments(on task: String) async throws -> Int {
    guard case .array(let posts) = try await control("posts", []) else { return 0 }
    for case .object(let post) in posts where post.contains(where: { $0.name == "id" && $0.value == .string(task) }) {
      if case .array(let logs)? = post.first(where: { $0.name == "logs" })?.value { return logs.count }
    }
    return 0
  }

  /// What was written into the channel, the oldest first.
  func messages() async throws -> [String] {
    let channels = try await control("messages", [])
    guard case .array(let messages)? = Self.member(FakeDooray.hook, of: channels) else { return [] }
    return messages.compactMap { message in
      if case .string(let text)? = Self.member("text", of: message) { text } else { nil }
    }
  }

  private static func member(_ name: String, of value: JSONValue) -> JSONValue? {
    if case .object(let members) = value { members.first { $0.name == name }?.value } else { nil }
  }

  private func control(_ name: String, _ members: [(String, String)]) async throws -> JSONValue {
    let body = JSONValue.object(members.map { JSONMember(name: $0.0, value: .string($0.1)) })
    let request = HTTPRequest(
      "POST", "\(url)/_control/\(name)", headers: ["content-type: application/json"],
      body: JSONWriter.bytes(of: body))
    let reply = try await http.send(request, deadline: .after(.seconds(20)))
    guard reply.status == 200 else { throw DemoFailure("the fake Dooray! answered \(reply.status) to \(name)") }
    return try JSONParser.parse(reply.body)
  }
}
