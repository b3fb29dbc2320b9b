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
  /// So many looks in a row must have said so.
  static let goneAfterLooks = 3

  var task: DoorayTaskRecord { watch.task }

  /// What was seen of a task.
  enum Sight: Sendable {
    /// It is there, and so far; nil: that is said in a word that is not known.
    case there(DoorayProgress?)
    /// It is gone.
    case gone

    var progress: DoorayProgress? { if case .there(let progress) = self { progress } else { nil } }
  }

  /// Looks, and lets the ticket follow.
  ///
  /// - Throws: ``DoorayFailure``, `CancellationError`, BACKEND_UNAVAILABLE when masking cannot be reached, and the
  ///   database's errors.
  func follow() async throws -> Sight {
    guard let client = service.dooray.client else { return .there(nil) }
    let keyring = try await DoorayKeyring.watching(service.dooray, client, project, of: owner, deadline: deadline)
    switch try await progress(with: keyring) {
    case .done(let progress): return try await follow(progress, with: keyring)
    case .without(let failures):
      let place = try await keyring.asking { token in
        try await keyring.client.place(ofTask: task.doorayID, as: token, deadline: deadline)
      }
      switch place {
      case .done(let place): return try await follow(to: place, with: keyring)
      case .without(let more): return try await miss(failures + more, with: keyring)
      }
    }
  }

  /// How far the task is, where it is known to be.
  private func progress(with keyring: DoorayKeyring) async throws -> DoorayKeyring.Outcome<DoorayProgress?> {
    try await keyring.asking { token in
      try await keyring.client.progress(
        ofTask: task.doorayID, inProject: task.place(from: project), as: token, deadline: deadline)
    }
  }

  private func follow(_ progress: DoorayProgress?, with keyring: DoorayKeyring) async throws -> Sight {
    // Before anything else is asked, which may fail.
    if task.isMissed { try await service.dooray.store.find(watch, deadline: deadline) }
    if let progress { try await follow(progress) }
    try await DoorayListening(look: self, keyring: keyring).listen()
    return .there(progress)
  }

  /// Follows a task into the project where it is now.
  private func follow(to place: String, with keyring: DoorayKeyring) async throws -> Sight {
    try await service.dooray.store.move(task, to: place, deadline: deadline)
    var moved = self
    moved.watch.task.movedTo = place
    switch try await moved.progress(with: keyring) {
    case .done(let progress): return try await moved.follow(progress, with: keyring)
    // It is there, since it was just found.
    case .without(let failures): throw failures[failures.count - 1]
    }
  }

  /// No key sees the task. It is gone when all keys were good and were told so for long, several times in a row: a key
  /// that is lost or refused might see it, and then nothing is known.
  private func miss(_ failures: [DoorayFailure], with keyring: DoorayKeyring) async throws -> Sight {
    let store = service.dooray.store
    guard keyring.isComplete, failures.allSatisfy(\.isOfAccess) else {
      if task.isMissed { try await store.find(watch, deadline: deadline) }
      throw failures.first { !$0.isOfAccess } ?? failures[failures.count - 1]
    }
    let missed = try await store.miss(watch, deadline: deadline)
    guard missed.looks >= Self.goneAfterLooks, missed.duration >= Self.goneAfter else {
      throw failures[failures.count - 1]
    }
    try await follow(.closed, notes: [CodeChange("reason", "", "TASK_GONE")])
    return .gone
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
