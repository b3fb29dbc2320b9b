package import EventLoop
import Glibc
import HandoffAPI
import MessageJSON
import Outbound
import Protobuf
package import ServiceKit
package import TicketLedger

/// Callbacks: those of a ticket are delivered in order, and a repetition has the id of the attempt before it.
struct CallbackPosts: PostKind {
  /// After a second at first, every ten minutes later.
  private static let backoff = Backoff(firstMilliseconds: 1000, longestMilliseconds: 600_000, attemptsMax: 1000)
  static let ageMax: Duration = .seconds(3 * 24 * 3600)
  static let places = PostPatience.Places(
    total: Outbox.claimMax, service: 24, receiver: 16, doubtful: 4, allDoubtful: 12)
  /// RFC 9110: the resource is gone for good.
  private static let gone = 410
  private static let lines = PostManner.Lines(
    workerFailed: "callbacks.worker_failed", moveFailed: "callbacks.move_failed", deferred: "callbacks.deferred",
    givenUp: "callbacks.given_up")

  let manner = PostManner(
    topic: .callbacks, name: "callbacks", lines: Self.lines, backoff: Self.backoff, ageMax: Self.ageMax,
    places: Self.places, hurriedBatches: 20, receiver: "the receiver", unmade: "it cannot be signed",
    codes: (.callbackSent, .callbackFailed),
    counter: ("handoff_callback_attempts_total", "Attempts to deliver a callback, by what became of them."))
  let directory: Directory
  let callbacks: Callbacks

  func post(of item: OutboxItem) async throws -> PostFinding {
    guard let record = try await callbacks.store.record(of: item, deadline: item.deadline) else { return .gone }
    let label = PostLabel(trigger: record.body.trigger, note: CodeChange("callback", "", String(record.id)))
    guard let url = HTTPSURL(record.url) else { return .hopeless(label, "the URL cannot be read") }
    return .post(
      Post(receiver: url.destination, label: label) { deadline in
        let service = try await directory.service(id: item.serviceID, deadline: deadline)
        let signature = try await callbacks.secrets.signature(of: service, deadline: deadline)
        guard let signature else { throw PostUnmade(reason: "the service has no secret to sign with") }
        return try Self.request(record, to: url, signature, of: service)
      })
  }

  func refusal(by status: Int) -> String? { status == Self.gone ? "" : nil }

  func refusal(by error: ServiceError) -> String? { nil }

  func words(of failure: HTTPFailure) -> String { failure.description }

  private static func request(
    _ record: CallbackStore.Record, to url: HTTPSURL, _ signature: CallbackSignature, of service: ServiceRecord
  ) throws -> HTTPRequest {
    var body = record.body
    body.name = CallbackName(service: service.code, id: record.id).description
    let json = MessageWriter.json(
      try DynamicMessage(serialized: try body.serialized(), as: CallbackBody.descriptor, in: Arena()))
    let headers =
      ["content-type: application/json", "user-agent: Handoff"]
      + signature.headers(id: body.name, seconds: Int64(time(nil)), body: json)
    return HTTPRequest("POST", url.text, headers: headers, body: json)
  }
}

extension PostDelivery {
  /// Delivers the callbacks of triggers.
  ///
  /// - Parameters:
  ///   - attemptTimeout: how long a receiver (``HTTPSURL/destination``) may take.
  ///   - clock: how time passes for pauses between attempts to reach a receiver that is away.
  package static func callbacks(
    _ callbacks: Callbacks, ledger: TicketLedger, log: Logger, metrics: Metrics,
    attemptTimeout: @escaping @Sendable (_ destination: String) -> Duration = { _ in Self.attemptTimeout },
    clock: @escaping @Sendable () -> MonotonicTime = { MonotonicTime.current }
  ) -> PostDelivery {
    PostDelivery(
      CallbackPosts(directory: ledger.directory, callbacks: callbacks), ledger: ledger, rules: callbacks.rules,
      log: log, metrics: metrics, attemptTimeout: attemptTimeout, clock: clock)
  }
}
