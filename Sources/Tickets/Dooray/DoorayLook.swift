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
  var watch: DoorayWatch
  let deadline: Deadline

  /// A task that Dooray! has not known for so long is gone: nobody there will do anything about its ticket.
  private static let goneAfter: Duration = .seconds(3600)

  var task: DoorayTaskRecord { watch.task }

  /// What was seen of a task.
  enum Sight: Sendable {
    /// It is there, and so far; nil: that is said in a word that is not known.
    case there(DoorayProgress?)
    /// It is gone.
    case gone

    var progress: DoorayProgress? { if case .there(let progress) = self { progress } else { nil } }
    var isThere: Bool { if case .there = self { true } else { false } }
  }

  /// Looks, and lets the ticket follow.
  ///
  /// - Throws: ``DoorayFailure``, `CancellationError`, BACKEND_UNAVAILABLE when masking cannot be reached, and the
  ///   database's errors.
  func follow() async throws -> Sight {
    guard let client = service.dooray.client else { return .there(nil) }
    let keyring = try await DoorayKeyring.watching(service.dooray, client, project, of: owner, deadline: deadline)
    do {
      return try await follow(with: keyring)
    } catch DoorayFailure.notFound {
      var moved = self
      do {
        moved.watch.task.movedTo = try await keyring.inTurn { token in
          try await keyring.client.place(ofTask: task.doorayID, as: token, deadline: deadline)
        }
      } catch DoorayFailure.notFound {
        guard try await service.dooray.store.miss(watch, deadline: deadline) >= Self.goneAfter else {
          throw DoorayFailure.notFound
        }
        try await follow(.closed, notes: [CodeChange("reason", "", "TASK_GONE")])
        return .gone
      }
      try await service.dooray.store.move(task, to: moved.task.movedTo, deadline: deadline)
      return try await moved.follow(with: keyring)
    }
  }

  private func follow(with keyring: DoorayKeyring) async throws -> Sight {
    let progress = try await keyring.inTurn { token in
      try await keyring.client.progress(
        ofTask: task.doorayID, inProject: task.place(from: project), as: token, deadline: deadline)
    }
    if let progress { try await follow(progress) }
    try await DoorayListening(look: self, keyring: keyring).listen()
    return .there(progress)
  }

  /// Moves the ticket, unless it does not wait for this task any more, or stands so already.
  private func follow(_ progress: DoorayProgress, notes: [CodeChange] = []) async throws {
    do {
      _ = try await service.ledger.perform(on: task.ticketID, of: owner.id, deadline: deadline) { ticket in
        guard try await service.dooray.store.isNewest(task, deadline: deadline),
          case .success(let outcome) = Lifecycle.outcome(
            of: progress.act, on: ticket.standing(in: owner), by: .dooray),
          outcome.state != ticket.state
        else { throw NothingFollows() }
        var event = EventDraft(.doorayStateChanged, by: .dooray, outcome: outcome, on: ticket)
        event.notes = [CodeChange("dooray_task", "", task.doorayID)] + notes
        if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.escalated)] }
        var change = TicketChange(event)
        change.guards = [watch.isHeld, DoorayStore.isNewest(task)]
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
