package import EventLoop
import Outbound
package import ServiceKit
import Synchronization
import TicketLedger

/// Reads the mailboxes of accounts, each by one process at a time; any number of processes may share them.
///
/// A mailbox that is slow keeps a thread of its own, and those that fail have places of their own, so that they hold up
/// no other.
package final class MailAccountWorker: Sendable {
  private static let pollInterval: Duration = .seconds(1)
  private static let statementTimeout: Duration = .seconds(10)
  /// How often a reader renews its lease, however long one mail takes; a lost beat or two do no harm.
  private static let beat: Duration = .seconds(8)
  /// How long a mailbox waits when something of ours is out of reach.
  private static let ownWait: Duration = .seconds(5)

  private struct Underway {
    var reading = 0
    var failing = 0
  }

  private let store: MailStore
  private let inbound: InboundMailProcessor
  private let mailboxes: Mailboxes
  private let log: Logger
  private let visits: Metric<Counter>
  private let underway = Mutex(Underway())

  /// Reads for a processor of mails.
  package init(
    store: MailStore, inbound: InboundMailProcessor, mailboxes: Mailboxes, log: Logger, metrics: Metrics
  ) {
    self.store = store
    self.inbound = inbound
    self.mailboxes = mailboxes
    self.log = log
    visits = metrics.counter(
      "handoff_mail_account_visits_total", "Readings of mailboxes, by what became of them.", label: "outcome",
      of: ["read", "failed", "postponed", "lost"])
  }

  /// Reads what is due, once, and waits until that is done; for tests.
  ///
  /// - Returns: how many mailboxes.
  /// - Throws: the database's errors as `ServiceError`.
  package func runOnce(deadline: Deadline) async throws -> Int {
    var due: [MailAccountRecord] = []
    for isFailing in [false, true] {
      due += try await store.claimMailboxes(isFailing: isFailing, limit: room(isFailing), deadline: deadline)
    }
    await withDiscardingTaskGroup { group in
      for account in due { group.addTask { await self.visit(account) } }
    }
    return due.count
  }

  /// Reads for as long as the daemon runs.
  package func start(in process: ServiceProcess) {
    let loop = process.group.next()
    let task = Task(executorPreference: loop) {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          do {
            for isFailing in [false, true] {
              let due = try await self.store.claimMailboxes(
                isFailing: isFailing, limit: self.room(isFailing), deadline: .after(Self.statementTimeout))
              for account in due {
                self.count(account, 1)
                group.addTask {
                  await self.visit(account)
                  self.count(account, -1)
                }
              }
            }
          } catch {
            if Task.isCancelled { return }
            self.log.warning("mail_accounts.failed", ["cause": .string(String(describing: error))])
          }
          do { try await loop.sleep(for: Self.pollInterval) } catch { return }
        }
      }
    }
    process.onShutdown("mail_accounts") { [mailboxes] in
      task.cancel()
      await task.value
      mailboxes.shutdown()
    }
  }

  private func room(_ isFailing: Bool) -> Int {
    underway.withLock { isFailing ? Mailboxes.failingMax - $0.failing : Mailboxes.readingMax - $0.reading }
  }

  private func count(_ account: MailAccountRecord, _ difference: Int) {
    underway.withLock {
      if account.failureCount > 0 { $0.failing += difference } else { $0.reading += difference }
    }
  }

  private func visit(_ account: MailAccountRecord) async {
    let outcome = await withTaskGroup(of: Outcome?.self) { group in
      group.addTask { await self.read(account) }
      group.addTask { await self.keepLease(account) }
      var outcome = Outcome.lost
      while let next = await group.next() {
        if let next {
          outcome = next
          group.cancelAll()
          break
        }
      }
      return outcome
    }
    do {
      // Also when the daemon ends, so that nobody has to wait for the lease.
      try await Task { try await self.end(account, outcome) }.value
    } catch {
      // The lease ends by itself.
      log.warning(
        "mail_account.unnoted",
        ["account": .integer(account.id), "cause": .string(String(describing: error))])
    }
  }

  /// Keeps a mailbox until the reading is over, which cancels this (nil), or until it is another's.
  private func keepLease(_ account: MailAccountRecord) async -> Outcome? {
    while true {
      do {
        try await EventLoop.pause(for: Self.beat)
        guard try await store.renewLease(account, deadline: .after(Self.beat)) else { return .lost }
      } catch {
        // The database may be back for the next beat; if it is not, the reader's own writes fail, too.
        if Task.isCancelled { return nil }
      }
    }
  }

  /// What became of a visit.
  private enum Outcome {
    case read(isWhole: Bool)
    case failed(MailboxFinding)
    /// Something of ours is out of reach.
    case postponed(any Error)
    case lost
  }

  private func read(_ account: MailAccountRecord) async -> Outcome {
    do {
      let deadline = Deadline.after(Self.statementTimeout)
      let service = try await inbound.ledger.directory.service(id: account.serviceID, deadline: deadline)
      let opened = try await mailboxes.passwords.open(
        account.sealedPassword, for: account.purpose, deadline: deadline)
      if let resealed = opened.resealed { try await store.reseal(account, as: resealed, deadline: deadline) }
      let session = try mailboxes.session(account, password: opened.password)
      let visit = MailboxVisit(account: account, service: service, session: session, store: store, inbound: inbound)
      do {
        let isWhole = try await visit.run()
        await session.close()
        return .read(isWhole: isWhole)
      } catch {
        await session.close()
        throw error
      }
    } catch let failure as IMAPFailure {
      return .failed(MailboxFinding(failure))
    } catch let unreadable as MailboxVisit.Unreadable {
      return .failed(unreadable.finding)
    } catch is AccountPasswords.Lost {
      return .failed(.passwordLost)
    } catch is MailboxVisit.LeaseLost {
      return .lost
    } catch {
      return .postponed(error)
    }
  }

  private func end(_ account: MailAccountRecord, _ outcome: Outcome) async throws {
    let deadline = Deadline.after(Self.statementTimeout)
    switch outcome {
    case .read(let isWhole):
      visits.with("read").add()
      try await store.endReading(account, wait: isWhole ? mailboxes.rules.readInterval : nil, deadline: deadline)
    case .failed(let finding):
      visits.with("failed").add()
      log.warning(
        "mail_account.failing",
        [
          "service": .integer(account.serviceID.rawValue), "account": .integer(account.id),
          "problem": .string(finding.problem.rawValue), "text": .string(finding.text),
        ])
      let backoff = Backoff(
        firstMilliseconds: finding.problem.firstWaitSeconds * 1_000,
        longestMilliseconds: MailboxProblem.longestWaitSeconds * 1_000, attemptsMax: .max)
      let wait = backoff.wait(afterAttempt: account.failureCount + 1, jitter: .random(in: 0...1)) ?? 0
      try await store.endReading(account, finding, wait: .milliseconds(wait), deadline: deadline)
    case .postponed(let error):
      visits.with("postponed").add()
      if !(error is CancellationError) {
        log.warning(
          "mail_account.postponed",
          ["account": .integer(account.id), "cause": .string(String(describing: error))])
      }
      try await store.giveBack(account, wait: Self.ownWait, deadline: deadline)
    case .lost: visits.with("lost").add()
    }
  }
}
