import EventLoop
package import ServiceKit

extension InboundMailProcessor {
  private static let pollInterval: Duration = .seconds(1)

  /// Finishes mails that were stored and not decided, for as long as the daemon runs; any number of processes may.
  package func start(in process: ServiceProcess) {
    let loop = process.group.next()
    let log = process.log
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          while try await runOnce(deadline: .after(MailStore.inboundLease)) > 0, !Task.isCancelled {}
        } catch {
          if Task.isCancelled { return }
          log.warning("inbound.failed", ["cause": .string(String(describing: error))])
        }
        do { try await loop.sleep(for: Self.pollInterval) } catch { return }
      }
    }
    process.onShutdown("inbound") {
      task.cancel()
      await task.value
    }
  }
}
