package import EventLoop
import RPC
package import ServiceKit

/// Has what masking sealed for mail sealed anew when there is another key, in the background and a few at a time.
///
/// Where it stands is in the rows themselves, so it goes on after a restart, and any number of processes may do it.
/// What does not open is left as it is, and counted. The bytes of mails are opened in masking only. Passwords of
/// mailboxes are sealed anew by whoever reads the mailbox; those of paused ones are looked after here.
package struct SealUpkeep: Sendable {
  /// How often masking is asked for its key.
  private static let interval: Duration = .seconds(30)
  /// Looks between two at passwords.
  private static let passwordsEvery = 10
  /// Looks until the next one at mails when there was nothing to do: what did not open will not open a moment later.
  private static let idleLooks = 10

  private let store: MailStore
  private let vault: RawMailVault
  private let passwords: AccountPasswords
  private let waiting: Gauge
  private let resealed: Counter

  /// Works on a store's mails and accounts through masking.
  package init(store: MailStore, vault: RawMailVault, passwords: AccountPasswords, metrics: Metrics) {
    self.store = store
    self.vault = vault
    self.passwords = passwords
    waiting = metrics.gauge(
      "handoff_mail_seals_of_old_keys", "Sealed pieces and summaries of mails that an older key still seals."
    ).with()
    resealed = metrics.counter("handoff_mail_resealed_total", "Pieces and summaries of mails sealed anew.").with()
  }

  /// Seals anew until nothing of older keys is left that opens.
  ///
  /// - Returns: how many seals were made.
  /// - Throws: BACKEND_UNAVAILABLE and the like; the rest is done the next time.
  package func run(deadline: Deadline) async throws -> Int {
    let options = CallOptions(deadline: deadline)
    let key = try await vault.currentKeyID(options)
    var total = 0
    for table in SealTable.allCases {
      var position = MailStore.SealPosition()
      while !deadline.hasPassed, !Task.isCancelled {
        let old = try await store.oldSeals(table, before: key, after: position, deadline: deadline)
        guard let last = old.last else { break }
        var made: [(old: MailStore.OldSeal, new: RawMailVault.Piece)] = []
        for seal in old {
          let number = seal.position.number
          if let new = try await vault.reseal(seal.sealed, named: Self.name(of: seal, table), number: number, options) {
            made.append((seal, new))
          }
        }
        if !made.isEmpty { try await store.replace(table, made, deadline: deadline) }
        total += made.count
        resealed.add(UInt64(made.count))
        position = last.position
      }
    }
    waiting.set(try await store.oldSealCount(before: key, deadline: deadline))
    return total
  }

  /// Seals the passwords of paused accounts anew as far as an older key seals them.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like; the rest is done the next time.
  package func resealPausedAccounts(deadline: Deadline) async throws {
    for account in try await store.pausedMailAccounts(deadline: deadline) {
      do {
        let opened = try await passwords.open(account.sealedPassword, for: account.purpose, deadline: deadline)
        if let resealed = opened.resealed { try await store.reseal(account, as: resealed, deadline: deadline) }
      } catch is AccountPasswords.Lost {
        continue
      }
    }
  }

  private static func name(of seal: MailStore.OldSeal, _ table: SealTable) -> String {
    switch table {
    case .pieces: InboundMailProcessor.sealName(seal.position.service, seal.contentHash)
    case .summaries: InboundMailProcessor.summaryName(seal.position.service, seal.position.mail)
    }
  }

  /// Does it for as long as the daemon runs.
  package func start(in process: ServiceProcess) {
    let loop = process.group.next()
    let log = process.log
    let task = Task(executorPreference: loop) {
      var (round, nextForMails) = (0, 0)
      while !Task.isCancelled {
        do {
          if round >= nextForMails {
            let made = try await run(deadline: .after(.seconds(300)))
            nextForMails = round + (made == 0 ? Self.idleLooks : 1)
          }
          if round.isMultiple(of: Self.passwordsEvery) {
            try await resealPausedAccounts(deadline: .after(.seconds(60)))
          }
        } catch {
          if Task.isCancelled { return }
          log.warning("seal_upkeep.failed", ["cause": .string(String(describing: error))])
        }
        round += 1
        do { try await loop.sleep(for: Self.interval) } catch { return }
      }
    }
    process.onShutdown("seals") {
      task.cancel()
      await task.value
    }
  }
}
