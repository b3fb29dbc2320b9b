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

/// Random acts, one after another, on tickets whose standing is known before each: whether an act must succeed, or with
/// which reason it must be refused, follows from rules that are written down here a second time, from the product's
/// rules and not from the table.
@Suite struct LifecyclePredictionTests {
  /// What somebody tries.
  enum Act: CaseIterable {
    case keep, forward, resolve, hold, comment, test, duplicate, spam, complete, restore, delete, update, escalate
    case reply
  }

  /// Who tries it; all but the customer are agents.
  enum Person: CaseIterable {
    case agent, forwarder, administrator, unassignable, guest, stranger, customer
  }

  /// A ticket as it must be.
  struct Known {
    let name: String
    var state: TicketState
    /// The place of the consultation ticket that it answers, and of the issue ticket that it waits for.
    var source: Int?
    var target: Int?
    var stateBeforeSpam: TicketState?
    var isDeleted = false

    var isIssue: Bool { name.hasPrefix("services/bugs/") }
    var isSpam: Bool { stateBeforeSpam != nil }
  }

  /// A ticket as the database has it.
  private struct Standing: Equatable {
    let state: String
    let isSpam: Bool
    let isDeleted: Bool
    let version: Int64
    let eventCount: Int64
  }

  /// Why an act must be refused; nil: it must succeed.
  ///
  /// - Parameter isStale: whether the caller names a version that is not the ticket's any more.
  static func refusal(of act: Act, by person: Person, on ticket: Known, isStale: Bool) -> Reason? {
    if person != .customer {
      if let reason = strangeness(of: person, to: ticket, act) { return reason }
    }
    if ticket.isDeleted { return .ticketNotFound }
    // Who keeps too late is told of the holder rather than of the version.
    if isStale, act != .keep { return .staleVersion }
    if [.complete, .restore, .delete].contains(act), person != .administrator { return .permissionDenied }
    if act == .reply, person != .customer { return .permissionDenied }
    if act == .escalate, ticket.isIssue { return .transitionNotAllowed }
    // Of an escalated ticket, the consultation ticket's agents decide what is no inquiry, and talk with the customer.
    if ticket.source != nil, [.duplicate, .spam].contains(act) { return .reasonNotAllowed }
    if ticket.source != nil, act == .reply { return .transitionNotAllowed }
    if [.restore, .delete].contains(act) != ticket.isSpam, act != .reply { return .transitionNotAllowed }
    if let reason = refusal(of: act, in: ticket.state, isSpam: ticket.isSpam) { return reason }
    return isStale ? .staleVersion : nil
  }

  /// Who does not work on tickets of the service learns nothing of them; forwarding is for who has the right to.
  private static func strangeness(of person: Person, to ticket: Known, _ act: Act) -> Reason? {
    let members: [Person] = ticket.isIssue ? [.agent, .administrator] : Person.allCases.filter { $0 != .stranger }
    if !members.contains(person) { return .ticketNotFound }
    // What customers write is looked at on the ticket.
    if act == .reply { return ticket.isDeleted ? .ticketNotFound : nil }
    if person == .guest { return .permissionDenied }
    return act == .forward && ![.forwarder, .administrator].contains(person) ? .permissionDenied : nil
  }

  private static func refusal(of act: Act, in state: TicketState, isSpam: Bool) -> Reason? {
    switch act {
    case .keep:
      if state == .completed { return .transitionNotAllowed }
      return state == .unassigned ? nil : .ticketAlreadyHeld
    case .forward: return [.resolved, .completed].contains(state) ? .transitionNotAllowed : nil
    case .resolve, .hold, .test, .duplicate, .spam, .escalate:
      return [.processing, .pending, .escalationAnswered].contains(state) ? nil : .transitionNotAllowed
    case .comment, .update: return state == .completed ? .transitionNotAllowed : nil
    case .complete: return state == .resolved ? nil : .transitionNotAllowed
    case .restore, .delete: return isSpam ? nil : .transitionNotAllowed
    case .reply: return nil
    }
  }

