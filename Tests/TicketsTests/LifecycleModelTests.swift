import Assignment
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Tickets

/// Random acts by random agents at the same time, held against a model of the lifecycle that is written down here a
/// second time, from the product's rules and not from the table.
@Suite struct LifecycleModelTests {
  /// One ticket of the model.
  private struct Model {
    var state = TicketState.unassigned
    var isSpam = false
    var stateBeforeSpam: TicketState?
    var target = ""

    private static let workable: Set<TicketState> = [.processing, .pending, .escalationAnswered, .doorayAnswered]

    /// Takes an event over; says why it may not have happened.
    mutating func take(_ event: Event) -> String? {
      func after(_ field: String) -> String? { event.changes.first { $0.field == field }?.after }
      guard let code = EventCode(rawValue: event.code) else { return "an unknown code" }
      // Words that come from outside, a customer's or those of an issue ticket, are added there, too.
      let comesIn: Set<EventCode> = [.customerReplied, .escalationAnswered]
      let isPutAside = isSpam && ![.spamRestored, .spamDeleted].contains(code) && !comesIn.contains(code)
      if isPutAside, code != .spamMoved, code != .mailSkipped { return "\(code) in the spam box" }
      switch code {
      case .created: state = after("agent") == nil ? .unassigned : .processing
      case .kept:
        guard state == .unassigned else { return "kept in \(state)" }
        state = .processing
      case .forwarded:
        guard state != .resolved, state != .completed else { return "forwarded in \(state)" }
        if state != .escalating { state = .processing }
      case .resolved, .held, .resolvedInternally, .escalated:
        guard Self.workable.contains(state) else { return "\(code) in \(state)" }
        stateBeforeSpam = state
        state = code == .held ? .pending : code == .escalated ? .escalating : .resolved
        if code == .escalated { target = after("target_ticket") ?? "" }
      case .spamMoved:
        guard state == .resolved else { return "moved to spam in \(state)" }
        isSpam = true
      case .spamRestored:
        guard isSpam, let before = stateBeforeSpam else { return "restored outside the spam box" }
        (isSpam, state) = (false, before)
      case .completed:
        guard state == .resolved else { return "completed in \(state)" }
        state = .completed
      case .customerReplied:
        guard state != .completed else { return "a reply to a completed ticket" }
        // On an issue ticket it is the copy of what was written to the consultation ticket.
        if !isSpam, state == .resolved || state == .pending, after("state") != nil { state = .processing }
      case .followedUp: guard state == .completed else { return "followed up in \(state)" }
      case .escalationAnswered:
        // The words of an issue ticket that was replaced meanwhile are only added.
        if state == .escalating, after("state") != nil { state = .escalationAnswered }
      case .commented, .fieldsSaved: guard state != .completed else { return "\(code) in \(state)" }
      default: break
      }
      return nil
    }
  }

  /// The services of one run, and what has succeeded in it.
  private final class Run: Sendable {
    let world: TicketWorld
    let tickets: TicketServiceClient
    let assignment: AssignmentServiceClient
    /// Successes by ticket and code.
    let done = Mutex<[String: Int]>([:])
    let refused = Mutex<[Reason: Int]>([:])

    init(_ world: TicketWorld, _ assignment: any RPCTransport) {
      self.world = world
      tickets = world.client
      self.assignment = AssignmentServiceClient(assignment)
    }

    func note(_ ticket: String, _ code: EventCode) {
      done.withLock { $0["\(ticket) \(code.rawValue)", default: 0] += 1 }
    }
  }

  /// What lost a race or came at the wrong time is told so, by these reasons and no others.
  private static let expected: Set<Reason> = [
    .transitionNotAllowed, .ticketAlreadyHeld, .staleVersion, .conflict, .permissionDenied, .reasonNotAllowed,
    .ticketNotFound, .groupNotFound,
  ]

