import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// One look at a task: what Dooray! says of it now, and what follows for its ticket.
struct DoorayLook: Sendable {
  let service: TicketService
  let owner: ServiceRecord
  let project: DoorayProjectRecord
  let watch: DoorayWatch
  let deadline: Deadline

  var task: DoorayTaskRecord { watch.task }

  /// Looks, and lets the ticket follow.
  ///
  /// - Returns: how far the task is; nil when that is said in a word that is not known.
  /// - Throws: ``DoorayFailure``, `CancellationError`, BACKEND_UNAVAILABLE when masking cannot be reached, and the
  ///   database's errors.
  func follow() async throws -> DoorayProgress? {
    guard let client = service.dooray.client else { return nil }
    let keyring = try await DoorayKeyring.watching(service.dooray, client, project, of: owner, deadline: deadline)
    let progress = try await keyring.inTurn { token in
      try await client.progress(
        ofTask: task.doorayID, inProject: project.doorayID, as: token, deadline: deadline)
    }
    if let progress { try await follow(progress) }
    try await DoorayListening(look: self, keyring: keyring).listen()
    return progress
  }

  /// Moves the ticket, unless it does not wait for this task any more, or stands so already.
  private func follow(_ progress: DoorayProgress) async throws {
    do {
      _ = try await service.ledger.perform(on: task.ticketID, of: owner.id, deadline: deadline) { ticket in
        guard try await service.dooray.store.isNewest(task, deadline: deadline),
          case .success(let outcome) = Lifecycle.outcome(
            of: progress.act, on: ticket.standing(in: owner), by: .dooray),
          outcome.state != ticket.state
        else { throw NothingFollows() }
        var event = EventDraft(.doorayStateChanged, by: .dooray, outcome: outcome, on: ticket)
        event.notes = [CodeChange("dooray_task", "", task.doorayID)]
        if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.escalated)] }
        var change = TicketChange(event)
        change.guards = [watch.isHeld]
        return change
      }
    } catch is NothingFollows {
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      // It was deleted.
    }
  }
}

/// What was seen changes nothing.
private struct NothingFollows: Error {}

extension DoorayProgress {
  /// What it is to the ticket that waits for the task.
  fileprivate var act: LifecycleAct {
    switch self {
    case .registered: .doorayRegistered
    case .working: .doorayWorking
    case .closed: .doorayClosed
    }
  }
}