  /// Takes over that an act succeeded on a ticket.
  ///
  /// - Parameter made: the ticket that it made, if it made one.
  static func take(_ act: Act, on index: Int, made: String?, _ tickets: inout [Known]) {
    let state = tickets[index].state
    func answerSource() {
      guard let source = tickets[index].source, tickets[source].target == index else { return }
      if tickets[source].state == .escalating { tickets[source].state = .escalationAnswered }
    }
    switch act {
    case .keep: tickets[index].state = .processing
    case .forward: if state != .escalating { tickets[index].state = .processing }
    case .resolve, .test, .duplicate:
      tickets[index].state = .resolved
      answerSource()
    case .hold:
      tickets[index].state = .pending
      answerSource()
    case .spam: (tickets[index].state, tickets[index].stateBeforeSpam) = (.resolved, state)
    case .complete: tickets[index].state = .completed
    case .restore:
      tickets[index].state = tickets[index].stateBeforeSpam ?? state
      tickets[index].stateBeforeSpam = nil
    case .delete: tickets[index].isDeleted = true
    case .escalate:
      tickets[index].state = .escalating
      tickets[index].target = tickets.count
      if let made { tickets.append(Known(name: made, state: .unassigned, source: index)) }
    case .reply:
      // A reply to a completed ticket opens another one.
      if let made { tickets.append(Known(name: made, state: .unassigned)) }
      if !tickets[index].isSpam, [.resolved, .pending].contains(state) { tickets[index].state = .processing }
    case .comment, .update: break
    }
  }

  /// The services of one run.
  private final class Run: Sendable {
    let world: TicketWorld
    let assignment: AssignmentServiceClient
    /// How many acts had which outcome.
    let seen = Mutex<[String: Int]>([:])

    init(_ world: TicketWorld, _ assignment: any RPCTransport) {
      self.world = world
      self.assignment = AssignmentServiceClient(assignment)
    }

    func caller(_ person: Person) -> CallOptions {
      switch person {
      case .agent: world.by(TicketWorld.kim)
      case .forwarder: world.by(TicketWorld.lee)
      case .administrator: world.by(TicketWorld.boss)
      case .unassignable: world.by(TicketWorld.absent)
      case .guest: world.by(TicketWorld.guest)
      case .stranger: world.by(TicketWorld.stranger)
      case .customer: world.by("mail")
      }
    }

    /// Acts; returns the ticket that it made, if it made one.
    func perform(
      _ act: Act, by person: Person, on ticket: Known, version: Int64, _ words: String
    ) async throws -> String? {
      let (name, caller) = (ticket.name, self.caller(person))
      func process(_ act: ProcessTicketRequest.Act, _ reason: Ticket.InternalReason = .unspecified) async throws {
        _ = try await world.client.processTicket(
          ProcessTicketRequest(name: name, act: act, text: words, internalReason: reason, version: version), caller)
      }
      switch act {
      case .keep:
        let isInGroup = !ticket.isIssue && person != .administrator
        _ = try await assignment.keepTicket(
          KeepTicketRequest(name: name, group: isInGroup ? "services/care/groups/1" : "", version: version), caller)
      case .forward:
        let group = ticket.isIssue ? "services/bugs/groups/20" : "services/care/groups/1"
        _ = try await assignment.forwardTicket(
          ForwardTicketRequest(name: name, group: group, agent: "agents/1", version: version), caller)
      case .resolve: try await process(.resolve)
      case .hold: try await process(.hold)
      case .comment: try await process(.comment)
      case .test: try await process(.resolveInternally, .test)
      case .duplicate: try await process(.resolveInternally, .duplicate)
      case .spam: try await process(.resolveInternally, .spam)
      case .complete:
        _ = try await world.client.completeTicket(CompleteTicketRequest(name: name, version: version), caller)
      case .restore:
        _ = try await world.client.restoreTicket(RestoreTicketRequest(name: name, version: version), caller)
      case .delete:
        _ = try await world.client.deleteTicket(DeleteTicketRequest(name: name, version: version), caller)
      case .update:
        _ = try await world.client.updateTicket(
          UpdateTicketRequest(
            ticket: Ticket(name: name, title: words), updateMask: FieldMask(paths: ["title"]), version: version),
          caller)
      case .escalate:
        return try await world.client.escalateTicket(
          EscalateTicketRequest(
            name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20",
            title: words, text: words, version: version), caller
        ).targetTicket
      case .reply:
        let entry = try await world.client.appendInquiry(AppendInquiryRequest(parent: name, text: words), caller)
        let parent = entry.name.split(separator: "/").prefix(4).joined(separator: "/")
        return parent == name ? nil : parent
      }
      return nil
    }
  }