  private func act(_ run: Run, on ticket: String, _ random: inout SeededGenerator) async throws {
    let agents = [TicketWorld.kim, TicketWorld.lee, TicketWorld.boss]
    guard let agent = agents.randomElement(using: &random) else { return }
    let caller = run.world.by(agent)
    let isIssue = ticket.hasPrefix("services/bugs/")
    let version: Int64 = Int.random(in: 0..<6, using: &random) == 0 ? 1 : 0
    let pick = Int.random(in: 0..<16, using: &random)
    let number = random.next()
    switch pick {
    case 0, 1:
      _ = try await run.assignment.keepTicket(
        KeepTicketRequest(name: ticket, group: isIssue ? "" : "services/care/groups/1", version: version), caller)
      run.note(ticket, .kept)
    case 2:
      _ = try await run.assignment.forwardTicket(
        ForwardTicketRequest(
          name: ticket, group: isIssue ? "services/bugs/groups/20" : "services/care/groups/1", agent: "agents/1",
          version: version), caller)
      run.note(ticket, .forwarded)
    case 3...9:
      let acts: [(ProcessTicketRequest.Act, Ticket.InternalReason, EventCode)] = [
        (.resolve, .init(rawValue: 0), .resolved), (.hold, .init(rawValue: 0), .held),
        (.comment, .init(rawValue: 0), .commented), (.resolveInternally, .test, .resolvedInternally),
        (.resolveInternally, .spam, .resolvedInternally),
      ]
      let (act, reason, code) = acts[Int(number % UInt64(acts.count))]
      _ = try await run.tickets.processTicket(
        ProcessTicketRequest(name: ticket, act: act, text: "말 \(number)", internalReason: reason, version: version),
        caller)
      run.note(ticket, code)
    case 10:
      _ = try await run.tickets.completeTicket(CompleteTicketRequest(name: ticket, version: version), caller)
      run.note(ticket, .completed)
    case 11:
      _ = try await run.tickets.restoreTicket(RestoreTicketRequest(name: ticket, version: version), caller)
      run.note(ticket, .spamRestored)
    case 12:
      _ = try await run.tickets.updateTicket(
        UpdateTicketRequest(
          ticket: Ticket(name: ticket, title: "제목 \(number)"), updateMask: FieldMask(paths: ["title"]),
          version: version), caller)
      run.note(ticket, .fieldsSaved)
    case 13:
      _ = try await run.tickets.escalateTicket(
        EscalateTicketRequest(
          name: ticket, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20",
          title: "도와주세요", text: "확인 \(number)", version: version), caller)
      run.note(ticket, .escalated)
    default:
      let entry = try await run.tickets.appendInquiry(
        AppendInquiryRequest(parent: ticket, text: "고객 \(number)"), run.world.by("mail"))
      run.note(ticket, entry.name.hasPrefix("\(ticket)/") ? .customerReplied : .followedUp)
    }
  }

