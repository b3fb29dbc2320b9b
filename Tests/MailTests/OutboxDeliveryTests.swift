import EventLoop
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("the outbox's mails", .timeLimit(.minutes(5)))
struct OutboxDeliveryTests {
  static let log = Logger(service: "handoff-mail-tests", level: .error, output: .standardError)

  /// Attempts, whether it waits for a later one, and why it was given up, of every row left.
  func rows(_ world: MailWorld) async throws -> [String] {
    try await world.database.pool.query(
      """
      SELECT attempt_count || ' ' || (due_time > clock_timestamp()) || ' ' || coalesce(dead_reason, '') FROM outbox
      WHERE topic = 'MAIL' ORDER BY id
      """, deadline: TestDatabase.deadline
    ).map { try $0.string(0) }
  }

  @Test(
    "what was sent leaves the outbox, what was refused for now waits, what was refused for good stays with its reason"
  )
  func settles() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)
    let worker = world.delivery(SMTPTransport(client: client)).worker(
      pool: world.mailPool, holder: "test", log: Self.log)
    for email in ["kim@example.com", "busy@example.com", "unknown@example.com", ""] {
      _ = try await world.act(try await world.ticket(MailWorld.Shape(email: email)))
    }
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 4)
    let left = try await rows(world)
    #expect(left.count == 2)
    #expect(left.first == "1 true ")
    #expect(left.last?.hasSuffix("the mail server answered 550 5.1.1") == true)
    #expect(try server.nextDelivered().recipients == ["kim@example.com"])
    // Nothing is due now.
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 0)
  }

  @Test("work that is retried too often is given up, on the ticket too")
  func lastAttempt() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)
    let worker = world.delivery(SMTPTransport(client: client)).worker(
      pool: world.mailPool, holder: "test", log: Self.log, backoff: Backoff(attemptsMax: 2))
    let ticket = try await world.ticket(MailWorld.Shape(email: "busy@example.com"))
    _ = try await world.act(ticket)
    for _ in 1...2 {
      #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 1)
      _ = try await world.database.pool.query("UPDATE outbox SET due_time = now()", deadline: TestDatabase.deadline)
    }
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 0)
    #expect(try await rows(world).first?.contains("the mail server answered 450 4.2.1") == true)
    #expect(try await world.mailEvents(ticket).count == 1)
    #expect(try await world.messages(ticket).map(\.state) == [.failed])
  }

  @Test("several workers share the work and send each mail once")
  func shared() async throws {
    let world = try await MailWorld()
    let spool = try SpoolTransport(directory: world.spool, pool: world.blocking)
    for _ in 1...20 { _ = try await world.act(try await world.ticket()) }
    let worker = world.delivery(spool).worker(pool: world.mailPool, holder: "test", log: Self.log)
    let done = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 1...3 {
        group.addTask {
          var done = 0
          while case let count = try await worker.runOnce(deadline: TestDatabase.deadline), count > 0 { done += count }
          return done
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(done == 20)
    #expect(try await rows(world).isEmpty)
    let sent = try await world.database.pool.query(
      "SELECT count(*) FROM ticket_event WHERE code = 'MAIL_SENT'", deadline: TestDatabase.deadline)
    #expect(try sent[0].int64(0) == 20)
    #expect(try world.mails().count == 20)
  }

  @Test("everything that can become of an attempt is counted from the start")
  func counted() async throws {
    let world = try await MailWorld()
    let metrics = Metrics()
    let delivery = MailDelivery(
      ledger: world.mailLedger, store: world.store, senders: world.senders,
      transport: try SpoolTransport(directory: world.spool, pool: world.blocking), pool: world.blocking,
      metrics: metrics)
    func lines() -> [String] {
      metrics.exposition().split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
        String($0.dropFirst("handoff_mail_attempts_total{outcome=".count))
      }
    }
    #expect(lines() == [#""deferred"} 0"#, #""failed"} 0"#, #""sent"} 0"#, #""skipped"} 0"#])
    let order = try await world.act(try await world.ticket())
    #expect(try await delivery.carryOut(order, deadline: TestDatabase.deadline) == .done)
    #expect(lines() == [#""deferred"} 0"#, #""failed"} 0"#, #""sent"} 1"#, #""skipped"} 0"#])
  }

  @Test("the history of a ticket stays intact under the events of its mails")
  func intact() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let delivery = try world.spooled()
    for _ in 1...2 {
      _ = try await delivery.carryOut(try await world.act(ticket, .hold), deadline: TestDatabase.deadline)
    }
    let verified = try await world.ledger.verify(ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline)
    #expect(verified.isIntact)
  }
}
