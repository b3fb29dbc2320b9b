import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Creates tasks at Dooray!, each once.
///
/// A row says that a task is going to be created before Dooray! hears of it. Its marker stands in the task's text, so
/// that whoever takes the row up after a lost answer finds the task, if there is one, before creating anything.
struct DoorayEscalator: Sendable {
  private static let looksMax = 3
  private static let lookPause: Duration = .seconds(1)

  let dooray: DoorayLink
  let keyring: DoorayKeyring
  var client: DoorayClient { keyring.client }
  var project: DoorayProjectRecord { keyring.project }

  /// Creates tasks of a project in an agent's name, or its representative's.
  ///
  /// - Throws: DOORAY_REFUSED when neither has a key; BACKEND_UNAVAILABLE when masking cannot be reached.
  init(
    _ dooray: DoorayLink, _ client: DoorayClient, _ agent: AgentID, _ project: DoorayProjectRecord,
    of service: ServiceRecord, deadline: Deadline
  ) async throws {
    self.dooray = dooray
    keyring = try await .acting(agent, dooray, client, project, of: service, deadline: deadline)
  }

  /// Finds out with some keys what became of tasks.
  init(_ dooray: DoorayLink, with keyring: DoorayKeyring) {
    self.dooray = dooray
    self.keyring = keyring
  }

  /// Creates the task of a row that was just begun, or of one that was left off, and returns its id.
  ///
  /// - Throws: DOORAY_REFUSED, REQUEST_INVALID when it does not exist and never will: the row is gone.
  ///   BACKEND_UNAVAILABLE when that is not known: the row is left off.
  func create(_ task: DoorayTaskRecord, isNew: Bool, deadline: Deadline) async throws -> String {
    if !isNew, let found = try await known(task, deadline) { return found }
    do {
      return try await keyring.inTurn { token in
        guard let current = try await dooray.store.doubt(task, deadline: deadline) else { throw DoorayStore.underway }
        return try await client.create(current.draft(in: project), as: token, deadline: deadline)
      }
    } catch let failure as DoorayFailure {
      guard failure.isUnsure else {
        try await dooray.store.drop(task, deadline: deadline)
        throw Self.error(failure)
      }
      try await dooray.store.leaveOff(task, deadline: deadline)
      if let found = await look(for: task, deadline) { return found }
      throw Self.error(failure)
    }
  }

  /// The id of the task that was left off; nil when it is certain that it does not exist, and may be created.
  private func known(_ task: DoorayTaskRecord, _ deadline: Deadline) async throws -> String? {
    let failure: DoorayFailure
    do {
      if let found = try await find(task, deadline) { return found }
      if !task.isSettling { return nil }
      failure = .unreachable("its answer was lost")
    } catch let caught as DoorayFailure {
      failure = caught
    }
    // Even a refusal says nothing about the attempt whose answer was lost.
    try await dooray.store.release(task, deadline: deadline)
    throw Self.error(failure)
  }

  /// The id of the task that a row's attempts have created; nil when there is none.
  ///
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func find(_ task: DoorayTaskRecord, _ deadline: Deadline) async throws -> String? {
    try await keyring.inTurn { token in
      try await client.task(
        marked: task.marker, subject: task.subject, since: task.createTime.seconds, inProject: project.doorayID,
        as: token, deadline: deadline)
    }
  }

  /// Looks a few times right after a lost answer, so that who waits is told whenever possible.
  private func look(for task: DoorayTaskRecord, _ deadline: Deadline) async -> String? {
    for number in 1...Self.looksMax where deadline.remaining > Self.lookPause {
      if let found = try? await find(task, deadline) { return found }
      if number == Self.looksMax { break }
      do { try await EventLoop.pause(for: Self.lookPause) } catch { return nil }
    }
    return nil
  }

  /// What an agent is told.
  static func error(_ failure: DoorayFailure) -> ServiceError {
    switch failure {
    case .tokenRefused:
      ServiceError(.doorayRefused, "Dooray! refuses the key; enter a new one, then try again")
    case .notAllowed, .notFound:
      ServiceError(
        .doorayRefused, "neither you nor the project's representative may create tasks there; ask an administrator")
    case .refused(let status):
      ServiceError(
        .doorayRefused, "Dooray! does not take the task (\(status)); check its tags and people, then try again")
    case .tooManyRequests:
      ServiceError(.backendUnavailable, "Dooray! takes no more requests for now; try again in a minute")
    case .unreachable, .failing, .unreadable, .cutShort:
      ServiceError(
        .backendUnavailable,
        "Dooray! did not say whether it has created the task; look at the ticket in two minutes, then try again")
    }
  }
}
