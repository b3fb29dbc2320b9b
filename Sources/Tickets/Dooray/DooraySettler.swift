package import EventLoop
package import ServiceKit
import TicketLedger

/// Finds out what became of tasks whose creation was left off: by a lost answer, or by a daemon that ended.
///
/// A task that exists is linked with its ticket, in the name of who escalated; one that does not is forgotten, and the
/// ticket is as it was. Any number of daemons may do it at once.
package struct DooraySettler: Sendable {
  private static let pollInterval: Duration = .seconds(5)
  private static let runTimeMax: Duration = .seconds(40)

  private let service: TicketService
  private let log: Logger

  /// Works on what a service's copies have left off.
  package init(service: TicketService, log: Logger) {
    self.service = service
    self.log = log
  }

  /// Starts settling.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on loop: EventLoop) -> @Sendable () async -> Void {
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          while try await runOnce(deadline: .after(Self.runTimeMax)), !Task.isCancelled {}
        } catch {
          if !Task.isCancelled { log.warning("dooray.failed", ["cause": .string(String(describing: error))]) }
        }
        do { try await loop.sleep(for: Self.pollInterval) } catch { return }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }

  /// Settles one task.
  ///
  /// - Returns: false when there is none.
  /// - Throws: the database's errors, and BACKEND_UNAVAILABLE when masking cannot be reached; the task is then looked
  ///   at again when its lease has ended.
  func runOnce(deadline: Deadline) async throws -> Bool {
    let (dooray, ledger) = (service.dooray, service.ledger)
    guard let client = dooray.client, let task = try await dooray.store.claimSettled(deadline: deadline) else {
      return false
    }
    let owner = try await ledger.directory.service(id: task.serviceID, deadline: deadline)
    let project = try await dooray.store.project(task.projectID, of: owner.id, deadline: deadline)
    let found: String?
    do {
      found = try await DoorayEscalator(dooray, client, task.agentID, project, of: owner, deadline: deadline)
        .find(task, deadline)
    } catch let failure as DoorayFailure {
      // Asked again when the lease has ended.
      log.info(
        "dooray.unsettled",
        ["ticket": .integer(task.ticketID.rawValue), "cause": .string(String(describing: failure))])
      return true
    }
    guard let found else {
      try await dooray.store.drop(task, deadline: deadline)
      return true
    }
    do {
      let access = try await ledger.access(.agent(task.agentID), serviceCode: owner.code, deadline: deadline)
      _ = try await service.open(task, as: found, in: project, access, nil, deadline)
    } catch let error as ServiceError
      where [.transitionNotAllowed, .serviceNotFound, .ticketNotFound].contains(error.reason)
    {
      try await dooray.store.stray(task, as: found, deadline: deadline)
    }
    return true
  }
}
