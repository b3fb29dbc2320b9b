import EventLoop
import Glibc
package import Postgres
package import ServiceKit
package import TicketLedger

extension MailDelivery {
  /// How mails are tried again: after seconds at first, every hour later, for about two days.
  package static let backoff = Backoff(firstMilliseconds: 5_000, longestMilliseconds: 3_600_000, attemptsMax: 60)

  /// How long a mail waits for whose files there is no memory.
  private static let crowdedPause: Duration = .seconds(1)

  /// Carries out the outbox's mails for as long as the daemon runs.
  package func start(in process: ServiceProcess, pool: PostgresPool) {
    let loop = process.group.next()
    let worker = worker(pool: pool, holder: "\(process.name)/\(getpid())", log: process.log)
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    process.onShutdown("delivery") {
      task.cancel()
      await task.value
    }
  }

  /// The worker that carries out the outbox's mails; any number of processes may run one.
  ///
  /// - Parameter holder: this process, for operators who look at the outbox.
  package func worker(
    pool: PostgresPool, holder: String, log: Logger, backoff: Backoff = Self.backoff
  ) -> OutboxWorker {
    OutboxWorker(
      Outbox(topic: .mail, pool: pool, holder: holder, backoff: backoff), pool: pool,
      failed: { log.warning("outbox.failed", ["cause": .string(String(describing: $0))]) },
      each: { item in
        let order = Order(
          service: item.serviceID, ticket: item.ticketID, eventSequence: item.eventSequence, payload: item.payload,
          isLastAttempt: backoff.wait(afterAttempt: item.attempt, jitter: 0) == nil, item: item)
        switch try await carryOut(order, deadline: item.deadline) {
        case .done: return .done
        case .removed: return .removed
        case .crowded: return .postponed(Self.crowdedPause)
        case .again(let words):
          log.info(
            "mail.deferred",
            [
              "ticket": .integer(item.ticketID.rawValue), "attempt": .integer(Int64(item.attempt)),
              "words": .string(words),
            ])
          return .failed(words)
        case .givenUp(let words):
          log.warning("mail.failed", ["ticket": .integer(item.ticketID.rawValue), "words": .string(words)])
          return .hopeless(words)
        }
      })
  }
}
