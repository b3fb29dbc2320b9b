package import EventLoop
package import ServiceKit
import TicketLedger

/// Has the secrets of callbacks and the URLs of messenger hooks sealed anew when masking has got another key; any
/// number of processes may do it.
package struct SecretUpkeep: Sendable {
  private let callbacks: Callbacks
  private let waiting: OldSealCount
  private let log: Logger

  /// Looks after what triggers' calls to the outside need.
  package init(_ callbacks: Callbacks, log: Logger, metrics: Metrics) {
    self.callbacks = callbacks
    self.log = log
    waiting = OldSealCount(
      metrics, daemon: "assignment",
      "Secrets of callbacks and URLs of messenger hooks that another key than masking's current one seals.")
  }

  /// Looks at all secrets once.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; the database's errors.
  package func run(deadline: Deadline) async throws {
    let secrets = try await callbacks.secrets.reseal(deadline: deadline)
    let hooks = try await callbacks.messengers.reseal(deadline: deadline)
    waiting.set(Int64(secrets + hooks))
  }

  /// Works until the returned closure is called.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          try await run(deadline: .after(.seconds(60)))
        } catch {
          if Task.isCancelled { return }
          log.warning("callbacks.secrets_failed", ["cause": .string(String(describing: error))])
        }
        do { try await loop.sleep(for: SecretRotation.interval) } catch { return }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }
}
