import Crypto
package import EventLoop
import Postgres
package import ServiceKit
import Synchronization
import TicketLedger

/// Looks at the tasks that tickets wait for, and lets the tickets follow them.
///
/// A task is due after an interval, and at once when a hook says that something has happened to it: hooks are hints,
/// and what is looked up is the truth. So late, repeated, reordered, forged and lost hooks come to the same. Any number
/// of daemons may do it at once; a task is looked at in one place at a time.
package struct DoorayPoller: Sendable {
  /// Looks at a time in one daemon.
  static let placesMax = 16
  private static let tick: Duration = .seconds(1)
  /// How long a look may take; shorter than its lease.
  private static let lookTimeMax: Duration = .seconds(45)
  private static let claimTimeMax: Duration = .seconds(10)
  /// After a look that failed.
  private static let failurePause: Duration = .seconds(60)
  /// When others of the same organization are looked at.
  private static let lanePause: Duration = .seconds(1)

  private let service: TicketService
  private let interval: Duration
  private let log: Logger
  private let looks: Metric<Counter>

  /// Looks at the tasks of a service's copies.
  ///
  /// - Parameter interval: after which a task is looked at though no hook came.
  package init(service: TicketService, interval: Duration, log: Logger, metrics: Metrics) {
    self.service = service
    self.interval = interval
    self.log = log
    looks = metrics.counter(
      "handoff_dooray_looks_total", "Looks at tasks of Dooray!, by what became of them.", label: "outcome",
      of: ["seen", "failed", "put_off"])
  }

  /// Starts looking.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on loop: EventLoop) -> @Sendable () async -> Void {
    let task = Task(executorPreference: loop) { await run(on: loop) }
    return {
      task.cancel()
      await task.value
    }
  }

  private func run(on loop: EventLoop) async {
    let underway = Underway()
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        do {
          let room = Self.placesMax - underway.count.load(ordering: .relaxed)
          let watches = room > 0 ? try await claim(limit: room) : []
          for watch in watches {
            underway.count.wrappingAdd(1, ordering: .relaxed)
            group.addTask(executorPreference: loop) {
              await look(at: watch)
              underway.count.wrappingSubtract(1, ordering: .relaxed)
            }
          }
        } catch {
          if !Task.isCancelled { log.warning("dooray.failed", ["cause": .string(String(describing: error))]) }
        }
        do { try await loop.sleep(for: Self.tick) } catch { return }
      }
    }
  }

  /// Looks at everything that is due now; for tests.
  ///
  /// - Returns: how many tasks were due.
  /// - Throws: the database's errors.
  func runOnce() async throws -> Int {
    let watches = try await claim(limit: Self.placesMax)
    await withDiscardingTaskGroup { group in
      for watch in watches { group.addTask { await look(at: watch) } }
    }
    return watches.count
  }

  private func claim(limit: Int) async throws -> [DoorayWatch] {
    guard service.dooray.client != nil else { return [] }
    return try await service.dooray.store.claimWatches(
      limit: limit, holder: Hex.encode(SecureRandom.bytes(12)), interval: interval, deadline: .after(Self.claimTimeMax))
  }

  /// Looks at a task and writes down what follows; what goes wrong is tried again later.
  private func look(at watch: DoorayWatch) async {
    let deadline = Deadline.after(Self.lookTimeMax)
    let (task, store) = (watch.task, service.dooray.store)
    do {
      let owner = try await service.ledger.directory.service(id: task.serviceID, deadline: deadline)
      let project = try await store.project(task.projectID, of: owner.id, deadline: deadline)
      let sight = try await service.dooray.lanes.run(project.organizationID, of: owner.id) {
        try await DoorayLook(service: service, owner: owner, project: project, watch: watch, deadline: deadline)
          .follow()
      }
      guard let sight else {
        looks.with("put_off").add()
        return try await store.putOff(watch, by: Self.lanePause, deadline: deadline)
      }
      looks.with("seen").add()
      try await store.release(watch, sight, wait: interval, deadline: deadline)
    } catch {
      if Task.isCancelled { return }
      looks.with("failed").add()
      log.info(
        "dooray.look_failed",
        ["ticket": .integer(task.ticketID.rawValue), "cause": .string(String(describing: error))])
      var wait = Self.failurePause
      if case .tooManyRequests(let asked)? = error as? DoorayFailure { wait = max(wait, asked) }
      try? await store.retry(watch, after: wait, deadline: .after(Self.claimTimeMax))
    }
  }
}

/// How many looks are underway.
private final class Underway: Sendable {
  let count = Atomic<Int>(0)
}
