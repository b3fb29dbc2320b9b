package import EventLoop
import RPC
package import ServiceKit

/// Finishing what was stored and not decided.
extension InboundMailProcessor {
  private static let pollInterval: Duration = .seconds(1)
  /// Mails that a process decides side by side.
  private static let placesMax = 8

  /// Finishes mails that were stored and not decided, for as long as the daemon runs; any number of processes may.
  ///
  /// Mails are decided side by side, and a slow one holds nobody up. Those over which a process has died are decided
  /// apart, one at a time, so that the one that is to blame takes no others with it.
  package func start(in process: ServiceProcess) {
    let loop = process.group.next()
    let log = process.log
    let task = Task(executorPreference: loop) { await run(on: loop, log) }
    process.onShutdown("inbound") {
      task.cancel()
      await task.value
    }
  }

  /// The same on a loop until cancelled; what is under way then is given back.
  func run(on loop: EventLoop, _ log: Logger) async {
    await withTaskGroup(of: Void.self) { group in
      for (places, suspects) in [(Self.placesMax, false), (1, true)] {
        group.addTask(executorPreference: loop) { await work(places, suspects: suspects, on: loop, log) }
      }
    }
  }

  private enum Ending: Sendable { case mail, pause }

  private func work(_ places: Int, suspects: Bool, on loop: EventLoop, _ log: Logger) async {
    await withTaskGroup(of: Ending.self) { group in
      func pause() {
        group.addTask(executorPreference: loop) {
          try? await loop.sleep(for: Self.pollInterval)
          return .pause
        }
      }
      var underway = 0
      pause()
      while !Task.isCancelled {
        for mail in await claim(places - underway, suspects: suspects, log) {
          underway += 1
          group.addTask(executorPreference: loop) {
            await finish(mail)
            return .mail
          }
        }
        switch await group.next() {
        case .mail: underway -= 1
        case .pause: pause()
        case nil: return
        }
      }
    }
  }

  private func claim(_ limit: Int, suspects: Bool, _ log: Logger) async -> [InboundRecord] {
    guard limit > 0 else { return [] }
    do {
      return try await store.claimInbound(
        limit: limit, suspects: suspects, deadline: .after(MailStore.inboundLease))
    } catch {
      if !Task.isCancelled { log.warning("inbound.failed", ["cause": .string(String(describing: error))]) }
      return []
    }
  }

  /// Decides a mail that was claimed; what keeps it from that is told.
  private func finish(_ mail: InboundRecord) async {
    do {
      _ = try await process(mail, nil, CallOptions(deadline: .after(MailStore.inboundLease)))
    } catch {
      if !Task.isCancelled { tell(error, of: mail) }
    }
  }

  /// Takes up to so many mails up that are due, and decides them; for tests and tools.
  ///
  /// - Returns: how many were taken up.
  /// - Throws: the database's errors as `ServiceError`.
  package func runOnce(limit: Int = 8, deadline: Deadline) async throws -> Int {
    var due = try await store.claimInbound(limit: limit, suspects: false, deadline: deadline)
    due += try await store.claimInbound(limit: limit, suspects: true, deadline: deadline)
    await withDiscardingTaskGroup { group in
      for mail in due { group.addTask { await finish(mail) } }
    }
    return due.count
  }
}
