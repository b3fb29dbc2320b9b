import Assignment
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
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let passwords = PasswordCheck()
    defer { passwords.shutdown() }
    let assignment = AssignmentService(
      ledger: theirs, runner: TriggerRunner(ledger: theirs, log: log, metrics: Metrics()), passwords: passwords)
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
    let client = try TicketWorld.client(
      TicketService(
        ledger: world.ledger, mail: world.mail, assignment: way(from: "tickets"), triggerPatience: .seconds(60)))
    var holders: [String] = []
    for _ in 0..<3 { holders.append(try await client.createTicket(Self.request, world.by("gateway")).agent) }
    // Who takes no tickets is passed over.
    #expect(holders == ["agents/2", "agents/1", "agents/2"])
    #expect(try await world.count("SELECT count(*) FROM outbox") == 0)
  }

  @Test("a creation does not need assignment: the pass waits in the outbox")
  func unreachable() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.client.createTicket(Self.request, world.by("gateway"))
    #expect(ticket.state == .unassigned)
    #expect(try await world.count("SELECT count(*) FROM outbox WHERE topic = 'TRIGGERS'") == 1)
  }
}
