package import EventLoop
package import RPC
package import ServiceKit
import TicketLedger

/// Has what masking sealed for mail sealed anew when there is another key, in the background and a few at a time.
///
/// Where it stands is in the rows themselves, so it goes on after a restart, and any number of processes may do it.
/// What does not open is left as it is, counted, and tried again later and later. The bytes of mails are opened in
/// masking only.
package struct SealUpkeep: Sendable {
  /// Looks until the next one at mails when some of them did not open: reading them for nothing is work, too.
  private static let idleLooksMin = 10
  private static let idleLooksMax = 120
  /// How long counting may take: a time of its own, so that work that used up its own is counted, too.
  private static let countTimeout: Duration = .seconds(60)

  private let store: MailStore
  private let vault: RawMailVault
  private let passwords: SecretRotation
  private let lost = LostSeals()
  private let waiting: OldSealCount
  private let resealed: Counter

  /// Works on a store's mails and accounts through masking.
  package init(store: MailStore, vault: RawMailVault, masking: any RPCTransport, metrics: Metrics) {
    self.store = store
    self.vault = vault
    passwords = SecretRotation(masking: masking)
    waiting = OldSealCount(
      metrics, daemon: "mail",
      "Sealed pieces and summaries of mails, and passwords of mailboxes, that another key than masking's current one"
        + " seals.")
    resealed = metrics.counter("handoff_mail_resealed_total", "Pieces and summaries of mails sealed anew.").with()
  }

  /// Looks at everything once.
  ///
  /// - Parameter skipsMails: leaves the mails as they are, and counts them.
  /// - Returns: how many seals of mails were made, and how many of other keys are left there.
  /// - Throws: BACKEND_UNAVAILABLE and the like; the rest is done the next time.
  @discardableResult
  package func run(skipsMails: Bool = false, deadline: Deadline) async throws -> (made: Int, left: Int64) {
    let key = try await vault.currentKeyID(CallOptions(deadline: deadline))
    // First of all the few passwords and a count, so that no number from before a new key stands beside work that goes
    // on for minutes.
    let passwordsLeft = try await passwords.run(deadline: deadline) { key, deadline in
      try await store.oldPasswords(butOf: key, deadline: deadline)
    }
    var left = try await store.oldSealCount(butOf: key, deadline: .after(Self.countTimeout))
    waiting.set(left + Int64(passwordsLeft))
    guard !skipsMails, left > 0 else { return (0, left) }
    let made = try await resealMails(before: key, deadline: deadline)
    left = try await store.oldSealCount(butOf: key, deadline: .after(Self.countTimeout))
    waiting.set(left + Int64(passwordsLeft))
    return (made, left)
  }

  private func resealMails(before key: String, deadline: Deadline) async throws -> Int {
    let options = CallOptions(deadline: deadline)
    var total = 0
    for table in SealTable.allCases {
      var position = MailStore.SealPosition()
      while !deadline.hasPassed, !Task.isCancelled {
        let old = try await store.oldSeals(table, before: key, after: position, deadline: deadline)
        guard let last = old.last else { break }
        var made: [(old: MailStore.OldSeal, new: RawMailVault.Piece)] = []
        for seal in old where lost.mayTry(seal.sealed) {
          let number = seal.position.number
          if let new = try await vault.reseal(seal.sealed, named: Self.name(of: seal, table), number: number, options) {
            made.append((seal, new))
          } else {
            lost.failed(seal.sealed)
          }
        }
        if !made.isEmpty { try await store.replace(table, made, deadline: deadline) }
        total += made.count
        resealed.add(UInt64(made.count))
        position = last.position
      }
    }
    return total
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
      // Looks to pass over, and how many the next time.
      var (skipped, pause) = (0, Self.idleLooksMin)
      while !Task.isCancelled {
        do {
          let (made, left) = try await run(skipsMails: skipped > 0, deadline: .after(.seconds(300)))
          if skipped > 0 {
            skipped -= 1
          } else if made > 0 || left == 0 {
            pause = Self.idleLooksMin
          } else {
            (skipped, pause) = (pause, min(pause * 2, Self.idleLooksMax))
          }
        } catch {
          if Task.isCancelled { return }
          log.warning("seal_upkeep.failed", ["cause": .string(String(describing: error))])
        }
        do { try await loop.sleep(for: SecretRotation.interval) } catch { return }
      }
    }
    process.onShutdown("seals") {
      task.cancel()
      await task.value
    }
  }
}
