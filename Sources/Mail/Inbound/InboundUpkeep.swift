package import EventLoop
package import ServiceKit
import Synchronization

/// Keeps account of the mails that came in, for operators, removes their bytes when their time is over, and keys the
/// hashes by which mails are known that came in before there was a key for that.
///
/// Every process shows the same numbers, those of the whole cluster, as the last look found them. Any number of
/// processes may do it; the bytes of a mail are removed once. May be used from any thread.
package final class InboundUpkeep: Sendable {
  private static let lookInterval: Duration = .seconds(10)
  /// Looks between two removals.
  private static let removalEvery = 30

  private let store: MailStore
  private let retention: Duration
  private let prints: MailPrintKey
  private let removed: Counter
  private let latest = Mutex(InboundAccounts())
  private let standings = Mutex<[MailStore.MailAccountStanding]>([])

  /// Declares the metrics, which show zero until the first look.
  ///
  /// - Parameter retention: how long the bytes of a mail are kept after it was decided.
  package init(store: MailStore, retention: Duration, prints: MailPrintKey, metrics: Metrics) {
    self.store = store
    self.prints = prints
    self.retention = retention
    removed = metrics.counter(
      "handoff_mail_raw_removed_total", "Mails whose bytes were removed because their time was over."
    ).with()
    metrics.observed("handoff_mail_received_total", "Mails that came in, each counted once.", type: .counter) {
      [self] in
      Double(accounts.received)
    }
    metrics.observed(
      "handoff_mail_inbound", "Mails that came in, by what they are now.", labels: ["state"]
    ) { [self] in
      let accounts = accounts
      return InboundState.allCases.map { ([$0.rawValue.lowercased()], Double(accounts[$0])) }
    }
    metrics.observed("handoff_mail_waiting_seconds", "How long the oldest mail waits to be decided.") { [self] in
      accounts.waitingSeconds
    }
    metrics.observed("handoff_mail_raw_age_seconds", "For how long the oldest bytes of a mail are kept.") { [self] in
      accounts.rawSeconds
    }
    observeMailboxes(metrics)
  }

  private func observeMailboxes(_ metrics: Metrics) {
    let standing: @Sendable () -> [MailStore.MailAccountStanding] = { [self] in standings.withLock { $0 } }
    metrics.observed("handoff_mail_accounts", "Mailboxes of other servers, by how they go.", labels: ["state"]) {
      let all = standing()
      let paused = all.count { $0.isPaused }
      let failing = all.count { $0.isFailing && !$0.isPaused }
      return [
        (["ready"], Double(all.count - paused - failing)), (["failing"], Double(failing)),
        (["paused"], Double(paused)),
      ]
    }
    metrics.observed(
      "handoff_mail_account_unread_seconds", "How long ago a mailbox that is not paused was read to its end.",
      labels: ["account"]
    ) {
      standing().filter { !$0.isPaused }.map { ([$0.name], $0.unreadSeconds) }
    }
    metrics.observed(
      "handoff_mail_account_received_total", "Mails that came in by a mailbox, each counted once.", type: .counter,
      labels: ["account"]
    ) {
      standing().map { ([$0.name], Double($0.counts.received)) }
    }
    metrics.observed(
      "handoff_mail_account_inbound", "Mails that came in by a mailbox, by what they are now.",
      labels: ["account", "state"]
    ) {
      standing().flatMap { account in
        InboundState.allCases.map { ([account.name, $0.rawValue.lowercased()], Double(account.counts[$0])) }
      }
    }
  }

  /// What the last look found.
  package var accounts: InboundAccounts { latest.withLock { $0 } }

  /// Looks at the accounts.
  ///
  /// - Throws: the database's errors as `ServiceError`; the last numbers stay.
  package func look(deadline: Deadline) async throws {
    let found = try await store.inboundAccounts(deadline: deadline)
    latest.withLock { $0 = found }
    let mailboxes = try await store.mailAccountStandings(deadline: deadline)
    standings.withLock { $0 = mailboxes }
  }

  /// Removes the bytes of mails whose time is over.
  ///
  /// - Returns: of how many mails.
  /// - Throws: the database's errors as `ServiceError`; the rest is removed the next time.
  package func removeRawMails(deadline: Deadline) async throws -> Int {
    var count = 0
    while true {
      let batch = try await store.removeRawMails(decidedBefore: retention, deadline: deadline)
      removed.add(UInt64(batch))
      count += batch
      if batch < MailStore.rawRemovalMax { return count }
    }
  }

  /// Keys the hashes of mails that came in before there was a key, those that are decided.
  ///
  /// - Returns: of how many mails.
  /// - Throws: the database's errors as `ServiceError`; the rest is keyed the next time.
  package func keyPrints(deadline: Deadline) async throws -> Int {
    var count = 0
    while true {
      let batch = try await store.keyPrints(prints, deadline: deadline)
      count += batch
      if batch < MailStore.unkeyedMax { return count }
    }
  }

  /// Does all of it for as long as the daemon runs.
  package func start(in process: ServiceProcess) {
    let loop = process.group.next()
    let log = process.log
    let task = Task(executorPreference: loop) {
      var round = 0
      while !Task.isCancelled {
        do {
          try await self.look(deadline: .after(Self.lookInterval))
          if round.isMultiple(of: Self.removalEvery) {
            _ = try await self.removeRawMails(deadline: .after(.seconds(50)))
            _ = try await self.keyPrints(deadline: .after(.seconds(50)))
          }
        } catch {
          if Task.isCancelled { return }
          log.warning("inbound_upkeep.failed", ["cause": .string(String(describing: error))])
        }
        round += 1
        do { try await loop.sleep(for: Self.lookInterval) } catch { return }
      }
    }
    process.onShutdown("inbound_upkeep") {
      task.cancel()
      await task.value
    }
  }
}

extension InboundAccounts {
  fileprivate subscript(state: InboundState) -> Int64 {
    switch state {
    case .waiting: waiting
    case .ticket: tickets
    case .reply: replies
    case .suppressed: suppressed
    case .quarantined: quarantined
    }
  }
}
