import Crypto
package import EventLoop
import Outbound
import Postgres
import ServiceKit
import TicketLedger

/// Posts what triggers send to the outside, each until the receiver has taken it with a status of 2xx.
///
/// A post leaves the outbox in the transaction that writes into the ticket's history that it was sent. A daemon that
/// dies between the answer and that transaction leaves it to be sent again.
package struct PostDelivery: Sendable {
  /// How long a receiver may take.
  package static let attemptTimeout: Duration = .seconds(10)
  /// How much of an answer is read; what it says is not looked at.
  private static let answerBytesMax = 16 << 10
  private static let connectTimeout: Duration = .seconds(5)
  /// How long posts wait when another daemon or the database cannot be reached for what they need.
  private static let unmadePause: Duration = .seconds(5)
  /// How long the delivery that finds a receiver back, or away, may take to make the others due, or put them off.
  private static let moveTimeout: Duration = .seconds(5)

  let ledger: TicketLedger
  private let kind: any PostKind
  private let manner: PostManner
  private let client: HTTPClient
  private let patience: PostPatience
  private let blocking: BlockingPool
  private let attemptTimeout: @Sendable (_ receiver: String) -> Duration
  private let log: Logger
  private let attempts: Metric<Counter>

  /// Delivers posts of one kind.
  ///
  /// - Parameters:
  ///   - rules: whom posts may go to.
  ///   - attemptTimeout: how long a receiver (``Post/receiver``) may take.
  ///   - clock: how time passes for pauses between attempts to reach a receiver that is away.
  init(
    _ kind: any PostKind, ledger: TicketLedger, rules: CallbackRules, log: Logger, metrics: Metrics,
    attemptTimeout: @escaping @Sendable (_ receiver: String) -> Duration = { _ in Self.attemptTimeout },
    clock: @escaping @Sendable () -> MonotonicTime = { MonotonicTime.current }
  ) {
    self.ledger = ledger
    self.kind = kind
    self.log = log
    self.attemptTimeout = attemptTimeout
    manner = kind.manner
    patience = PostPatience(manner.places, clock: clock)
    blocking = BlockingPool(name: manner.name, threads: manner.places.total, queueMax: manner.places.total)
    client = HTTPClient(
      pool: blocking,
      limits: HTTPLimits(
        bodyBytesMax: Self.answerBytesMax, connectTimeout: Self.connectTimeout, policy: rules.policy,
        authoritiesFile: rules.authoritiesFile))
    attempts = metrics.counter(
      manner.counter.name, manner.counter.help, label: "outcome", of: ["sent", "deferred", "postponed", "failed"])
  }

  /// Starts delivering.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let worker = worker(holder: "\(manner.name)-\(Hex.encode(SecureRandom.bytes(6)))")
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    return { [blocking] in
      task.cancel()
      await task.value
      blocking.shutdown()
    }
  }

  /// The worker that delivers; any number of processes may run one.
  func worker(holder: String) -> OutboxWorker {
    let (log, line) = (log, manner.lines.workerFailed)
    let outbox = Outbox(topic: manner.topic, pool: ledger.pool, holder: holder, backoff: manner.backoff)
    return OutboxWorker(
      outbox, pool: ledger.pool, placesMax: manner.places.total,
      failed: { log.warning(line, ["cause": .string(String(describing: $0))]) },
      each: { item in try await self.deliver(item, outbox) })
  }

  private func deliver(_ item: OutboxItem, _ outbox: Outbox) async throws -> OutboxVerdict {
    let post: Post
    switch try await kind.post(of: item) {
    case .post(let found): post = found
    case .hopeless(let label, let reason): return try await giveUp(item, label, reason)
    case .unreadable(let reason): return .hopeless(reason)
    case .gone: return .done
    }
    let pass: PostPatience.Pass
    switch patience.begin(post.receiver, of: item.serviceID) {
    case .now(let begun): pass = begun
    case .crowded(let wait, let others):
      await putOff(to: post.receiver, others, outbox)
      return .postponed(wait)
    case .later(let wait, let others):
      await putOff(to: post.receiver, others, outbox)
      return try await putOff(item, post, wait)
    }
    let answer: Answer
    do {
      answer = try await attempt(item, post)
    } catch {
      _ = patience.end(pass, isThere: nil, after: .zero)
      throw error
    }
    let sequel = patience.end(pass, isThere: answer.isThere, after: answer.duration)
    let verdict = try await conclude(item, post, answer)
    // After what the receiver took is written down: what goes wrong here must not send it again.
    switch sequel {
    case .back:
      await move { try await outbox.hurry(to: post.receiver, batches: manner.hurriedBatches, deadline: $0) }
    // One that was put off itself has others behind it, whichever daemon turned them away.
    case .room(let count, let turnedAway) where (turnedAway || item.wasPutOff) && count > 0:
      await move {
        try await outbox.hurry(to: post.receiver, isUntried: true, batchMax: count, batches: 1, deadline: $0)
      }
    case .room, .nothing: break
    }
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
    /// Nothing was sent, and never will be, and why.
    case hopeless(String)
    /// Nothing was sent, and what hindered it goes by itself.
    case postponed(Duration, why: String)

    /// Whether the receiver works: one that refuses this post may take others; nil: that is not known.
    var isThere: Bool? {
      switch self {
      case .status(let status, _): status < 500 && ![408, 425, 429].contains(status)
      case .none: false
      case .unsent, .hopeless, .postponed: nil
      }
    }

    var duration: Duration { if case .status(_, let duration) = self { duration } else { .zero } }
  }

  /// Makes and sends a post.
  ///
  /// - Throws: only when cancelled.
  private func attempt(_ item: OutboxItem, _ post: Post) async throws -> Answer {
    do {
      return try await send(try await post.request(item.deadline), to: post.receiver, item.deadline)
    } catch {
      if error is CancellationError || Task.isCancelled { throw error }
      if error is BlockingPool.Refusal { return .postponed(.seconds(1), why: "too many were under way") }
      if let error = error as? PostUnmade { return .unsent(error.reason) }
      guard let error = error as? ServiceError else { return .unsent("\(manner.unmade): \(type(of: error))") }
      let words = "\(manner.unmade): \(error.reason.entry.text)"
      if error.reason.entry.retry == .backoff { return .postponed(Self.unmadePause, why: words) }
      return kind.refusal(by: error).map { .hopeless($0) } ?? .unsent(words)
    }
  }

  private func send(_ request: HTTPRequest, to receiver: String, _ deadline: Deadline) async throws -> Answer {
    let begin = MonotonicTime.current
    do {
      let reply = try await client.send(request, deadline: min(deadline, .after(attemptTimeout(receiver))))
      return .status(reply.status, after: MonotonicTime.current.since(begin))
    } catch let failure as HTTPFailure {
      if let range = failure.addressRefusal {
        return .none("the host has an address that must not be called: \(range)")
      }
      return .none(kind.words(of: failure))
    }
  }

  private func conclude(_ item: OutboxItem, _ post: Post, _ answer: Answer) async throws -> OutboxVerdict {
    switch answer {
    case .status(let status, _) where (200..<300).contains(status):
      return try await succeed(item, post, status)
    case .status(let status, _):
      let words = "\(manner.receiver) answered \(status)"
      guard let advice = kind.refusal(by: status) else { return try await failed(item, post, words) }
      return try await giveUp(item, post.label, words + advice)
    case .none(let words), .unsent(let words): return try await failed(item, post, words)
    case .hopeless(let words): return try await giveUp(item, post.label, words)
    case .postponed(let wait, let why):
      guard item.age < manner.ageMax else { return try await giveUp(item, post.label, why) }
      attempts.with("postponed").add()
      return .postponed(wait)
    }
  }

  private func putOff(_ item: OutboxItem, _ post: Post, _ wait: Duration) async throws -> OutboxVerdict {
    item.age < manner.ageMax
      ? .postponed(wait) : try await giveUp(item, post.label, "\(manner.receiver) was away or slow")
  }

  /// Puts off what else is due to a receiver, if it is to wait.
  private func putOff(to receiver: String, _ wait: Duration?, _ outbox: Outbox) async {
    guard let wait else { return }
    await move { try await outbox.putOff(to: receiver, by: wait, ageMax: manner.ageMax, deadline: $0) }
  }

  /// Moves the due times of what waits for a receiver. What this does not reach is claimed at its own time.
  private func move(_ move: (Deadline) async throws -> Int) async {
    do {
      _ = try await move(.after(Self.moveTimeout))
    } catch {
      log.warning(manner.lines.moveFailed, ["cause": .string(String(describing: error))])
    }
  }

  private func succeed(_ item: OutboxItem, _ post: Post, _ status: Int) async throws -> OutboxVerdict {
    let notes = [CodeChange("status", "", String(status))]
    let isWritten = try await write(manner.codes.sent, item, post.label, notes, item.removal)
    attempts.with("sent").add()
    return isWritten ? .removed : .done
  }

  private func failed(_ item: OutboxItem, _ post: Post, _ reason: String) async throws -> OutboxVerdict {
    guard item.age < manner.ageMax, manner.backoff.wait(afterAttempt: item.attempt, jitter: 0) != nil else {
      return try await giveUp(item, post.label, reason)
    }
    log.info(
      manner.lines.deferred,
      [
        "ticket": .integer(item.ticketID.rawValue), "attempt": .integer(Int64(item.attempt)),
        "reason": .string(reason),
      ])
    attempts.with("deferred").add()
    return .failed(reason)
  }

  private func giveUp(_ item: OutboxItem, _ label: PostLabel, _ reason: String) async throws -> OutboxVerdict {
    log.warning(
      manner.lines.givenUp, ["ticket": .integer(item.ticketID.rawValue), "reason": .string(reason)])
    let isWritten = try await write(manner.codes.failed, item, label, [], item.burial(reason))
    attempts.with("failed").add()
    return isWritten ? .removed : .hopeless(reason)
  }

  /// Tells the ticket what became of a post, and ends the work with it; false when the ticket is gone.
  private func write(
    _ code: EventCode, _ item: OutboxItem, _ label: PostLabel, _ notes: [CodeChange], _ end: Query
  ) async throws -> Bool {
    let trigger = TriggerName(label.trigger)
    var event = EventDraft(
      code, by: trigger.map { .trigger($0) } ?? .system, cause: .sequence(item.eventSequence))
    event.notes = [label.note, CodeChange("attempt", "", String(item.attempt))] + notes
    var change = TicketChange(event)
    change.isSilent = true
    change.guards = [item.isHeld]
    change.attachments = manner.topic.isOrdered ? [end, item.release] : [end]
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
