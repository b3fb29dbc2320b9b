import Crypto
package import EventLoop
import HandoffAPI
import MessageJSON
import Outbound
import Postgres
import Protobuf
package import ServiceKit
package import TicketLedger

/// Writes triggers' messages into messenger channels at Dooray!, in any order, each until the messenger has taken it.
///
/// A message leaves the outbox in the transaction that writes MESSAGE_SENT. The messenger knows no repetitions: a
/// message whose answer was lost is written once more.
package struct MessengerDelivery: Sendable {
  /// How failed attempts are repeated: after two seconds at first, every ten minutes later. The age ends it before the
  /// number of attempts does.
  package static let backoff = Backoff(firstMilliseconds: 2000, longestMilliseconds: 600_000, attemptsMax: 1000)
  /// Messages older than this are given up when they fail or would have to wait: nobody wants to read them any more.
  package static let ageMax: Duration = .seconds(24 * 3600)
  /// How long the messenger may take.
  package static let attemptTimeout: Duration = .seconds(10)
  /// How much of an answer is read; what it says is not looked at.
  private static let answerBytesMax = 16 << 10
  private static let connectTimeout: Duration = .seconds(5)
  /// How long messages wait when another daemon or the database cannot be reached for their URL.
  private static let secretsPause: Duration = .seconds(5)
  /// Messages at a time in one daemon.
  private static let placesMax = 16
  /// Of these, through one hook.
  private static let hookPlacesMax = 4
  private static let botName = "Handoff"

  let ledger: TicketLedger
  let callbacks: Callbacks
  private let client: HTTPClient
  private let patience: CallbackPatience
  private let blocking: BlockingPool
  private let attemptTimeout: Duration
  private let log: Logger
  private let attempts: Metric<Counter>

  /// Writes what triggers of the ledger's tickets ask for.
  ///
  /// - Parameters:
  ///   - attemptTimeout: how long the messenger may take.
  ///   - clock: how time passes for pauses between attempts to reach a hook that is away.
  package init(
    ledger: TicketLedger, callbacks: Callbacks, log: Logger, metrics: Metrics,
    attemptTimeout: Duration = Self.attemptTimeout,
    clock: @escaping @Sendable () -> MonotonicTime = { MonotonicTime.current }
  ) {
    self.ledger = ledger
    self.callbacks = callbacks
    self.log = log
    self.attemptTimeout = attemptTimeout
    patience = CallbackPatience(underwayMax: Self.hookPlacesMax, clock: clock)
    blocking = BlockingPool(name: "messenger", threads: Self.placesMax, queueMax: Self.placesMax)
    client = HTTPClient(
      pool: blocking,
      limits: HTTPLimits(
        bodyBytesMax: Self.answerBytesMax, connectTimeout: Self.connectTimeout, policy: callbacks.rules.policy,
        authoritiesFile: callbacks.rules.authoritiesFile))
    attempts = metrics.counter(
      "handoff_message_attempts_total", "Attempts to write a message into a messenger channel, by what became of them.",
      label: "outcome", of: ["sent", "deferred", "postponed", "failed"])
  }

  /// Starts writing.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let worker = worker(holder: "messenger-\(Hex.encode(SecureRandom.bytes(6)))")
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    return { [blocking] in
      task.cancel()
      await task.value
      blocking.shutdown()
    }
  }

  /// The worker that writes; any number of processes may run one.
  func worker(holder: String) -> OutboxWorker {
    let log = log
    return OutboxWorker(
      Outbox(topic: .messenger, pool: ledger.pool, holder: holder, backoff: Self.backoff), pool: ledger.pool,
      placesMax: Self.placesMax,
      failed: { log.warning("messenger.worker_failed", ["cause": .string(String(describing: $0))]) },
      each: { item in try await self.deliver(item) })
  }

  /// What an attempt came to.
  private enum Answer {
    /// The messenger answered, after so long.
    case status(Int, after: Duration)
    /// Nothing came back, and why.
    case none(String)
    /// Nothing was sent, and never will be, and why.
    case hopeless(String)
    /// Nothing was sent, and what hindered it goes by itself.
    case postponed(Duration, why: String)

    /// Whether the hook works; nil: that is not known.
    var isThere: Bool? {
      switch self {
      case .status(let status, _): !Answer.isForNow(status)
      case .none: false
      case .hopeless, .postponed: nil
      }
    }

    var duration: Duration { if case .status(_, let duration) = self { duration } else { .zero } }

    /// Whether what a status refuses may be taken later.
    static func isForNow(_ status: Int) -> Bool { status >= 500 || [408, 425, 429].contains(status) }
  }

  private func deliver(_ item: OutboxItem) async throws -> OutboxVerdict {
    guard let note = try? MessengerNote(serialized: item.payload) else { return .hopeless("the note cannot be read") }
    let id = MessengerHookID(note.hookId)
    let hook = try await callbacks.messengers.store.hook(id, of: item.serviceID, deadline: item.deadline)
    guard let hook else { return try await giveUp(item, note, "the messenger hook was deleted") }
    // Organizations share the messenger's host, so patience is had with each hook.
    let place = "\(item.serviceID)/\(id)"
    switch patience.begin(place) {
    case .now: break
    case .later(let wait), .allLater(let wait):
      return item.age < Self.ageMax ? .postponed(wait) : try await giveUp(item, note, "the messenger did not answer")
    }
    let answer: Answer
    do {
      answer = try await attempt(item, note, hook)
    } catch {
      _ = patience.end(place, isThere: nil, after: .zero)
      throw error
    }
    _ = patience.end(place, isThere: answer.isThere, after: answer.duration)
    return try await conclude(item, note, answer)
  }

  /// Fills and posts a message.
  ///
  /// - Throws: only when cancelled.
  private func attempt(
    _ item: OutboxItem, _ note: MessengerNote, _ hook: MessengerHookRecord
  ) async throws -> Answer {
    do {
      let service = try await ledger.directory.service(id: item.serviceID, deadline: item.deadline)
      let url = try await callbacks.messengers.url(of: hook, in: service, deadline: item.deadline)
      let ticket = try await ledger.ticket(item.ticketID, of: item.serviceID, deadline: item.deadline)
      let text = try await MessageText(ledger: ledger).filled(note.text, on: ticket, deadline: item.deadline)
      let body = JSONValue.object([
        JSONMember(name: "botName", value: .string(note.botName.isEmpty ? Self.botName : note.botName)),
        JSONMember(name: "text", value: .string(text)),
      ])
      return try await post(JSONWriter.bytes(of: body), to: url, item.deadline)
    } catch {
      if error is CancellationError || Task.isCancelled { throw error }
      if error is BlockingPool.Refusal { return .postponed(.seconds(1), why: "too many were under way") }
      guard let error = error as? ServiceError else { return .none("it cannot be made: \(type(of: error))") }
      let entry = error.reason.entry
      if entry.retry == .backoff { return .postponed(Self.secretsPause, why: "it could not be made: \(entry.text)") }
      switch error.reason {
      case .maskKeyLost, .maskDamaged: return .hopeless("the hook's URL does not open any more; enter it again")
      case .ticketNotFound: return .hopeless("the ticket was deleted")
      default: return .none("it cannot be made: \(entry.text)")
      }
    }
  }

  private func post(_ body: [UInt8], to url: HTTPSURL, _ deadline: Deadline) async throws -> Answer {
    let begin = MonotonicTime.current
    do {
      let reply = try await client.send(
        HTTPRequest("POST", url.text, headers: ["content-type: application/json", "user-agent: Handoff"], body: body),
        deadline: min(deadline, .after(attemptTimeout)))
      return .status(reply.status, after: MonotonicTime.current.since(begin))
    } catch let failure as HTTPFailure {
      if let range = failure.addressRefusal {
        return .none("the host has an address that must not be called: \(range)")
      }
      // Not libcurl's words, which may name the URL.
      return .none("the messenger did not answer")
    }
  }

  private func conclude(_ item: OutboxItem, _ note: MessengerNote, _ answer: Answer) async throws -> OutboxVerdict {
    switch answer {
    case .status(let status, _) where (200..<300).contains(status):
      let isWritten = try await write(
        .messageSent, item, note, [CodeChange("status", "", String(status))], item.removal)
      attempts.with("sent").add()
      return isWritten ? .removed : .done
    case .status(let status, _) where Answer.isForNow(status):
      return try await failed(item, note, "the messenger answered \(status)")
    case .status(let status, _):
      return try await giveUp(
        item, note, "the messenger answered \(status); enter the URL that Dooray! shows for the hook now")
    case .none(let words): return try await failed(item, note, words)
    case .hopeless(let words): return try await giveUp(item, note, words)
    case .postponed(let wait, let why):
      guard item.age < Self.ageMax else { return try await giveUp(item, note, why) }
      attempts.with("postponed").add()
      return .postponed(wait)
    }
  }

  private func failed(_ item: OutboxItem, _ note: MessengerNote, _ reason: String) async throws -> OutboxVerdict {
    guard item.age < Self.ageMax, Self.backoff.wait(afterAttempt: item.attempt, jitter: 0) != nil else {
      return try await giveUp(item, note, reason)
    }
    log.info(
      "messenger.deferred",
      [
        "ticket": .integer(item.ticketID.rawValue), "attempt": .integer(Int64(item.attempt)),
        "reason": .string(reason),
      ])
    attempts.with("deferred").add()
    return .failed(reason)
  }

  private func giveUp(_ item: OutboxItem, _ note: MessengerNote, _ reason: String) async throws -> OutboxVerdict {
    log.warning("messenger.given_up", ["ticket": .integer(item.ticketID.rawValue), "reason": .string(reason)])
    let isWritten = try await write(.messageFailed, item, note, [], item.burial(reason))
    attempts.with("failed").add()
    return isWritten ? .removed : .hopeless(reason)
  }

  /// Tells the ticket what became of a message, and ends the work with it; false when the ticket is gone.
  private func write(
    _ code: EventCode, _ item: OutboxItem, _ note: MessengerNote, _ notes: [CodeChange], _ attachment: Query
  ) async throws -> Bool {
    let trigger = TriggerName(note.trigger)
    var event = EventDraft(
      code, by: trigger.map { .trigger($0) } ?? .system, cause: .sequence(item.eventSequence))
    event.notes =
      [
        CodeChange("messenger_hook", "", String(note.hookId)), CodeChange("attempt", "", String(item.attempt)),
      ] + notes
    var change = TicketChange(event)
    change.isSilent = true
    change.guards = [item.isHeld]
    change.attachments = [attachment]
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
