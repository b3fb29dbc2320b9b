package import EventLoop
package import ServiceKit
import TicketLedger

/// Finds out what became of tasks whose creation was left off: by a lost answer, or by a daemon that ended.
///
/// A task that exists is linked with its ticket, in the name of who escalated; one that does not is forgotten, and the
/// ticket is as it was. It is looked for with every key that may see it. Any number of daemons may do it at once.
package struct DooraySettler: Sendable {
  /// Tasks at a time in one daemon; more than for one organization.
  private static let placesMax = 8
  private static let pollInterval: Duration = .seconds(5)
  /// When others of the same organization are worked on.
  private static let lanePause: Duration = .seconds(5)
  private static let runTimeMax: Duration = .seconds(40)
  /// What could not be settled for so long is given up, so that its ticket can be escalated again.
  private static let ageMax: Duration = .seconds(24 * 3600)

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
      await withDiscardingTaskGroup { group in
        for _ in 0..<Self.placesMax { group.addTask(executorPreference: loop) { await run(on: loop) } }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }

  private func run(on loop: EventLoop) async {
    while !Task.isCancelled {
      do {
        while try await runOnce(deadline: .after(Self.runTimeMax)), !Task.isCancelled {}
      } catch {
        if !Task.isCancelled { log.warning("dooray.failed", ["cause": .string(String(describing: error))]) }
      }
      do { try await loop.sleep(for: Self.pollInterval) } catch { return }
    }
  }

  /// Settles one task. One that cannot be settled holds up no other, and is looked at again when its lease has ended.
  ///
  /// - Returns: false when there is none.
  /// - Throws: the database's errors.
  func runOnce(deadline: Deadline) async throws -> Bool {
    guard let client = service.dooray.client,
      let task = try await service.dooray.store.claimSettled(deadline: deadline)
    else { return false }
    do {
      let owner = try await service.ledger.directory.service(id: task.serviceID, deadline: deadline)
      let project = try await service.dooray.store.project(task.projectID, of: owner.id, deadline: deadline)
      let isSettled: Void? = try await service.dooray.lanes.run(project.organizationID, of: owner.id) {
        try await settle(task, in: project, of: owner, client, deadline)
      }
      if isSettled == nil {
        try await service.dooray.store.putOff(task, by: Self.lanePause, deadline: deadline)
      }
    } catch let failure as DoorayFailure {
      try await leave(task, String(describing: failure), deadline)
    } catch let error as ServiceError where ![.databaseUnavailable, .deadlineExceeded].contains(error.reason) {
      try await leave(task, error.message, deadline)
    }
    return true
  }

  private func settle(
    _ task: DoorayTaskRecord, in project: DoorayProjectRecord, of owner: ServiceRecord, _ client: DoorayClient,
    _ deadline: Deadline
  ) async throws {
    let (dooray, ledger) = (service.dooray, service.ledger)
    let keyring = try await DoorayKeyring.settling(
      task.agentID, dooray, client, project, of: owner, deadline: deadline)
    guard let found = try await DoorayEscalator(dooray, with: keyring).find(task, deadline) else {
      return try await dooray.store.drop(task, deadline: deadline)
    }
    do {
      let access = try await ledger.access(.agent(task.agentID), serviceCode: owner.code, deadline: deadline)
      _ = try await service.open(task, as: found, in: project, access, nil, deadline)
    } catch let error as ServiceError
      where [.transitionNotAllowed, .serviceNotFound, .ticketNotFound, .permissionDenied].contains(error.reason)
    {
      try await service.stray(task, as: found, deadline)
    }
  }

  /// Leaves a task that cannot be settled for later; after long enough, its ticket is let go, which its history says.
  private func leave(_ task: DoorayTaskRecord, _ cause: String, _ deadline: Deadline) async throws {
    guard task.age >= Self.ageMax else {
      return log.info(
        "dooray.unsettled", ["ticket": .integer(task.ticketID.rawValue), "cause": .string(cause)])
    }
    log.warning("dooray.given_up", ["ticket": .integer(task.ticketID.rawValue), "reason": .string(cause)])
    do {
      _ = try await service.ledger.perform(on: task.ticketID, of: task.serviceID, deadline: deadline) { _ in
        var event = EventDraft(.doorayEscalationFailed, by: .dooray)
        event.notes = [CodeChange("dooray_project", "", task.projectID.description)]
        var change = TicketChange(event)
        change.isSilent = true
        change.attachments = [DoorayStore.givingUp(task)]
        return change
      }
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      try await service.dooray.store.drop(task, deadline: deadline)
    }
  }
}
