import Crypto
import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Outbound
import Postgres
import RPC
import ServiceKit
import Synchronization
import TicketLedger

@testable import Assignment

/// An office whose triggers call a real receiver, and a deliverer whose clock tests move.
struct CallbackOffice: Sendable {
  /// How much later than it is the deliverer believes it to be, in nanoseconds.
  private final class Shift: Sendable {
    let nanoseconds = Atomic<UInt64>(0)
  }

  /// How long receivers may take where it is not the usual.
  private final class Limits: Sendable {
    let durations = Mutex<[String: Duration]>([:])
  }

  let office: Office
  let callbacks: Callbacks
  let delivery: PostDelivery
  let worker: OutboxWorker
  private let shift = Shift()
  private let limits = Limits()

  /// - Parameters:
  ///   - rules: whom the triggers may call.
  ///   - masking: false: masking is out of reach.
  init(
    desk: Desk, rules: CallbackRules, masking: Bool = true, vault: TestVault
  ) throws {
    let pool = try desk.ledger(as: "handoff_assignment").pool
    let way: any RPCTransport = masking ? try vault.way(to: desk) : vault.nowhere
    callbacks = Callbacks(pool: pool, masking: way, rules: rules)
    office = try Office(desk: desk, callbacks: callbacks)
    let (shift, limits) = (shift, limits)
    delivery = .callbacks(
      callbacks, ledger: try desk.ledger(as: "handoff_assignment"),
      log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics(),
      attemptTimeout: { destination in limits.durations.withLock { $0[destination] } ?? .seconds(30) },
      clock: {
        MonotonicTime.current.advanced(by: .nanoseconds(Int64(shift.nanoseconds.load(ordering: .relaxed))))
      })
    worker = delivery.worker(holder: "tests")
  }

  /// Opens a desk whose `care` may call receivers on this machine, and has a secret.
  static func open(_ certificate: TestCertificate, vault: TestVault) async throws -> (CallbackOffice, secret: String) {
    let rules = CallbackRules(
      policy: try AddressPolicy(allowing: "127.0.0.1"), authoritiesFile: certificate.certificate)
    let desk = try await Desk.open()
    let office = try CallbackOffice(desk: desk, rules: rules, vault: vault)
    return (office, try await office.newSecret())
  }

  func newSecret() async throws -> String {
    try await office.service.rotateCallbackSecret(
      RotateCallbackSecretRequest(name: "services/care/callbackSettings"),
      office.call("RotateCallbackSecret", by: Desk.boss)
    ).secret
  }

  /// Delivers what is due, and what becomes due by it.
  func deliver() async throws {
    while try await worker.runOnce(deadline: office.desk.deadline) > 0 {}
  }

  /// Says how long a receiver may take; nil: so long that a busy machine cannot matter.
  func limit(_ receiver: HTTPSReceiver, to duration: Duration?) {
    limits.durations.withLock { $0["127.0.0.1:\(receiver.port)"] = duration }
  }

  /// Lets time pass, for the outbox and for the deliverer.
  func pass(_ duration: Duration) async throws {
    let seconds = duration.components.seconds
    try await office.execute(
      """
      UPDATE outbox SET due_time = due_time - \(seconds) * interval '1 second',
        create_time = create_time - \(seconds) * interval '1 second'
      """)
    shift.nanoseconds.wrappingAdd(UInt64(seconds) * 1_000_000_000, ordering: .relaxed)
  }

  /// What is not delivered, as administrators see it.
  func undelivered(_ state: Callback.State = .unspecified) async throws -> [Callback] {
    try await office.service.listCallbacks(
      ListCallbacksRequest(parent: "services/care", state: state, pageSize: 200),
      office.call("ListCallbacks", by: Desk.boss)
    ).callbacks
  }
}

/// Masking with keys of its own.
final class TestVault: Sendable {
  private let keys: VaultKeys
  private let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"

  init() throws { keys = try VaultKeys(directory: directory, metrics: Metrics()) }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  /// Adds a key, which seals from now on when its id is the greatest.
  func addKey(_ id: String) throws {
    let path = "\(directory)/\(id).key"
    try Data(SecureRandom.bytes(32)).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try keys.reload()
  }

  func removeKey(_ id: String) throws {
    try FileManager.default.removeItem(atPath: "\(directory)/\(id).key")
    try keys.reload()
  }

  func service(on desk: Desk) throws -> MaskingService {
    MaskingService(ledger: try desk.ledger(as: "handoff_masking"), keys: keys)
  }

  /// The way from assignment to masking.
  func way(to desk: Desk) throws -> InProcessTransport {
    InProcessTransport(
      group: TestLoops.group, services: [try service(on: desk).rpcService],
      interceptors: [Calling(name: "assignment")])
  }

  /// A way to a daemon that does not run.
  var nowhere: RPCChannel { RPCChannel(group: TestLoops.group, target: .unix("/nonexistent/handoff.sock")) }
}

/// Says who calls, where a daemon would prove it.
private struct Calling: ServerInterceptor {
  let name: String
  func admit(_ call: CallContext) throws { call.caller = name }
  func finished(_ call: CallContext, _ outcome: CallOutcome) {}
}

extension HTTPSReceiver.Received {
  /// The same at every attempt.
  var id: String { headers["webhook-id"] ?? "" }

  /// Whether the body is signed with a secret.
  func isSigned(with secret: String) -> Bool {
    guard let key = Base64.decode(String(secret.dropFirst("whsec_".count))),
      let time = headers["webhook-timestamp"], let signatures = headers["webhook-signature"]
    else { return false }
    let code = HMACSHA256(key: key).authenticate(Array("\(id).\(time).\(body)".utf8))
    return signatures.split(separator: " ").contains("v1,\(Base64.encode(code))")
  }

  private struct Body: Decodable {
    struct Ticket: Decodable {
      let name: String
      let title: String
      let state: String?
      let priority: String?
    }

    let name: String
    let trigger: String
    let eventSequence: Int
    let ticket: Ticket
  }

  private var decoded: Body? { try? JSONDecoder().decode(Body.self, from: Data(body.utf8)) }

  var ticket: String { decoded?.ticket.name ?? "" }
  var title: String { decoded?.ticket.title ?? "" }
  var priority: String { decoded?.ticket.priority ?? "" }
  var sequence: Int { decoded?.eventSequence ?? 0 }
}

extension TriggerResult.Result {
  static func call(_ url: String) -> Self { .callback(CallbackResult(url: url)) }
}
