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

/// Random acts by random agents at the same time, alone and in batches, held against ``LifecycleModel``.
@Suite struct LifecycleModelTests {
  /// The services of one run, and what has succeeded in it.
  private final class Run: Sendable {
    let all: BatchWorld
    let world: TicketWorld
    let tickets: TicketServiceClient
    let assignment: AssignmentServiceClient
    /// What has succeeded, by ticket.
    let done = Mutex<[String: [DoneAct]]>([:])
    /// How many acts had which outcome.
    let seen = Mutex<[String: Int]>([:])

    init(_ all: BatchWorld, _ assignment: any RPCTransport) {
      self.all = all
      world = all.world
      tickets = all.client
      self.assignment = AssignmentServiceClient(assignment)
    }

    func note(_ ticket: String, _ act: DoneAct, inBatch: Bool = false) {
      done.withLock { $0[ticket, default: []].append(act) }
      seen.withLock { $0[act.code.rawValue + (inBatch ? " in a batch" : ""), default: 0] += 1 }
    }

    /// What lost a race or came at the wrong time is told so, by one of these reasons.
    func note(_ reason: Reason?, _ place: String) {
      let expected: Set<Reason> = [
        .transitionNotAllowed, .ticketAlreadyHeld, .staleVersion, .conflict, .permissionDenied, .reasonNotAllowed,
        .ticketNotFound, .groupNotFound,
      ]
      #expect(reason.map(expected.contains) ?? false, "\(reason?.rawValue ?? "no reason"): \(place)")
      seen.withLock { $0[reason?.rawValue ?? "", default: 0] += 1 }
    }
  }

  /// Somebody who acts on a ticket.
  private struct Attempt {
    let ticket: String
    let agent: AgentID
    let caller: CallOptions
    /// 0: the ticket as it is now.
    let version: Int64
    /// Found nowhere else.
    let words: String

    var by: String { AgentName(id: agent).description }
    var isIssue: Bool { ticket.hasPrefix("services/bugs/") }
    var service: String { isIssue ? "services/bugs" : "services/care" }
    var group: String { isIssue ? "services/bugs/groups/20" : "services/care/groups/1" }
    /// Who can be given the ticket.
    var holders: [String] { isIssue ? ["agents/1", "agents/3"] : ["agents/1", "agents/2"] }
  }

  /// While fewer tickets than these are open, further ones are made.
  private static let openMin = 8

  private func act(_ run: Run, among known: [String], _ random: inout SeededGenerator) async throws {
    let agents = [TicketWorld.kim, TicketWorld.lee, TicketWorld.boss]
    guard let agent = agents.randomElement(using: &random) else { return }
    guard known.count >= Self.openMin, let ticket = known.randomElement(using: &random) else {
      return try await create(run, by: agent, &random)
    }
    let version: Int64 = Int.random(in: 0..<6, using: &random) == 0 ? 1 : 0
    let attempt = Attempt(
      ticket: ticket, agent: agent, caller: run.world.by(agent), version: version, words: "말 \(random.next())")
    switch Int.random(in: 0..<21, using: &random) {
    case 0..<3: try await hand(run, attempt, &random)
    case 3..<10: try await process(run, attempt, &random)
    case 10..<12: try await administer(run, attempt, &random)
    case 12:
      let saved = try await run.tickets.updateTicket(
        UpdateTicketRequest(
          ticket: Ticket(name: ticket, title: attempt.words), updateMask: FieldMask(paths: ["title"]),
          version: attempt.version), attempt.caller)
      run.note(ticket, DoneAct(code: .fieldsSaved, by: attempt.by, version: saved.version))
    case 13..<16:
      let waiting = try await run.tickets.escalateTicket(
        EscalateTicketRequest(
          name: ticket, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20",
          title: "도와주세요", text: attempt.words, version: attempt.version), attempt.caller)
      run.note(
        ticket,
        DoneAct(
          code: .escalated, by: attempt.by, text: attempt.words, made: waiting.targetTicket, version: waiting.version))
    case 16, 17: try await batch(run, attempt, among: known, &random)
    default:
      let entry = try await run.tickets.appendInquiry(
        AppendInquiryRequest(parent: ticket, text: attempt.words), run.world.by("mail"))
      let parent = entry.name.split(separator: "/").prefix(4).joined(separator: "/")
      run.note(
        ticket,
        parent == ticket
          ? DoneAct(code: .customerReplied, by: "mail", text: attempt.words)
          : DoneAct(code: .followedUp, by: "mail", text: attempt.words, made: parent))
    }
  }

