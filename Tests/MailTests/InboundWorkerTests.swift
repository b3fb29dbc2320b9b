import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("the worker of mails that wait", .timeLimit(.minutes(5)))
struct InboundWorkerTests {
  private static let lock: Int64 = 4711
  private static let log = Logger(service: "handoff-mail-tests", level: .error, output: .standardError)

  private let world: InboundWorld

  init() async throws { world = try await InboundWorld() }

  private func execute(_ statement: Query) async throws {
    _ = try await world.mail.database.pool.query(statement, deadline: TestDatabase.deadline)
  }

  /// So many mails that were stored and not looked at.
  private func waiting(_ count: Int) async throws -> [Int64] {
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    var ids: [Int64] = []
    for number in 0..<count {
      ids.append(try await unreachable.take(.init(from: "c\(number)@example.com", body: "mail \(number)")).id)
    }
    try await execute(
      """
      UPDATE inbound_mail SET plan = '', due_time = clock_timestamp() + id * interval '1 microsecond'
        - interval '1 minute'
      """)
    return ids
  }

  private func until(_ condition: Query, is wanted: Int64) async throws {
    let loop = TestLoops.group.next()
    while try await world.number(condition) != wanted { try await loop.sleep(for: .milliseconds(20)) }
  }

  /// Holds a mail up where its plan is fixed, for as long as `work` runs.
  private func holding(_ id: Int64, while work: () async throws -> Void) async throws {
    try await execute(
      """
      CREATE FUNCTION hold_mail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(\(unescaped: "\(Self.lock)")); RETURN NEW; END $$
      """)
    try await execute(
      """
      CREATE TRIGGER hold_mail BEFORE UPDATE ON inbound_mail FOR EACH ROW
        WHEN (NEW.id = \(unescaped: "\(id)") AND NEW.plan <> OLD.plan) EXECUTE FUNCTION hold_mail()
      """)
    try await world.mail.database.pool.transaction(deadline: TestDatabase.deadline) { transaction in
      _ = try await transaction.query("SELECT pg_advisory_xact_lock(\(Self.lock))")
      try await work()
    }
    try await execute("DROP TRIGGER hold_mail ON inbound_mail")
  }

  private static let undecided: Query = "SELECT count(*) FROM inbound_mail WHERE state = 'WAITING'"
  private static let held: Query = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """

  @Test("a slow mail holds no others up")
  func slow() async throws {
    let ids = try await waiting(20)
    let loop = TestLoops.group.next()
    try await holding(ids[0]) {
      let worker = Task(executorPreference: loop) { await world.inbound.run(on: loop, Self.log) }
      try await until(Self.undecided, is: 1)
      worker.cancel()
      await worker.value
    }
    #expect(try await world.accounts() == "false received=20 tickets=19 replies=0 suppressed=0 quarantined=0")
  }

  @Test("a process that is told to end gives its mails back, and nobody has failed or died over them")
  func givesBack() async throws {
    let id = try await waiting(1)[0]
    let loop = TestLoops.group.next()
    for round in 1...InboundMailProcessor.deathsMax + 1 {
      try await execute("DROP FUNCTION IF EXISTS hold_mail CASCADE")
      try await holding(id) {
        let worker = Task(executorPreference: loop) { await world.inbound.run(on: loop, Self.log) }
        try await until(Self.held, is: 1)
        worker.cancel()
        await worker.value
      }
      #expect(
        try await world.number(
          """
          SELECT count(*) FROM inbound_mail
          WHERE attempt_count = failure_count AND wait_count = \(round) AND due_time <= clock_timestamp()
          """) == 1)
    }
    #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 1)
    #expect(try await world.accounts() == "true received=1 tickets=1 replies=0 suppressed=0 quarantined=0")
  }

  @Test("mails over which a process has died are taken up apart from the others")
  func suspects() async throws {
    let ids = try await waiting(4)
    try await execute("UPDATE inbound_mail SET attempt_count = failure_count + 1 WHERE id = \(ids[2])")
    let store = world.mail.store
    let others = try await store.claimInbound(limit: 8, suspects: false, deadline: TestDatabase.deadline)
    #expect(Set(others.map(\.id)) == Set(ids).subtracting([ids[2]]))
    let suspects = try await store.claimInbound(limit: 8, suspects: true, deadline: TestDatabase.deadline)
    #expect(suspects.map(\.id) == [ids[2]])
    let loop = TestLoops.group.next()
    try await execute("UPDATE inbound_mail SET due_time = clock_timestamp()")
    let worker = Task(executorPreference: loop) { await world.inbound.run(on: loop, Self.log) }
    try await until(Self.undecided, is: 0)
    worker.cancel()
    await worker.value
    #expect(try await world.number("SELECT count(*) FROM ticket") == 4)
  }
}
