import Crypto
package import EventLoop
import HandoffAPI
import Postgres
import Protobuf
package import ServiceKit
import TicketLedger

/// Sends to Dooray! what agents have left for it: comments and files, those of a ticket in order, each once.
///
/// What was sent without an answer is looked for before it is sent again, and is not sent again before Dooray! cannot
/// be at it any more.
package struct DoorayDelivery: Sendable {
  /// Pieces of work at a time in one daemon.
  static let placesMax = 16
  private static let lanePause: Duration = .seconds(1)
  /// When masking cannot be reached for a key.
  private static let keyPause: Duration = .seconds(5)
  /// How long after an attempt Dooray! may still be at it.
  static let settleTime: Duration = .seconds(60)
  /// What could not be sent for so long is given up.
  static let ageMax: Duration = .seconds(3 * 24 * 3600)

  let service: TicketService
  private let log: Logger
  private let sendings: Metric<Counter>

  var store: DoorayStore { service.dooray.store }

  /// Sends what the tickets of a service's copies leave in the outbox.
  package init(service: TicketService, log: Logger, metrics: Metrics) {
    self.service = service
    self.log = log
    sendings = metrics.counter(
      "handoff_dooray_sendings_total", "Comments and files for Dooray!, by what became of an attempt.",
      label: "outcome", of: ["sent", "deferred", "failed"])
  }

  /// Starts sending.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on loop: EventLoop) -> @Sendable () async -> Void {
    let worker = worker(holder: "dooray-\(Hex.encode(SecureRandom.bytes(6)))")
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    return {
      task.cancel()
      await task.value
    }
  }

  /// The worker that sends; any number of processes may run one.
  func worker(holder: String) -> OutboxWorker {
    let log = log
    return OutboxWorker(
      Outbox(topic: .dooray, pool: service.ledger.pool, holder: holder, workDuration: .seconds(300)),
      pool: service.ledger.pool, placesMax: Self.placesMax,
      failed: { log.warning("dooray.worker_failed", ["cause": .string(String(describing: $0))]) },
      each: { item in try await self.deliver(item) })
  }

  private func deliver(_ item: OutboxItem) async throws -> OutboxVerdict {
    guard let client = service.dooray.client else { return .postponed(Self.keyPause) }
    guard let work = try? DoorayWork(serialized: item.payload).work else { return .hopeless("the work cannot be read") }
    let piece: any DoorayPiece
    switch work {
    case .comment(let id):
      guard let found = try await DoorayCommentPiece(DoorayCommentID(id), item, service) else { return .done }
      piece = found
    case .taskFiles(let id):
      guard let found = try await DoorayFilesPiece(DoorayTaskID(id), item, service) else { return .done }
      piece = found
    }
    let owner = try await service.ledger.directory.service(id: item.serviceID, deadline: item.deadline)
    let project = try await store.project(piece.task.projectID, of: owner.id, deadline: item.deadline)
    let verdict = try await service.dooray.lanes.run(project.organizationID, of: owner.id) {
      try await attempt(piece, item, owner, project, client)
    }
    return verdict ?? .postponed(Self.lanePause)
  }

  private func attempt(
    _ piece: any DoorayPiece, _ item: OutboxItem, _ owner: ServiceRecord, _ project: DoorayProjectRecord,
    _ client: DoorayClient
  ) async throws -> OutboxVerdict {
    do {
      let keyring = try await DoorayKeyring.acting(
        piece.agent, service.dooray, client, project, of: owner, deadline: item.deadline)
      try await piece.send(with: keyring, item.deadline)
      sendings.with("sent").add()
      return .done
    } catch let error as DoorayUnsettled {
      return try await putOff(piece, item, by: error.wait, "Dooray! does not say whether it has it")
    } catch let failure as DoorayFailure {
      if case .tooManyRequests(let wait) = failure {
        return try await putOff(piece, item, by: max(wait, .seconds(1)), "Dooray! takes no more requests")
      }
      guard failure.isUnsure else { return try await giveUp(piece, item, failure.refusal) }
      return try await putOff(piece, item, by: Self.settleTime, "Dooray! does not answer")
    } catch let error as ServiceError where error.reason == .doorayRefused {
      return try await giveUp(piece, item, error.message)
    } catch let error as ServiceError where error.reason.entry.retry == .backoff {
      return try await putOff(piece, item, by: Self.keyPause, error.message)
    } catch let error as ServiceError {
      return try await putOff(piece, item, by: Self.settleTime, error.message)
    }
  }

  private func putOff(
    _ piece: any DoorayPiece, _ item: OutboxItem, by wait: Duration, _ reason: String
  ) async throws -> OutboxVerdict {
    guard item.age < Self.ageMax else { return try await giveUp(piece, item, reason) }
    log.info("dooray.deferred", ["ticket": .integer(item.ticketID.rawValue), "reason": .string(reason)])
    sendings.with("deferred").add()
    return .postponed(wait)
  }

  private func giveUp(_ piece: any DoorayPiece, _ item: OutboxItem, _ reason: String) async throws -> OutboxVerdict {
    log.warning("dooray.given_up", ["ticket": .integer(item.ticketID.rawValue), "reason": .string(reason)])
    sendings.with("failed").add()
    try await piece.fail(reason, item.deadline)
    return .hopeless(reason)
  }
}

extension DoorayFailure {
  /// Why a comment or a file was given up, for agents.
  var refusal: String {
    switch self {
    case .tokenRefused: "Dooray! refuses the key; enter a new one"
    case .notAllowed: "neither the agent nor the project's representative may write there; ask an administrator"
    case .notFound: "Dooray! does not know the task any more, or hides it"
    case .refused(let status): "Dooray! does not take it (\(status))"
    case .tooManyRequests: "Dooray! takes no more requests"
    case .unreachable, .failing, .unreadable, .cutShort: "Dooray! does not answer"
    }
  }
}

/// What was sent a moment ago may still be on its way.
struct DoorayUnsettled: Error {
  /// Until it is not.
  let wait: Duration
}

/// What one row of the outbox is about.
protocol DoorayPiece: Sendable {
  /// The task that it goes to.
  var task: DoorayTaskRecord { get }
  /// In whose name.
  var agent: AgentID { get }
  /// Sends it, unless it is there already.
  ///
  /// - Throws: ``DoorayFailure``; ``DoorayUnsettled`` when it may still be on its way; the database's errors.
  func send(with keyring: DoorayKeyring, _ deadline: Deadline) async throws
  /// Gives it up.
  func fail(_ reason: String, _ deadline: Deadline) async throws
}