  private func perform(_ run: Run, seed: UInt64, acts: Int) async throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<acts {
      let known = try await run.world.rows("SELECT s.code, t.id FROM ticket t JOIN service s ON s.id = t.service_id")
        .map { "services/\(try $0.string(0))/tickets/\(try $0.int64(1))" }
      guard let ticket = known.randomElement(using: &random) else { return }
      do {
        try await act(run, on: ticket, &random)
      } catch {
        let reason = ServiceError(caught: error).reason
        #expect(Self.expected.contains(reason), "\(error) \(TestScale.place(Int(seed)))")
        run.refused.withLock { $0[reason, default: 0] += 1 }
      }
    }
  }

  @Test("whatever agents do at the same time, every ticket's history is one that the model allows, and nothing is lost")
  func randomActs() async throws {
    let world = try await TicketWorld()
    try await world.run("INSERT INTO agent_group (service_id, id, display_name) VALUES (2, 20, 'Repair')")
    try await world.run("INSERT INTO group_member (service_id, group_id, agent_id) VALUES (2, 20, 1)")
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let passwords = PasswordCheck()
    defer { passwords.shutdown() }
    let assignment = AssignmentService(
      ledger: theirs, runner: TriggerRunner(ledger: theirs, log: log, metrics: Metrics()), passwords: passwords,
      callbacks: Callbacks(pool: theirs.pool, masking: nil))
    let run = Run(
      world,
      InProcessTransport(
        group: TestLoops.group, services: [assignment.rpcService], interceptors: [CallsFrom(name: "gateway")]))
    for state in [TicketState.unassigned, .processing, .pending] { _ = try await world.ticket(state) }
    let began = try await events(world)
    await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        let seed = TestScale.seed &+ UInt64(worker) &* 7919
        group.addTask { try await self.perform(run, seed: seed, acts: TestScale.count(usual: 60, all: 1_500)) }
      }
      while let result = await group.nextResult() {
        if case .failure(let error) = result { Issue.record(error) }
      }
    }
    try await check(run, began)
    try await checkCounters(world)
  }

  /// Events of every ticket by name.
  private func events(_ world: TicketWorld) async throws -> [String: [Event]] {
    var all: [String: [Event]] = [:]
    let tickets = try await world.rows("SELECT \(fragment: TicketRecord.columns) FROM ticket AS t").map {
      try TicketRecord($0)
    }
    for ticket in tickets {
      all[world.name(ticket)] = try await world.ledger.events(
        of: ticket, limit: 100_000, deadline: TestDatabase.deadline)
    }
    return all
  }

  private func check(_ run: Run, _ began: [String: [Event]]) async throws {
    var left = run.done.withLock { $0 }
    for (name, events) in try await events(run.world) {
      var model = Model()
      // How the ticket was set up before the run is taken as it is.
      let setUp = began[name]?.count ?? 0
      for event in events.prefix(setUp) {
        let state = event.changes.first { $0.field == "state" }.flatMap { TicketState(rawValue: $0.after) }
        model.state = state ?? model.state
      }
      for event in events.dropFirst(setUp) {
        let wrong = model.take(event)
        #expect(wrong == nil, "\(name) event \(event.sequence): \(wrong ?? "") \(TestScale.place(0))")
        if let state = event.changes.first(where: { $0.field == "state" })?.after {
          #expect(state == model.state.rawValue, "\(name) event \(event.sequence) \(TestScale.place(0))")
        }
      }
      let id = try #require(TicketName(name))
      let row = try await run.world.rows("SELECT state, is_spam, event_count FROM ticket WHERE id = \(id.id)")[0]
      #expect(try row.string(0) == model.state.rawValue, "\(name) \(TestScale.place(0))")
      #expect(try row.value(1, as: Bool.self) == model.isSpam)
      #expect(try row.int64(2) == Int64(events.count))
      let service = try await run.world.service(id.service)
      let verified = try await run.world.ledger.verify(id.id, of: service.id, deadline: TestDatabase.deadline)
      #expect(verified.isIntact, "\(name): \(verified.finding) \(TestScale.place(0))")
      // Every success has its event, and every event of an act had its success.
      for event in events.dropFirst(began[name]?.count ?? 1) {
        left["\(name) \(event.code)", default: 0] -= 1
      }
    }
    let consequences = [
      EventCode.spamMoved, .mailSkipped, .escalationAnswered, .mailSent,
    ].map(\.rawValue)
    let unexplained = left.filter { key, count in
      if count == 0 { return false }
      if consequences.contains(where: { key.hasSuffix(" \($0)") }) { return false }
      // The copy of a customer's words on an issue ticket follows from the consultation ticket's.
      return !(key.hasPrefix("services/bugs/") && key.hasSuffix(" CUSTOMER_REPLIED"))
    }
    #expect(unexplained.isEmpty, "\(TestScale.place(0))")
    let escalated = try await run.world.count("SELECT count(*) FROM ticket_event WHERE code = 'ESCALATED'")
    #expect(try await run.world.count("SELECT count(*) FROM ticket WHERE service_id = 2") == escalated)
  }

  /// The counters are what a recount of the tickets gives.
  private func checkCounters(_ world: TicketWorld) async throws {
    for code in ["care", "bugs"] {
      let service = try await world.service(code)
      let counters = try await world.ledger.counters(of: service, for: nil, deadline: TestDatabase.deadline)
      var recount: [TicketState: Int64] = [:]
      let rows = try await world.rows(
        "SELECT state, count(*) FROM ticket WHERE service_id = \(service.id) AND NOT is_spam GROUP BY state")
      for row in rows { recount[try row.value(0)] = try row.int64(1) }
      #expect(counters.byState == recount, "\(TestScale.place(0))")
    }
  }
}
