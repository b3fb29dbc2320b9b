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
import RPCProtos
import ServiceKit
import Synchronization
import TicketLedger

@testable import Assignment

/// The messenger of a Dooray! as a child process (`scripts/fake-dooray`), called over TLS; ends with the object.
final class FakeMessenger {
  /// A message that it took.
  struct Message: Decodable, Equatable {
    let botName: String
    let text: String
  }

  /// How calls fail from now on; see `scripts/fake-dooray`.
  struct Fault: Encodable {
    var method = "POST"
    var path = "/services/"
    var kind: String
    var times = 1
    var status = 500
    var seconds = 0.0
  }

  private struct Started: Decodable {
    let port: Int
    let messengerPort: Int
  }

  private let started: Started
  private let process = Process()
  private let input = Pipe()
  private let pool = BlockingPool(name: "fake-messenger", threads: 1, queueMax: 8)

  /// It did not take a command.
  struct Failed: Error {}

  /// - Parameter hooks: paths of the channels' hooks.
  init(_ certificate: TestCertificate, hooks: [String]) async throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "scripts/fake-dooray")
    let output = Pipe()
    process.executableURL = URL(filePath: try TestPython.path())
    process.arguments = [script.path, "--certificate", certificate.certificate, "--key", certificate.key]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try output.fileHandleForWriting.close()
    started = try JSONDecoder().decode(Started.self, from: output.fileHandleForReading.availableData)
    _ = try await control("world", ["messengers": hooks])
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    pool.shutdown()
  }

  func url(_ hook: String) -> String { "https://127.0.0.1:\(started.messengerPort)\(hook)" }

  func fail(_ faults: Fault...) async throws { _ = try await control("faults", ["faults": faults]) }

  /// What was written through a hook so far, the oldest first.
  func messages(_ hook: String) async throws -> [Message] {
    let answer = try await control("messages", [String: String]())
    return try JSONDecoder().decode([String: [Message]].self, from: Data(answer))[hook] ?? []
  }

  private func control(_ name: String, _ body: some Encodable) async throws -> [UInt8] {
    let request = HTTPRequest(
      "POST", "http://127.0.0.1:\(started.port)/_control/\(name)", body: Array(try JSONEncoder().encode(body)))
    let reply = try await HTTPClient(pool: pool).send(request, deadline: TestDatabase.deadline)
    guard reply.status == 200 else { throw Failed() }
    return reply.body
  }
}

/// An office whose triggers write into the channels of a real messenger server.
struct MessengerOffice {
  static let hooks = [
    "/services/1000000000000000009/71/first-secret", "/services/1000000000000000009/72/second-secret",
  ]

  let messenger: FakeMessenger
  let office: Office
  let callbacks: Callbacks
  let worker: OutboxWorker
  private let vault: TestVault
  private let certificate: TestCertificate
  private let shift = Shift()

  /// How much later than it is the deliverer believes it to be, in nanoseconds.
  private final class Shift: Sendable {
    let nanoseconds = Atomic<UInt64>(0)
  }

  init(
    masking: Bool = true, rules: CallbackRules? = nil, hooks: [String] = MessengerOffice.hooks,
    attemptTimeout: Duration = .seconds(30)
  ) async throws {
    certificate = try TestCertificate()
    vault = try TestVault()
    messenger = try await FakeMessenger(certificate, hooks: hooks)
    let desk = try await Desk.open()
    let ledger = try desk.ledger(as: "handoff_assignment")
    let way: any RPCTransport = masking ? try vault.way(to: desk) : vault.nowhere
    callbacks = Callbacks(
      pool: ledger.pool, masking: way,
      rules: try rules
        ?? CallbackRules(
          policy: AddressPolicy(allowing: "127.0.0.1"), authoritiesFile: certificate.certificate))
    office = try Office(desk: desk, callbacks: callbacks)
    let shift = shift
    worker = PostDelivery.messages(
      callbacks, ledger: ledger, log: Logger(service: "tests", level: .error, output: .standardError),
      metrics: Metrics(), attemptTimeout: attemptTimeout,
      clock: {
        MonotonicTime.current.advanced(by: .nanoseconds(Int64(shift.nanoseconds.load(ordering: .relaxed))))
      }
    ).worker(holder: "tests")
  }

