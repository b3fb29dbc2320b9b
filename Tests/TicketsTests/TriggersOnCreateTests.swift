import Assignment
import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct TriggersOnCreateTests {
  private static let request = CreateTicketRequest(
    parent: "services/care", title: "택배가 오지 않아요", text: "지난주에 주문했어요.",
    customer: TicketCustomer(email: "hong@example.com"), channel: .helpCenter)

  @Test("the answer to a creation shows what the triggers made of the ticket")
  func assigned() async throws {
    let world = try await TicketWorld()
    let (client, _, passwords) = try await Self.desk(in: world)
    defer { passwords.shutdown() }
    var holders: [String] = []
    for _ in 0..<3 { holders.append(try await client.createTicket(Self.request, world.by("gateway")).agent) }
    // Who takes no tickets is passed over.
    #expect(holders == ["agents/2", "agents/1", "agents/2"])
    #expect(try await world.count("SELECT count(*) FROM outbox") == 0)
  }

  /// Tickets and assignment of a world with one trigger, which gives new tickets to its agents in turn.
  private static func desk(
    in world: TicketWorld
  ) async throws -> (client: TicketServiceClient, runner: TriggerRunner, passwords: PasswordCheck) {
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let passwords = PasswordCheck()
    let runner = TriggerRunner(ledger: theirs, log: log, metrics: Metrics())
    let assignment = AssignmentService(
      ledger: theirs, runner: runner, passwords: passwords, callbacks: Callbacks(pool: theirs.pool, masking: nil))
    func way(from caller: String) -> InProcessTransport {
      InProcessTransport(
        group: TestLoops.group, services: [assignment.rpcService], interceptors: [CallsFrom(name: caller)])
    }
    let assign = AssignResult(
      mode: .sequential, group: "services/care/groups/1", agents: ["agents/5", "agents/2", "agents/1"])
    let condition = TriggerCondition(target: .cause, operator: .in, values: ["CREATED"])
    _ = try await AssignmentServiceClient(way(from: "gateway")).createTrigger(
      CreateTriggerRequest(
        parent: "services/care",
        trigger: Trigger(
          displayName: "In turn", conditions: [condition], results: [TriggerResult(result: .assign(assign))])),
      world.by(TicketWorld.boss))
    let client = TicketWorld.client(
      TicketService(
        ledger: world.ledger, mail: world.mail, assignment: way(from: "tickets"), triggerPatience: .seconds(60)))
    return (client, runner, passwords)
  }

  @Test("a creation is answered with the assigned ticket also when the worker finds the pass first")
  func workerIsFaster() async throws {
    let world = try await TicketWorld()
    let (client, runner, passwords) = try await Self.desk(in: world)
    defer { passwords.shutdown() }
    // It hears of each pass from the hint that follows the creation, at the same time as it is asked for the pass.
    let stop = runner.start(on: TestLoops.group)
    let answers = try await withThrowingTaskGroup(of: Ticket.self) { group in
      var answers: [Ticket] = []
      for await number in TestScale.rounds(usual: 100, all: 1000) {
        if number >= 8, let answer = try await group.next() { answers.append(answer) }
        group.addTask { try await client.createTicket(Self.request, world.by("gateway")) }
      }
      for try await answer in group { answers.append(answer) }
      return answers
    }
    await stop()
    #expect(answers.allSatisfy { $0.state == .processing && !$0.agent.isEmpty })
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE agent_id IS NULL") == 0)
  }

  @Test("while assignment is down tickets are created all the same, and assigned as soon as it is back")
  func backAgain() async throws {
    let world = try await TicketWorld()
    let (_, runner, passwords) = try await Self.desk(in: world)
    defer { passwords.shutdown() }
    // This client's way to assignment leads nowhere.
    for _ in 0..<6 {
      #expect(try await world.client.createTicket(Self.request, world.by("gateway")).state == .unassigned)
    }
    let stop = runner.start(on: TestLoops.group)
    let loop = TestLoops.group.next()
    let deadline = TestDatabase.deadline
    while try await world.count("SELECT count(*) FROM outbox") > 0, !deadline.hasPassed {
      try await loop.sleep(for: .milliseconds(20))
    }
    await stop()
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE agent_id IN (1, 2)") == 6)
  }

  @Test("a creation does not need assignment: the pass waits in the outbox")
  func unreachable() async throws {
    let world = try await TicketWorld()
    try await world.addTrigger()
    let ticket = try await world.client.createTicket(Self.request, world.by("gateway"))
    #expect(ticket.state == .unassigned)
    #expect(try await world.count("SELECT count(*) FROM outbox WHERE topic = 'TRIGGERS'") == 1)
  }
}
