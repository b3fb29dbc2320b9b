import EventLoop
import HandoffAPI
import RPC

/// The story of two inquiries, from the customers' words to the answers in their mail boxes: one is masked, held,
/// forwarded, resolved and opened again, the other goes to the issue service and back. A third one goes to Dooray!,
/// where there is a fake one. At the end a batch is watched.
///
/// Used by one task, step after step.
final class DemoStory {
  /// Somebody who is signed in.
  struct Person {
    let agent: Agent
    let token: String
    var name: String { agent.name }
  }

  let client: DemoClient
  let mailPlace: DemoMails?
  /// Nil where no fake Dooray! runs beside the cluster.
  let dooray: DemoDooray?
  private let signIns: SignIns
  private let console: Console
  private(set) var stepNumber = 0
  private(set) var stepTitle = "beginning"

  let service = "services/care"
  let inquiry = DemoInquiry()
  private var people: [String: Person] = [:]

  init(_ client: DemoClient, _ signIns: SignIns, mails: DemoMails?, dooray: String?, _ console: Console) {
    self.client = client
    self.signIns = signIns
    mailPlace = mails
    self.dooray = dooray.map { DemoDooray(url: $0, http: client.http) }
    self.console = console
  }

  /// Tells the whole story.
  func tell() async throws {
    let administrator = try await signInThroughEdge()
    let rotation = try await readTrigger(administrator)
    let before = try await counters(administrator)
    let (first, second) = try await createTickets(administrator, rotation)
    try await explain(first, administrator)
    try await simulate(administrator)
    let holder = try await signIn(first.agent, administrator)
    let masks = try await mask(first, holder)
    var ticket = try await hold(first, holder)
    ticket = try await forward(ticket, from: holder, rotation, administrator)
    let resolver = try await signIn(ticket.agent, administrator)
    ticket = try await resolve(ticket, resolver)
    try await unmask(masks, of: ticket, resolver)
    try await maskSentWords(of: ticket, resolver)
    try await readMaskingReport(ticket, administrator)
    try await readLists(ticket, second, resolver)
    try await search(ticket, resolver)
    try await compareCounters(before, administrator)
    try await readEvents(ticket, holder, resolver, rotation, administrator)
    try await escalateAndAnswer(second, administrator)
    try await escalateToDooray(administrator)
    try await watchBatch(administrator)
    try await reopen(ticket, resolver, administrator)
  }

  /// Begins a step.
  func step(_ title: String) {
    stepNumber += 1
    stepTitle = title
    console.line("\n\(stepNumber < 10 ? " " : "")\(stepNumber)  \(title)")
  }