  /// The worker of a daemon that does not reach masking.
  func withoutMasking(_ metrics: Metrics) throws -> OutboxWorker {
    let ledger = try office.desk.ledger(as: "handoff_assignment")
    return PostDelivery.messages(
      Callbacks(pool: ledger.pool, masking: nil, rules: callbacks.rules), ledger: ledger,
      log: Logger(service: "tests", level: .error, output: .standardError), metrics: metrics
    ).worker(holder: "alone")
  }

  /// Adds a hook of `care` as its administrator.
  func hook(_ path: String = MessengerOffice.hooks[0]) async throws -> MessengerHook {
    try await office.service.createMessengerHook(
      CreateMessengerHookRequest(
        parent: "services/care", messengerHook: MessengerHook(displayName: "긴급 채널", url: messenger.url(path))),
      office.call("CreateMessengerHook", by: Desk.boss))
  }

  func list() async throws -> [MessengerHook] {
    try await office.service.listMessengerHooks(
      ListMessengerHooksRequest(parent: "services/care"), office.call("ListMessengerHooks", by: Desk.boss)
    ).messengerHooks
  }

  func update(_ hook: MessengerHook, _ paths: [String] = []) async throws -> MessengerHook {
    try await office.service.updateMessengerHook(
      UpdateMessengerHookRequest(messengerHook: hook, updateMask: paths.isEmpty ? nil : .init(paths: paths)),
      office.call("UpdateMessengerHook", by: Desk.boss))
  }

  func delete(_ hook: MessengerHook, deactivating: Bool = false) async throws {
    _ = try await office.service.deleteMessengerHook(
      DeleteMessengerHookRequest(name: hook.name, deactivateTriggers: deactivating),
      office.call("DeleteMessengerHook", by: Desk.boss))
  }

  /// A trigger that runs over new tickets with a word in their titles.
  func trigger(titled word: String, _ results: [TriggerResult.Result]) async throws {
    let conditions = [.isNew, TriggerCondition(target: .title, operator: .contains, values: [word])]
    _ = try await office.service.createTrigger(
      CreateTriggerRequest(
        parent: "services/care",
        trigger: Trigger(
          displayName: word, conditions: conditions, results: results.map { TriggerResult(result: $0) })),
      office.call("CreateTrigger", by: Desk.boss))
  }

  /// A new ticket whose triggers have run.
  func ticket(title: String = "세탁기에서 물이 새요") async throws -> TicketName {
    let name = try await office.ticket(title: title)
    try await office.run(name)
    return name
  }

  /// Writes what is due, and what becomes due by it.
  func deliver() async throws {
    while try await worker.runOnce(deadline: office.desk.deadline) > 0 {}
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

  /// Has all URLs looked at as the daemon does, with nothing opened before, and says what its metrics say.
  func upkeep() async throws -> String {
    let metrics = Metrics()
    let fresh = Callbacks(
      pool: try office.desk.ledger(as: "handoff_assignment").pool, masking: try vault.way(to: office.desk),
      rules: callbacks.rules)
    try await SecretUpkeep(
      fresh, log: Logger(service: "tests", level: .error, output: .standardError), metrics: metrics
    ).run(deadline: office.desk.deadline)
    return metrics.exposition()
  }

  func addKey(_ id: String) throws { try vault.addKey(id) }
  func removeKey(_ id: String) throws { try vault.removeKey(id) }
  func masking() throws -> MaskingService { try vault.service(on: office.desk) }
}

extension TriggerResult.Result {
  static func message(_ hook: MessengerHook, _ text: String, botName: String = "") -> Self {
    .messenger(MessengerResult(hook: hook.name, botName: botName, text: text))
  }
}