  /// Acts on one ticket and on those that come of it, one act after another; notes what came of each kind of try.
  private func walk(_ run: Run, from ticket: TicketRecord, seed: UInt64, acts: Int) async throws {
    var random = SeededGenerator(seed: seed)
    var tickets = [Known(name: run.world.name(ticket), state: ticket.state)]
    var before = try await standings(run.world, tickets)
    for round in 0..<acts {
      let index = Int.random(in: 0..<tickets.count, using: &random)
      guard let act = Act.allCases.randomElement(using: &random),
        let person = Bool.random(using: &random) ? Person.administrator : Person.allCases.randomElement(using: &random),
        person != .customer || act == .reply
      else { continue }
      let isStale = act != .reply && before[index].version > 1 && Int.random(in: 0..<6, using: &random) == 0
      let version = isStale ? before[index].version - 1 : act == .reply || round % 2 == 0 ? 0 : before[index].version
      let predicted = Self.refusal(of: act, by: person, on: tickets[index], isStale: isStale)
      let place = "\(act) by \(person) on \(tickets[index]) stale \(isStale), seed \(seed), \(TestScale.place(round))"
      var reason: Reason?
      do {
        let made = try await run.perform(act, by: person, on: tickets[index], version: version, "말 \(round)")
        let opensAnother = act == .escalate || act == .reply && tickets[index].state == .completed
        #expect((made != nil) == opensAnother, "\(place)")
        if predicted == nil { Self.take(act, on: index, made: made, &tickets) }
      } catch {
        reason = ServiceError(caught: error).reason
      }
      #expect(reason == predicted, "\(place)")
      let after = try await standings(run.world, tickets)
      for (index, ticket) in tickets.enumerated() {
        #expect(after[index].state == ticket.state.rawValue, "\(ticket.name) after \(place)")
        #expect(after[index].isSpam == ticket.isSpam && after[index].isDeleted == ticket.isDeleted, "\(place)")
      }
      if reason != nil { #expect(after == before, "a refusal writes nothing: \(place)") }
      if reason == nil { #expect(after[index].eventCount > before[index].eventCount, "\(place)") }
      before = after
      run.seen.withLock { $0[reason?.rawValue ?? "OK", default: 0] += 1 }
      guard reason == predicted else { return }
    }
  }

  private func standings(_ world: TicketWorld, _ tickets: [Known]) async throws -> [Standing] {
    let ids = tickets.map { TicketName($0.name)?.id ?? TicketID(0) }
    return try await world.rows(
      """
      SELECT t.state, t.is_spam, t.delete_time IS NOT NULL, t.version, t.event_count
      FROM unnest(\(ids)) WITH ORDINALITY AS k (id, place) JOIN ticket AS t ON t.id = k.id ORDER BY k.place
      """
    ).map { row in
      Standing(
        state: try row.string(0), isSpam: try row.bool(1), isDeleted: try row.bool(2), version: try row.int64(3),
        eventCount: try row.int64(4))
    }
  }

  @Test("every act of everybody succeeds, or is refused for the reason that the rules say; a refusal writes nothing")
  func predictions() async throws {
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
    var begun: [TicketRecord] = []
    for index in 0..<TestScale.count(usual: 12, all: 100) {
      begun.append(try await world.ticket([.unassigned, .processing, .pending][index % 3]))
    }
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask { [begun] in
          for index in stride(from: worker, to: begun.count, by: 4) {
            let seed = TestScale.seed &+ UInt64(index) &* 7919
            do {
              try await self.walk(run, from: begun[index], seed: seed, acts: 40)
            } catch {
              Issue.record(error, "seed \(seed), \(TestScale.place(index))")
            }
          }
        }
      }
    }
    let outcomes = run.seen.withLock { $0 }
    let told = outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    print("acts by outcome: \(told.joined(separator: ", "))")
    for reason in [Reason.transitionNotAllowed, .permissionDenied, .ticketNotFound, .staleVersion, .ticketAlreadyHeld] {
      #expect(outcomes[reason.rawValue] != nil, "\(reason) came never; \(TestScale.place(0))")
    }
  }
}