  /// Makes a ticket that nobody holds, or somebody.
  private func create(_ run: Run, by agent: AgentID, _ random: inout SeededGenerator) async throws {
    let text = "말 \(random.next())"
    let holder = ["", "agents/1", "agents/2"].randomElement(using: &random) ?? ""
    let made = try await run.tickets.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "문의", text: text, submissionType: "services/care/submissionTypes/1",
        group: holder.isEmpty ? "" : "services/care/groups/1", agent: holder), run.world.by(agent))
    let by = AgentName(id: agent).description
    run.note(made.name, DoneAct(code: .created, by: by, text: text, agent: holder, made: made.name))
  }

  /// Takes the ticket, or hands it to somebody.
  private func hand(_ run: Run, _ attempt: Attempt, _ random: inout SeededGenerator) async throws {
    guard Int.random(in: 0..<3, using: &random) == 0, let agent = attempt.holders.randomElement(using: &random) else {
      let kept = try await run.assignment.keepTicket(
        KeepTicketRequest(
          name: attempt.ticket, group: attempt.isIssue ? "" : attempt.group, version: attempt.version), attempt.caller)
      return run.note(attempt.ticket, DoneAct(code: .kept, by: attempt.by, version: kept.version))
    }
    let forwarded = try await run.assignment.forwardTicket(
      ForwardTicketRequest(name: attempt.ticket, group: attempt.group, agent: agent, version: attempt.version),
      attempt.caller)
    run.note(attempt.ticket, DoneAct(code: .forwarded, by: attempt.by, agent: agent, version: forwarded.version))
  }

  private func process(_ run: Run, _ attempt: Attempt, _ random: inout SeededGenerator) async throws {
    let acts: [(ProcessTicketRequest.Act, Ticket.InternalReason, EventCode)] = [
      (.resolve, .unspecified, .resolved), (.hold, .unspecified, .held), (.comment, .unspecified, .commented),
      (.resolveInternally, .test, .resolvedInternally), (.resolveInternally, .spam, .resolvedInternally),
    ]
    guard let (act, reason, code) = acts.randomElement(using: &random) else { return }
    let done = try await run.tickets.processTicket(
      ProcessTicketRequest(
        name: attempt.ticket, act: act, text: attempt.words, internalReason: reason, version: attempt.version),
      attempt.caller)
    run.note(attempt.ticket, DoneAct(code: code, by: attempt.by, text: attempt.words, version: done.version))
  }

  /// What is for administrators, tried by anybody.
  private func administer(_ run: Run, _ attempt: Attempt, _ random: inout SeededGenerator) async throws {
    let (name, version, by) = (attempt.ticket, attempt.version, attempt.by)
    switch Int.random(in: 0..<4, using: &random) {
    case 0:
      let done = try await run.tickets.completeTicket(
        CompleteTicketRequest(name: name, version: version), attempt.caller)
      run.note(name, DoneAct(code: .completed, by: by, version: done.version))
    case 1, 2:
      let done = try await run.tickets.restoreTicket(RestoreTicketRequest(name: name, version: version), attempt.caller)
      run.note(name, DoneAct(code: .spamRestored, by: by, version: done.version))
    default:
      // What is in the spam box, when something is: few tickets are.
      let spam = try await run.world.rows("SELECT id FROM ticket WHERE is_spam AND delete_time IS NULL ORDER BY id")
        .map { TicketName(service: "care", id: try $0.value(0)).description }
      let name = spam.randomElement(using: &random) ?? name
      _ = try await run.tickets.deleteTicket(DeleteTicketRequest(name: name), attempt.caller)
      run.note(name, DoneAct(code: .spamDeleted, by: by))
    }
  }

  /// One act on several tickets of a service, by somebody who belongs to it.
  private func batch(
    _ run: Run, _ attempt: Attempt, among known: [String], _ random: inout SeededGenerator
  ) async throws {
    let agent = attempt.agent == TicketWorld.boss ? TicketWorld.boss : TicketWorld.kim
    let holder = attempt.holders.randomElement(using: &random) ?? ""
    let rows: [(Batch, EventCode)] = [
      (Batch(act: .resolve, text: attempt.words), .resolved), (Batch(act: .hold, text: attempt.words), .held),
      (Batch(act: .comment, text: attempt.words), .commented),
      (Batch(act: .resolveInternally, text: attempt.words, internalReason: .spam), .resolvedInternally),
      (Batch(act: .resolveInternally, text: attempt.words, internalReason: .others), .resolvedInternally),
      (Batch(act: .forward, group: attempt.group, agent: holder), .forwarded),
      (Batch(act: .complete), .completed), (Batch(act: .restore), .spamRestored),
    ]
    guard let (batch, code) = rows.randomElement(using: &random) else { return }
    let others = known.filter { $0.hasPrefix("\(attempt.service)/") && $0 != attempt.ticket }
    let ordered = try await run.tickets.createBatch(
      CreateBatchRequest(
        parent: attempt.service, batch: batch,
        tickets: [attempt.ticket] + others.shuffled(using: &random).prefix(3)), run.world.by(agent))
    let by = AgentName(id: agent).description
    for result in try await run.all.results(try await run.all.end(ordered)) {
      if result.outcome == .succeeded {
        let act = DoneAct(code: code, by: by, text: batch.text, agent: batch.agent)
        run.note(result.ticket, act, inBatch: true)
      } else {
        run.note(Reason(rawValue: result.reason), "\(result) \(TestScale.place(0))")
      }
    }
  }

  private func perform(_ run: Run, seed: UInt64, acts: Int) async throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<acts {
      // Those that are closed or deleted are tried now and then.
      let isForAll = Int.random(in: 0..<8, using: &random) == 0
      let known = try await run.world.rows(
        """
        SELECT s.code, t.id FROM ticket AS t JOIN service AS s ON s.id = t.service_id
        WHERE t.delete_time IS NULL AND t.state <> 'COMPLETED' OR \(isForAll) ORDER BY t.id
        """
      ).map { "services/\(try $0.string(0))/tickets/\(try $0.int64(1))" }
      do {
        try await act(run, among: known, &random)
      } catch {
        run.note(ServiceError(caught: error).reason, "\(error) seed \(seed), \(TestScale.place(0))")
      }
    }
  }

  @Test("whatever agents do at the same time, every ticket is what the model says, and nothing is lost or made twice")
  func randomActs() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    try await world.run("INSERT INTO agent_group (service_id, id, display_name) VALUES (2, 20, 'Repair')")
    try await world.run("INSERT INTO group_member (service_id, group_id, agent_id) VALUES (2, 20, 1), (2, 20, 3)")
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let passwords = PasswordCheck()
    defer { passwords.shutdown() }
    let assignment = AssignmentService(
      ledger: theirs, runner: TriggerRunner(ledger: theirs, log: log, metrics: Metrics()), passwords: passwords,
      callbacks: Callbacks(pool: theirs.pool, masking: nil))
    let run = Run(
      all,
      InProcessTransport(
        group: TestLoops.group, services: [assignment.rpcService], interceptors: [CallsFrom(name: "gateway")]))
    for state in [TicketState.unassigned, .processing, .pending] { _ = try await world.ticket(state) }
    _ = try await world.ticket(TicketWorld.Shape(isSpam: true))
    let began = try await StoredTicket.all(world)
    await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        let seed = TestScale.seed &+ UInt64(worker) &* 7919
        group.addTask { try await self.perform(run, seed: seed, acts: TestScale.count(usual: 120, all: 1_500)) }
      }
      while let result = await group.nextResult() {
        if case .failure(let error) = result { Issue.record(error) }
      }
    }
    let told = run.seen.withLock { $0 }.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    print("acts by outcome: \(told.joined(separator: ", "))")
    try await check(run, began)
    try await checkCounters(world)
  }

  private func check(_ run: Run, _ began: [String: StoredTicket]) async throws {
    let after = try await StoredTicket.all(run.world)
    var replay = LifecycleReplay(from: began, to: after, by: run.done.withLock { $0 })
    let models = replay.run()
    // Every success has its event.
    let lost = replay.left.filter { !$0.value.isEmpty }
    #expect(lost.isEmpty, "\(lost) \(TestScale.place(0))")
    for (name, stored) in after {
      let model = try #require(models[name])
      let (place, record) = ("\(name) \(TestScale.place(0))", stored.record)
      #expect(record.state == model.state && record.isSpam == model.isSpam, "\(place)")
      #expect(LifecycleModel.holder(of: record) == model.holder, "\(place)")
      #expect((record.deleteTime != nil) == model.isDeleted, "\(place)")
      #expect(stored.entries == model.entries, "\(place)")
      #expect(record.eventCount == stored.events.count && record.entryCount == stored.entries.count, "\(place)")
      let verified = try await run.world.ledger.verify(record.id, of: record.serviceID, deadline: TestDatabase.deadline)
      #expect(verified.isIntact, "\(verified.finding): \(place)")
      try await checkSight(run, name, model)
    }
    let spam = try await run.tickets.listTickets(
      ListTicketsRequest(parent: "services/care", menu: .spam, pageSize: 200), run.world.by(TicketWorld.boss))
    let expected = models.filter { $0.value.isSpam && !$0.value.isDeleted }.keys.sorted()
    #expect(!spam.nextPageToken.isEmpty || spam.tickets.map(\.name).sorted() == expected, "\(TestScale.place(0))")
    let escalated = try await run.world.count("SELECT count(*) FROM ticket_event WHERE code = 'ESCALATED'")
    #expect(try await run.world.count("SELECT count(*) FROM ticket WHERE service_id = 2") == escalated)
  }

  /// A ticket as agents see it; a deleted one is found by nobody.
  private func checkSight(_ run: Run, _ name: String, _ model: LifecycleModel) async throws {
    let (boss, place) = (run.world.by(TicketWorld.boss), "\(name) \(TestScale.place(0))")
    guard model.isDeleted else {
      let seen = try await run.tickets.getTicket(GetTicketRequest(name: name), boss)
      #expect(seen.state.rawValue == model.state.number && seen.agent == model.holder, "\(place)")
      #expect(seen.spam == model.isSpam && seen.targetTicket == model.target, "\(place)")
      return
    }
    for reason in [
      await refusal { try await run.tickets.getTicket(GetTicketRequest(name: name), boss) }?.reason,
      await refusal { try await run.tickets.listEntries(ListEntriesRequest(parent: name), boss) }?.reason,
      await refusal { try await run.tickets.listEvents(ListEventsRequest(parent: name), boss) }?.reason,
    ] { #expect(reason == .ticketNotFound, "\(place)") }
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
