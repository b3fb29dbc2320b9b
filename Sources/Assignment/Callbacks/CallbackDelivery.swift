import Crypto
package import EventLoop
import Glibc
import HandoffAPI
import MessageJSON
import Outbound
import Postgres
import Protobuf
package import ServiceKit
package import TicketLedger

/// Delivers callbacks: those of a ticket in order, each until the receiver has answered with a status of 2xx.
///
/// A callback leaves the outbox in the transaction that writes CALLBACK_SENT. A daemon that dies between the answer and
/// that transaction leaves it to be sent again, under the same id.
package struct CallbackDelivery: Sendable {
  /// How failed attempts are repeated: after a second at first, every ten minutes later. The age ends it before the
  /// number of attempts does.
  package static let backoff = Backoff(firstMilliseconds: 1000, longestMilliseconds: 600_000, attemptsMax: 1000)
  /// Callbacks older than this are given up when they fail or would have to wait.
  package static let ageMax: Duration = .seconds(3 * 24 * 3600)
  /// How long a receiver may take.
  package static let attemptTimeout: Duration = .seconds(10)
  /// How much of an answer is read; what it says is not looked at.
  static let answerBytesMax = 16 << 10
  private static let connectTimeout: Duration = .seconds(5)
  /// How long callbacks wait when another daemon or the database cannot be reached for their secret.
  private static let secretsPause: Duration = .seconds(5)
  /// How long the delivery that finds a receiver back, or away, may take to make the others due, or put them off.
  private static let moveTimeout: Duration = .seconds(5)
  /// Transfers at a time: as many as are claimed at once.
  private static let threadsMax = Outbox.claimMax

  let ledger: TicketLedger
  let callbacks: Callbacks
  private let client: HTTPClient
  private let patience: CallbackPatience
  private let blocking: BlockingPool
  private let attemptTimeout: @Sendable (_ destination: String) -> Duration
  private let log: Logger
  private let attempts: Metric<Counter>

  /// Delivers what triggers of the ledger's tickets ask for.
  ///
  /// - Parameters:
  ///   - attemptTimeout: how long a receiver (``HTTPSURL/destination``) may take.
  ///   - clock: how time passes for pauses between attempts to reach a receiver that is away.
  package init(
    ledger: TicketLedger, callbacks: Callbacks, log: Logger, metrics: Metrics,
    attemptTimeout: @escaping @Sendable (_ destination: String) -> Duration = { _ in Self.attemptTimeout },
    clock: @escaping @Sendable () -> MonotonicTime = { MonotonicTime.current }
  ) {
    self.ledger = ledger
    self.callbacks = callbacks
    self.log = log
    self.attemptTimeout = attemptTimeout
    patience = CallbackPatience(clock: clock)
    blocking = BlockingPool(name: "callbacks", threads: Self.threadsMax, queueMax: Self.threadsMax)
    client = HTTPClient(
      pool: blocking,
      limits: HTTPLimits(
        bodyBytesMax: Self.answerBytesMax, connectTimeout: Self.connectTimeout, policy: callbacks.rules.policy,
        authoritiesFile: callbacks.rules.authoritiesFile))
    attempts = metrics.counter(
      "handoff_callback_attempts_total", "Attempts to deliver a callback, by what became of them.",
      label: "outcome", of: ["sent", "deferred", "postponed", "failed"])
  }

  /// Starts delivering.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let worker = worker(holder: "callbacks-\(Hex.encode(SecureRandom.bytes(6)))")
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    return { [blocking] in
      task.cancel()
      await task.value
      blocking.shutdown()
    }
  }

  /// The worker that delivers; any number of processes may run one.
  func worker(holder: String) -> OutboxWorker {
    let log = log
    return OutboxWorker(
      Outbox(topic: .callbacks, pool: ledger.pool, holder: holder, backoff: Self.backoff), pool: ledger.pool,
      failed: { log.warning("callbacks.worker_failed", ["cause": .string(String(describing: $0))]) },
      each: { item in try await self.deliver(item) })
  }

  private func deliver(_ item: OutboxItem) async throws -> OutboxVerdict {
    guard let record = try await callbacks.store.record(of: item, deadline: item.deadline) else { return .done }
    guard let url = HTTPSURL(record.url) else { return try await giveUp(item, record, "the URL cannot be read") }
    switch patience.begin(url.destination) {
    case .now: break
    case .later(let wait): return try await putOff(item, record, wait)
    case .allLater(let wait):
      await move(url.destination) { try await $0.putOff(to: $1, by: wait, ageMax: Self.ageMax, deadline: $2) }
      return try await putOff(item, record, wait)
    }
    let answer: Answer
    do {
      answer = try await attempt(item, record, at: url)
    } catch {
      _ = patience.end(url.destination, isThere: nil, after: .zero)
      throw error
    }
    let isBack = patience.end(url.destination, isThere: answer.isThere, after: answer.duration)
    let verdict = try await conclude(item, record, answer)
    // After what the receiver took is written down: what goes wrong here must not send it again.
    if isBack { await move(url.destination) { try await $0.hurry(to: $1, deadline: $2) } }
    return verdict
  }

  /// What an attempt came to.
  private enum Answer {
    /// The receiver answered, after so long.
    case status(Int, after: Duration)
    /// Nothing came back, and why.
    case none(String)
    /// Nothing was sent, and why.
    case unsent(String)
    /// Nothing was sent, and what hindered it goes by itself.
    case postponed(Duration, why: String)

    /// Whether the receiver works: one that refuses this callback may take others; nil: that is not known.
    var isThere: Bool? {
      switch self {
      case .status(let status, _): status < 500 && status != 429
      case .none: false
      case .unsent, .postponed: nil
      }
    }

    var duration: Duration { if case .status(_, let duration) = self { duration } else { .zero } }
  }

  /// Signs and posts a callback.
  ///
  /// - Throws: only when cancelled.
  private func attempt(
    _ item: OutboxItem, _ record: CallbackStore.Record, at url: HTTPSURL
  ) async throws -> Answer {
    do {
      let service = try await ledger.directory.service(id: item.serviceID, deadline: item.deadline)
      let signature = try await callbacks.secrets.signature(of: service, deadline: item.deadline)
      guard let signature else { return .unsent("the service has no secret to sign with") }
      return try await post(record, to: url, signature, of: service, deadline: item.deadline)
    } catch {
      if error is CancellationError || Task.isCancelled { throw error }
      if error is BlockingPool.Refusal { return .postponed(.seconds(1), why: "too many were under way") }
      guard let error = error as? ServiceError else { return .unsent("it cannot be made: \(type(of: error))") }
      let entry = error.reason.entry
      return entry.retry == .backoff
        ? .postponed(Self.secretsPause, why: "it could not be signed: \(entry.text)")
        : .unsent("it cannot be signed: \(entry.text)")
    }
  }

  private func conclude(
    _ item: OutboxItem, _ record: CallbackStore.Record, _ answer: Answer
  ) async throws -> OutboxVerdict {
    switch answer {
    case .status(let status, _) where (200..<300).contains(status): return try await succeed(item, record, status)
    // RFC 9110: the resource is gone for good.
    case .status(410, _): return try await giveUp(item, record, "the receiver answered 410")
    case .status(let status, _): return try await failed(item, record, "the receiver answered \(status)")
    case .none(let words), .unsent(let words): return try await failed(item, record, words)
    case .postponed(let wait, let why):
      guard item.age < Self.ageMax else { return try await giveUp(item, record, why) }
      attempts.with("postponed").add()
      return .postponed(wait)
    }
  }

  private func putOff(
    _ item: OutboxItem, _ record: CallbackStore.Record, _ wait: Duration
  ) async throws -> OutboxVerdict {
    item.age < Self.ageMax ? .postponed(wait) : try await giveUp(item, record, "the receiver was away")
  }

  /// Moves the due times of what waits for a receiver. What this does not reach is claimed at its own time.
  private func move(
    _ destination: String, _ move: (CallbackStore, String, Deadline) async throws -> Int
  ) async {
    do {
      _ = try await move(callbacks.store, destination, .after(Self.moveTimeout))
    } catch {
      log.warning("callbacks.move_failed", ["cause": .string(String(describing: error))])
    }
  }

  private func post(
    _ record: CallbackStore.Record, to url: HTTPSURL, _ signature: CallbackSignature, of service: ServiceRecord,
    deadline: Deadline
  ) async throws -> Answer {
    var body = record.body
    body.name = CallbackName(service: service.code, id: record.id).description
    let json = MessageWriter.json(
      try DynamicMessage(serialized: try body.serialized(), as: CallbackBody.descriptor, in: Arena()))
    let headers =
      ["content-type: application/json", "user-agent: Handoff"]
      + signature.headers(id: body.name, seconds: Int64(time(nil)), body: json)
    let begin = MonotonicTime.current
    do {
      let reply = try await client.send(
        HTTPRequest("POST", url.text, headers: headers, body: json),
        deadline: min(deadline, .after(attemptTimeout(url.destination))))
      return .status(reply.status, after: MonotonicTime.current.since(begin))
    } catch let failure as HTTPFailure {
      if let range = failure.addressRefusal {
        return .none("the host has an address that must not be called: \(range)")
      }
      return .none(failure.description)
    }
  }

  private func succeed(
    _ item: OutboxItem, _ record: CallbackStore.Record, _ status: Int
  ) async throws -> OutboxVerdict {
    let notes = [CodeChange("status", "", String(status))]
    let isWritten = try await write(.callbackSent, item, record, notes, [item.removal, item.release])
    attempts.with("sent").add()
    return isWritten ? .removed : .done
  }

  private func failed(
    _ item: OutboxItem, _ record: CallbackStore.Record, _ reason: String
  ) async throws -> OutboxVerdict {
    guard item.age < Self.ageMax, Self.backoff.wait(afterAttempt: item.attempt, jitter: 0) != nil else {
      return try await giveUp(item, record, reason)
    }
    log.info(
      "callbacks.deferred",
      [
        "ticket": .integer(item.ticketID.rawValue), "attempt": .integer(Int64(item.attempt)),
        "reason": .string(reason),
      ])
    attempts.with("deferred").add()
    return .failed(reason)
  }

  private func giveUp(
    _ item: OutboxItem, _ record: CallbackStore.Record, _ reason: String
  ) async throws -> OutboxVerdict {
    log.warning(
      "callbacks.given_up", ["ticket": .integer(item.ticketID.rawValue), "reason": .string(reason)])
    let isWritten = try await write(.callbackFailed, item, record, [], [item.burial(reason), item.release])
    attempts.with("failed").add()
    return isWritten ? .removed : .hopeless(reason)
  }

  /// Tells the ticket what became of a callback, and ends the work with it; false when the ticket is gone.
  private func write(
    _ code: EventCode, _ item: OutboxItem, _ record: CallbackStore.Record, _ notes: [CodeChange],
    _ attachments: [Query]
  ) async throws -> Bool {
    let trigger = TriggerName(record.body.trigger)
    var event = EventDraft(
      code, by: trigger.map { .trigger($0) } ?? .system, cause: .sequence(item.eventSequence))
    event.notes =
      [CodeChange("callback", "", String(record.id)), CodeChange("attempt", "", String(item.attempt))] + notes
    var change = TicketChange(event)
    change.isSilent = true
    change.guards = [item.isHeld]
    change.attachments = attachments
    do {
      _ = try await ledger.perform(on: item.ticketID, of: item.serviceID, deadline: item.deadline) {
        [change] _ in change
      }
      return true
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return false
    }
  }
}