  /// Prints what was sent or came back.
  func show(_ text: String) {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) { console.line("      \(line)") }
  }

  /// A call's options in the name of `person`.
  func options(_ person: Person) -> CallOptions { client.signedIn(person.token) }

  /// Asks again until `ready` holds; what happens behind the scenes takes a moment.
  func wait<Value>(
    _ otherwise: String, for read: () async throws -> Value, until ready: (Value) -> Bool
  ) async throws -> Value {
    let deadline = Deadline.after(.seconds(20))
    while true {
      let value = try await read()
      if ready(value) { return value }
      try expect(!deadline.hasPassed, otherwise)
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  private func signInThroughEdge() async throws -> Person {
    step("The administrator signs in (JSON through the edge)")
    let account = DemoOrganization.administrator
    let body = ["email": account.email, "password": try signIns.password(of: account.email)]
    show("POST \(client.edge)/v1/session:signIn  {\"email\": \"\(account.email)\", \"password\": …}")
    struct Reply: Decodable {
      let token: String
    }
    let token = try await client.json("POST", "/v1/session:signIn", body: body, as: Reply.self).token
    let me = try await client.sessions.getMe(GetMeRequest(), client.signedIn(token))
    try expect(me.email == account.email, "signed in as \(me.email)")
    show("→ 200, a session of \(me.displayName) (\(me.name))")
    return Person(agent: me, token: token)
  }

  /// Signs in as the agent with this resource name.
  func signIn(_ name: String, _ administrator: Person) async throws -> Person {
    if let person = people[name] { return person }
    let agent = try await client.api.getAgent(GetAgentRequest(name: name), options(administrator))
    step("\(agent.displayName), who holds the ticket, signs in (gRPC)")
    let session = try await client.sessions.signIn(
      SignInRequest(email: agent.email, password: try signIns.password(of: agent.email)), client.anonymous)
    try expect(session.agent?.name == name, "the session is that of \(session.agent?.name ?? "nobody")")
    show("SessionService.SignIn → a session of \(agent.displayName) (\(name))")
    let person = Person(agent: session.agent ?? agent, token: session.token)
    people[name] = person
    return person
  }

  /// The sequential trigger: its name, and group and agents in turn.
  private func readTrigger(_ administrator: Person) async throws -> (trigger: String, AssignResult) {
    step("The service has a trigger that assigns new tickets in turn")
    let list = try await client.api.listTriggers(ListTriggersRequest(parent: service), options(administrator))
    for trigger in list.triggers where trigger.active {
      for case .assign(let result) in trigger.results.compactMap(\.result) where result.mode == .sequential {
        show(
          "HandoffService.ListTriggers → \(trigger.name) \"\(trigger.displayName)\":"
            + " \(result.agents.joined(separator: " → "))"
        )
        return (trigger.name, result)
      }
    }
    throw DemoFailure("\(service) has no active trigger that assigns in turn")
  }

  private func createTickets(
    _ administrator: Person, _ rotation: (trigger: String, AssignResult)
  ) async throws -> (Ticket, Ticket) {
    let types = try await client.api.listSubmissionTypes(
      ListSubmissionTypesRequest(parent: service), options(administrator)
    ).submissionTypes.filter(\.active)
    guard let type = types.first(where: { $0.displayName == "중복 결제" }) ?? types.first else {
      throw DemoFailure("\(service) has no submission type")
    }
    step("A customer's inquiry comes in (gRPC)")
    show("HandoffService.CreateTicket  \"\(inquiry.title)\"")
    show(inquiry.text)
    var first = try await client.api.createTicket(inquiry.request(service, type: type.name), options(administrator))
    first = try await assigned(first, administrator)
    show("→ \(first.name), \(first.state.protoName ?? "?"), held by \(first.agentDisplayName) (\(first.agent))")

    step("Another inquiry comes in (JSON through the edge)")
    let path = "/v1/\(service)/tickets"
    show("POST \(client.edge)\(path)  {\"title\": \"\(DemoInquiry.secondTitle)\", …}")
    struct Reply: Decodable {
      let name: String
    }
    let name = try await client.json(
      "POST", path, token: administrator.token, body: DemoInquiry.Second(submissionType: types[0].name), as: Reply.self
    ).name
    let second = try await assigned(
      try await client.api.getTicket(GetTicketRequest(name: name), options(administrator)), administrator)
    show("→ 200, \(second.name), held by \(second.agentDisplayName) (\(second.agent))")
    let agents = rotation.1.agents
    let turn = agents.firstIndex(of: first.agent)
    try expect(turn != nil, "\(first.agent) is not an agent of the trigger")
    let next = turn.map { agents[($0 + 1) % agents.count] } ?? ""
    try expect(
      second.agent == next && second.agent != first.agent,
      "after \(first.agent) it is \(next)'s turn, but \(second.agent) got the ticket (did somebody else create one?)")
    show("The trigger gave the two to two agents, in its order.")
    return (first, second)
  }

  /// A ticket once a trigger has given it to somebody.
  func assigned(_ ticket: Ticket, _ reader: Person) async throws -> Ticket {
    let ticket = try await wait("the trigger did not assign \(ticket.name) within 20 s") {
      try await client.api.getTicket(GetTicketRequest(name: ticket.name), options(reader))
    } until: {
      $0.state != .unassigned
    }
    try expect(ticket.state == .processing, "\(ticket.name) is \(ticket.state.protoName ?? "?"), not PROCESSING")
    return ticket
  }

  private func mask(_ ticket: Ticket, _ holder: Person) async throws -> [Mask] {
    step("\(holder.agent.displayName) masks the personal data")
    let found = try await client.api.detectPersonalData(
      DetectPersonalDataRequest(parent: ticket.name), options(holder)
    ).findings
    let scalars = Array(inquiry.text.unicodeScalars)
    for finding in found {
      guard let span = finding.span else { continue }
      let words = scalars.dropFirst(Int(span.start)).prefix(Int(span.length)).map(String.init).joined()
      show("DetectPersonalData → \(finding.kind.protoName ?? "?") at \(span.start)+\(span.length): \(words)")
    }
    for kind in [Finding.Kind.phone, .email, .residentRegistrationNumber] {
      try expect(found.contains { $0.kind == kind }, "no \(kind.protoName ?? "?") was found in the inquiry")
    }
    let response = try await client.api.createMasks(
      CreateMasksRequest(parent: ticket.name, spans: found.compactMap(\.span)), options(holder))
    try expect(response.masks.count == found.count, "\(response.masks.count) masks for \(found.count) spans")
    let text = try await inquiryText(ticket, holder)
    show("CreateMasks → \(response.masks.count) masks; the inquiry now reads:")
    show(text)
    for secret in inquiry.personalData {
      try expect(!text.contains(secret), "\(secret) can still be read")
    }
    try expect(text.contains("***"), "there are no asterisks in the masked text")
    return response.masks
  }

  func inquiryText(_ ticket: Ticket, _ reader: Person) async throws -> String {
    let entries = try await client.api.listEntries(ListEntriesRequest(parent: ticket.name), options(reader)).entries
    guard let first = entries.first, first.kind == .inquiry else {
      throw DemoFailure("the history does not begin with the inquiry")
    }
    return first.text
  }
}
