package import EventLoop
import HandoffAPI
import MessageJSON
import Outbound
import Protobuf
package import ServiceKit
package import TicketLedger

/// Messages of triggers into messenger channels at Dooray!, in any order.
///
/// The messenger knows no repetitions: a message whose answer was lost is written once more.
struct MessengerPosts: PostKind {
  /// After two seconds at first, every ten minutes later.
  private static let backoff = Backoff(firstMilliseconds: 2000, longestMilliseconds: 600_000, attemptsMax: 1000)
  /// Nobody wants to read older ones any more.
  static let ageMax: Duration = .seconds(24 * 3600)
  static let places = PostPatience.Places(total: 16, service: 10, receiver: 4, doubtful: 1, allDoubtful: 6)
  private static let botName = "Handoff"
  private static let lines = PostManner.Lines(
    workerFailed: "messenger.worker_failed", moveFailed: "messenger.move_failed", deferred: "messenger.deferred",
    givenUp: "messenger.given_up")

  let manner = PostManner(
    topic: .messenger, name: "messenger", lines: Self.lines, backoff: Self.backoff, ageMax: Self.ageMax,
    places: Self.places, hurriedBatches: 1, receiver: "the messenger", unmade: "it cannot be made",
    codes: (.messageSent, .messageFailed),
    counter: (
      "handoff_message_attempts_total", "Attempts to write a message into a messenger channel, by what became of them."
    ))
  let ledger: TicketLedger
  let callbacks: Callbacks

  /// How the outbox names a hook. Organizations share the messenger's host, so patience is had with each hook.
  static func receiver(_ hook: MessengerHookID, of service: ServiceID) -> String { "\(service)/\(hook)" }

  func post(of item: OutboxItem) async throws -> PostFinding {
    guard let note = try? MessengerNote(serialized: item.payload) else {
      return .unreadable("the note cannot be read")
    }
    let id = MessengerHookID(note.hookId)
    let label = PostLabel(trigger: note.trigger, note: CodeChange("messenger_hook", "", id.description))
    let hook = try await callbacks.messengers.store.hook(id, of: item.serviceID, deadline: item.deadline)
    guard let hook else { return .hopeless(label, "the messenger hook was deleted") }
    return .post(
      Post(receiver: Self.receiver(id, of: item.serviceID), label: label) { deadline in
        let service = try await ledger.directory.service(id: item.serviceID, deadline: deadline)
        let url = try await callbacks.messengers.url(of: hook, in: service, deadline: deadline)
        let ticket = try await ledger.ticket(item.ticketID, of: item.serviceID, deadline: deadline)
        let text = try await MessageText(ledger: ledger).filled(note.text, on: ticket, deadline: deadline)
        let body = JSONValue.object([
          JSONMember(name: "botName", value: .string(note.botName.isEmpty ? Self.botName : note.botName)),
          JSONMember(name: "text", value: .string(text)),
        ])
        return HTTPRequest(
          "POST", url.text, headers: ["content-type: application/json", "user-agent: Handoff"],
          body: JSONWriter.bytes(of: body))
      })
  }

  func refusal(by status: Int) -> String? {
    status >= 500 || [408, 425, 429].contains(status)
      ? nil : "; enter the URL that Dooray! shows for the hook now"
  }

  func refusal(by error: ServiceError) -> String? {
    switch error.reason {
    case .maskKeyLost, .maskDamaged: "the hook's URL does not open any more; enter it again"
    case .ticketNotFound: "the ticket was deleted"
    default: nil
    }
  }

  // Not libcurl's words, which may name the URL.
  func words(of failure: HTTPFailure) -> String { "the messenger did not answer" }
}

extension PostDelivery {
  /// Writes what triggers say into messenger channels.
  ///
  /// - Parameters:
  ///   - attemptTimeout: how long the messenger may take.
  ///   - clock: how time passes for pauses between attempts to reach a hook that is away.
  package static func messages(
    _ callbacks: Callbacks, ledger: TicketLedger, log: Logger, metrics: Metrics,
    attemptTimeout: Duration = Self.attemptTimeout,
    clock: @escaping @Sendable () -> MonotonicTime = { MonotonicTime.current }
  ) -> PostDelivery {
    PostDelivery(
      MessengerPosts(ledger: ledger, callbacks: callbacks), ledger: ledger, rules: callbacks.rules, log: log,
      metrics: metrics, attemptTimeout: { _ in attemptTimeout }, clock: clock)
  }
}
