import Assignment
import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import TicketLedger

@testable import Tickets

/// A world with assignment in this process, and runners of batches that are run step by step.
struct BatchWorld {
  let world: TicketWorld
  let service: TicketService
  let client: TicketServiceClient
  private let passwords = PasswordCheck()

  init(isMailReachable: Bool = true) async throws {
    world = try await TicketWorld(isMailReachable: isMailReachable)
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let assignment = AssignmentService(
      ledger: theirs, runner: TriggerRunner(ledger: theirs, log: log, metrics: Metrics()), passwords: passwords,
      callbacks: Callbacks(pool: theirs.pool, masking: nil))
    service = TicketService(
      ledger: world.ledger, mail: world.mail,
      assignment: InProcessTransport(
        group: TestLoops.group, services: [assignment.rpcService], interceptors: [CallsFrom(name: "tickets")]))
    client = TicketWorld.client(service)
  }

  func close() { passwords.shutdown() }

  var runner: BatchRunner { runner("tests") }

  func runner(_ holder: String) -> BatchRunner {
    BatchRunner(service: service, holder: holder, backoff: Backoff(firstMilliseconds: 1, attemptsMax: 3))
  }

  func create(
    _ batch: Batch, _ tickets: [TicketRecord], by agent: AgentID = TicketWorld.kim, requestID: String = "",
    of service: String = "care"
  ) async throws -> Batch {
    try await client.createBatch(
      CreateBatchRequest(
        parent: "services/\(service)", batch: batch, tickets: tickets.map(world.name), requestId: requestID),
      world.by(agent))
  }

  /// Runs until the batch has ended.
  func end(_ batch: Batch, by agent: AgentID = TicketWorld.boss) async throws -> Batch {
    while true {
      _ = try await runner.runOnce()
      let now = try await client.getBatch(GetBatchRequest(name: batch.name), world.by(agent))
      if now.endTime != nil { return now }
    }
  }

  func results(_ batch: Batch) async throws -> [BatchResult] {
    try await client.listBatchResults(
      ListBatchResultsRequest(parent: batch.name, pageSize: 200), world.by(TicketWorld.boss)
    ).results
  }

  /// Items of all batches that have no result yet.
  var pendingCount: Int {
    get async throws { try await world.count("SELECT count(*) FROM ticket_batch_item WHERE outcome = 'PENDING'") }
  }
}
