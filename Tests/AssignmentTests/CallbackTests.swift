import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Outbound
import Postgres
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Assignment

@Suite("Callbacks", .timeLimit(.minutes(10)))
struct CallbackTests {
  private let certificate: TestCertificate
  private let vault: TestVault

  init() throws {
    certificate = try TestCertificate()
    vault = try TestVault()
  }

  /// A desk with one receiver that every new ticket is told to.
  private func open() async throws -> (CallbackOffice, HTTPSReceiver, String) {
    let receiver = try HTTPSReceiver(certificate)
    let (desk, secret) = try await CallbackOffice.open(certificate, vault: vault)
    return (desk, receiver, secret)
  }

  @Test("the receiver gets the ticket as the trigger left it, signed, and the ticket tells that it was sent")
  func delivered() async throws {
    let (desk, receiver, secret) = try await open()
    let trigger = try await desk.office.trigger([.isNew], .priority(.urgent), .call(receiver.url("/hook?a=b")))
    let name = try await desk.office.ticket(title: "긴급! \"물\"이 새요")
    try await desk.office.run(name)
    try await desk.deliver()
    let received = try receiver.received()
    let request = try #require(received.first)
    #expect(received.count == 1 && request.path == "/hook?a=b")
    #expect(request.headers["content-type"] == "application/json")
    #expect(request.isSigned(with: secret))
    #expect(request.ticket == name.description && request.title == "긴급! \"물\"이 새요")
    #expect(request.priority == "URGENT" && request.body.contains(#""trigger":"\#(trigger.name)""#))
    #expect(request.body.contains(#""name":"\#(request.id)""#), "the id is in the body, too")
    let events = try await desk.office.events(name)
    #expect(events == ["TRIGGER_FIRED", "FIELDS_SAVED", "CALLBACK_QUEUED", "CALLBACK_SENT"])
    #expect(request.sequence == 4)
    #expect(try await desk.undelivered().isEmpty)
    #expect(try await desk.office.desk.number("SELECT count(*) FROM outbox") == 0)
    #expect(try await desk.office.desk.number("SELECT count(*) FROM callback") == 0)
    let record = try await desk.office.record(name)
    let history = try await desk.office.desk.ledger.verify(
      name.id, of: record.serviceID, deadline: desk.office.desk.deadline)
    #expect(history.isIntact)
  }

  /// How a receiver is away for an hour; `gone` means that nobody listens.
  enum Outage: String, CaseIterable, Sendable {
    case gone
    case refusing = "500"
    case hangingUp = "close"
    case slow = "wait 3600"
  }

  @Test(
    "a receiver that is away for an hour loses nothing, and gets each event once, in order, when it is back",
    arguments: Outage.allCases)
  func outage(_ outage: Outage) async throws {
    let (desk, receiver, _) = try await open()
    let healthy = try HTTPSReceiver(certificate)
    let count = TestScale.count(usual: 6, all: 60)
    try await desk.office.trigger([.isNew], .call(receiver.url("/a")), .call(receiver.url("/b")))
    try await desk.office.trigger(
      [TriggerCondition(target: .cause, operator: .in, values: ["CUSTOMER_REPLIED"])], .call(receiver.url("/c")))
    if outage == .gone { receiver.stop() } else { try receiver.answer(outage.rawValue) }
    if outage == .slow { desk.limit(receiver, to: .seconds(5)) }
    var names: [TicketName] = []
    for _ in 0..<count {
      let name = try await desk.office.ticket()
      try await desk.office.run(name)
      try await desk.office.order(.customerReplied, of: name)
      try await desk.office.run(name)
      names.append(name)
    }
    // Somebody else's callbacks go out meanwhile.
    try await desk.office.trigger([.isNew], .call(healthy.url()))
    let other = try await desk.office.ticket()
    try await desk.office.run(other)
    // A slow one costs real time.
    let rounds = outage == .slow ? 4 : 12
    for _ in 0..<rounds {
      try await desk.deliver()
      try await desk.pass(.seconds(3600) / rounds)
    }
    #expect(try healthy.received().isEmpty, "its ticket has a callback to the other receiver before it")
    let alone = try await desk.office.service.createTrigger(
      CreateTriggerRequest(
        parent: "services/care",
        trigger: Trigger(
          displayName: "혼자", conditions: [TriggerCondition(target: .title, operator: .contains, values: ["혼자"])],
          results: [TriggerResult(result: .call(healthy.url()))])), desk.office.call("CreateTrigger", by: Desk.boss))
    let free = try await desk.office.ticket(title: "혼자", cause: .changed)
    try await desk.office.run(free)
    try await desk.deliver()
    #expect(try healthy.received().map(\.ticket) == [free.description], "\(alone.name) is not held up")
    let waiting = try await desk.undelivered()
    #expect(waiting.count == 3 * count + 3 && waiting.allSatisfy { $0.state == .waiting })
    let attemptsAway = try receiver.received().count

    if outage == .gone { try receiver.start() } else { try receiver.answer("200") }
    desk.limit(receiver, to: nil)
    var left = 50
    while try await !desk.undelivered().isEmpty, left > 0 {
      try await desk.pass(.seconds(700))
      try await desk.deliver()
      left -= 1
    }
    #expect(try await desk.undelivered().isEmpty)
    let taken = try receiver.received().filter { $0.mode == "200" }
    #expect(Set(taken.map(\.id)).count == taken.count, "nothing twice")
    for name in names {
      #expect(taken.filter { $0.ticket == name.description }.map(\.path) == ["/a", "/b", "/c"])
    }
    let tried = Set(try receiver.received().dropLast(taken.count).map(\.id))
    #expect(tried.isSubset(of: Set(taken.map(\.id))), "an attempt and its repetition have one id")
    #expect(try healthy.received().count == 2)
    // What was under way when it was found away, then one at a time; without patience one of each ticket each time.
    let attemptsMax = min(count + 1, CallbackPosts.places.receiver) + 2 * (rounds + 1)
    #expect(attemptsAway <= attemptsMax, "one that is away is not stormed")
    print(
      "callbacks: \(outage), \(taken.count) of \(3 * count + 2) events taken once each, in order; "
        + "\(attemptsAway) requests during an hour away")
  }

  @Test("what follows a callback of the same ticket waits for it, whoever delivers")
  func ordered() async throws {
    let (desk, receiver, _) = try await open()
    let urls = (0..<5).map { receiver.url("/\($0)") }
    try await desk.office.trigger(
      [.isNew], .call(urls[0]), .call(urls[1]), .call(urls[2]), .call(urls[3]), .call(urls[4]))
    let names = try await (0..<TestScale.count(usual: 8, all: 100)).asyncMap { _ in try await desk.office.ticket() }
    for name in names { try await desk.office.run(name) }
    // Three daemons at once.
    let workers = (0..<3).map { desk.delivery.worker(holder: "daemon \($0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in workers {
        group.addTask {
          while try await desk.office.desk.number("SELECT count(*) FROM outbox") > 0 {
            _ = try await worker.runOnce(deadline: desk.office.desk.deadline)
          }
        }
      }
      try await group.waitForAll()
    }
    let received = try receiver.received()
    #expect(received.count == 5 * names.count)
    for name in names {
      #expect(received.filter { $0.ticket == name.description }.map(\.path) == ["/0", "/1", "/2", "/3", "/4"])
    }
  }

  @Test("a worker goes on to what waited as soon as what went before is sent")
  func running() async throws {
    let (desk, receiver, _) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url("/1")), .call(receiver.url("/2")))
    let stop = desk.delivery.start(on: TestLoops.group)
    let names = try await (0..<5).asyncMap { _ in try await desk.office.ticket() }
    for name in names { try await desk.office.run(name) }
    let loop = TestLoops.group.next()
    let deadline = desk.office.desk.deadline
    while try receiver.received().count < 10, !deadline.hasPassed { try await loop.sleep(for: .milliseconds(20)) }
    await stop()
    #expect(try receiver.received().count == 10)
  }

  @Test("a callback that fails for three days is given up, told in the ticket, and can be replayed under its old id")
  func givenUp() async throws {
    let (desk, receiver, _) = try await open()
    try receiver.answer("503")
    try await desk.office.trigger([.isNew], .call(receiver.url("/1")), .call(receiver.url("/2")))
    let name = try await desk.office.ticket()
    try await desk.office.run(name)
    try await desk.deliver()
    try await desk.pass(CallbackPosts.ageMax)
    try await desk.deliver()
    let dead = try #require(try await desk.undelivered(.dead).first)
    #expect(dead.reason == "the receiver answered 503" && dead.deadTime != nil && dead.ticket == name.description)
    #expect(try await desk.undelivered(.dead).count == 2, "the one behind it was as old")
    #expect(try await desk.office.events(name).suffix(2) == ["CALLBACK_FAILED", "CALLBACK_FAILED"])
    try receiver.answer("200")
    func replay() async throws -> Callback {
      try await desk.office.service.replayCallback(
        ReplayCallbackRequest(name: dead.name), desk.office.call("ReplayCallback", by: Desk.boss))
    }
    let alive = try await replay()
    #expect(alive.state == .waiting && alive.attemptCount == 0 && alive.reason.isEmpty)
    #expect(try await replay() == alive, "what waits stays as it is")
    try await desk.pass(.seconds(60))
    try await desk.deliver()
    #expect(try receiver.received().last?.id == dead.name)
    #expect(try await desk.office.events(name).suffix(2) == ["CALLBACK_REPLAYED", "CALLBACK_SENT"])
    #expect(await refusal { _ = try await replay() }?.reason == .resourceNotFound, "it is delivered")
    // Gone for good, by the receiver's own word.
    try receiver.answer("410")
    let other = try await desk.office.ticket()
    try await desk.office.run(other)
    try await desk.deliver()
    #expect(try await desk.office.events(other).filter { $0 == "CALLBACK_FAILED" }.count == 2)
  }

  @Test("redirects are not followed, and of a long answer only the beginning is read")
  func answers() async throws {
    let (desk, receiver, _) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    try receiver.answer("redirect \(receiver.url("/elsewhere"))")
    let name = try await desk.office.ticket()
    try await desk.office.run(name)
    try await desk.deliver()
    #expect(try receiver.received().map(\.path) == ["/hook"])
    #expect(try await desk.undelivered().first?.attemptCount == 1)
    try receiver.answer("large")
    try await desk.pass(.seconds(60))
    try await desk.deliver()
    #expect(try await desk.undelivered().isEmpty)
  }

  @Test("a host whose address turns out to be private is not called, whatever was allowed when the trigger was saved")
  func rebound() async throws {
    let (desk, receiver, _) = try await open()
    let url = "https://localhost:\(receiver.port)/hook"
    try await desk.office.trigger([.isNew], .call(url))
    let name = try await desk.office.ticket()
    try await desk.office.run(name)
    let strict = try CallbackOffice(
      desk: desk.office.desk, rules: CallbackRules(authoritiesFile: certificate.certificate), vault: vault)
    try await strict.deliver()
    #expect(try receiver.received().isEmpty)
    try await strict.pass(CallbackPosts.ageMax)
    try await strict.deliver()
    let reason = try #require(try await strict.undelivered(.dead).first?.reason)
    #expect(reason == "the host has an address that must not be called: loopback")
  }

  @Test("what is masked while a callback waits reaches the receiver masked")
  func masked() async throws {
    let (desk, receiver, _) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    receiver.stop()
    let name = try await desk.office.ticket(title: "카드 9411-1111 분실")
    try await desk.office.run(name)
    try await desk.deliver()
    let masking = try vault.service(on: desk.office.desk)
    _ = try await masking.createMasks(
      CreateMasksRequest(parent: name.description, spans: [TextSpan(start: 3, length: 9)]),
      desk.office.desk.call("CreateMasks", by: Desk.kim, service: "MaskingService"))
    try receiver.start()
    try await desk.pass(.seconds(60))
    try await desk.deliver()
    #expect(try receiver.received().map(\.title) == ["카드 ********* 분실"])
  }

  @Test("a new secret signs at once, and the one before it for a day")
  func rotated() async throws {
    let (desk, receiver, first) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    let second = try await desk.newSecret()
    #expect(first != second && second.hasPrefix("whsec_"))
    try await desk.office.run(try await desk.office.ticket())
    try await desk.deliver()
    try await desk.office.execute("UPDATE callback_secret SET create_time = create_time - interval '25 hours'")
    let settings = try await desk.office.service.getCallbackSettings(
      GetCallbackSettingsRequest(name: "services/care/callbackSettings"),
      desk.office.call("GetCallbackSettings", by: Desk.boss))
    #expect(settings.secretCreateTime != nil && settings.previousSecretExpireTime == nil)
    try await desk.office.run(try await desk.office.ticket())
    try await desk.deliver()
    let received = try receiver.received()
    #expect(received.map { $0.isSigned(with: first) } == [true, false])
    #expect(received.allSatisfy { $0.isSigned(with: second) })
  }

  @Test("while masking, which opens the secret, is away, callbacks wait and no attempt is counted")
  func maskingAway() async throws {
    let (desk, receiver, _) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    try await desk.office.run(try await desk.office.ticket())
    let alone = try CallbackOffice(
      desk: desk.office.desk, rules: desk.callbacks.rules, masking: false, vault: vault)
    try await alone.deliver()
    #expect(try receiver.received().isEmpty)
    #expect(try await desk.undelivered().map(\.attemptCount) == [0])
    let error = await refusal { _ = try await alone.newSecret() }
    #expect(error?.reason == .backendUnavailable)
    try await desk.pass(.seconds(10))
    try await desk.deliver()
    #expect(try receiver.received().count == 1)
  }

  @Test("a callback whose secret does not open is tried for three days, then given up, and the ticket says so")
  func secretDoesNotOpen() async throws {
    let (desk, receiver, _) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    func outcome(_ damage: Query) async throws -> String? {
      try await desk.office.execute("UPDATE callback_secret SET sealed = \(fragment: damage)")
      let name = try await desk.office.ticket()
      try await desk.office.run(name)
      try await desk.deliver()
      #expect(try await desk.undelivered(.waiting).map(\.attemptCount) == [1])
      try await desk.pass(CallbackPosts.ageMax)
      try await desk.deliver()
      #expect(try await desk.office.events(name).last == "CALLBACK_FAILED")
      return try await desk.undelivered(.dead).last?.reason
    }
    let last: Query = "set_byte(sealed, length(sealed) - 1, 255 - get_byte(sealed, length(sealed) - 1))"
    #expect(try await outcome(last) == "it cannot be signed: \(Reason.maskDamaged.entry.text)")
    let key: Query = "set_byte(sealed, 2, get_byte(sealed, 2) + 1)"
    #expect(try await outcome(key) == "it cannot be signed: \(Reason.maskKeyLost.entry.text)")
    #expect(try receiver.received().isEmpty)
    // A new secret mends it.
    _ = try await desk.newSecret()
    let dead = try #require(try await desk.undelivered(.dead).last)
    _ = try await desk.office.service.replayCallback(
      ReplayCallbackRequest(name: dead.name), desk.office.call("ReplayCallback", by: Desk.boss))
    try await desk.deliver()
    #expect(try receiver.received().map(\.id) == [dead.name])
  }

  @Test("secrets and callbacks are for the service's administrators")
  func permissions() async throws {
    let (desk, receiver, _) = try await open()
    receiver.stop()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    try await desk.office.run(try await desk.office.ticket())
    let name = try #require(try await desk.undelivered().first?.name)
    let service = desk.office.service
    for (agent, reason, hidden) in [
      (Desk.lee, Reason.permissionDenied, Reason.permissionDenied),
      (Desk.stranger, .serviceNotFound, .resourceNotFound),
    ] {
      let call = { desk.office.call($0, by: agent) }
      let settings = "services/care/callbackSettings"
      let refusals = [
        await refusal {
          _ = try await service.getCallbackSettings(.init(name: settings), call("GetCallbackSettings"))
        },
        await refusal {
          _ = try await service.rotateCallbackSecret(.init(name: settings), call("RotateCallbackSecret"))
        },
        await refusal { _ = try await service.listCallbacks(.init(parent: "services/care"), call("ListCallbacks")) },
      ]
      #expect(refusals.map { $0?.reason } == [reason, reason, reason])
      let replay = await refusal { _ = try await service.replayCallback(.init(name: name), call("ReplayCallback")) }
      #expect(replay?.reason == hidden)
    }
  }

  @Test("the check of a signature that the documentation shows takes what was sent, and nothing else")
  func documentedCheck() async throws {
    let (desk, receiver, secret) = try await open()
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    try await desk.office.run(try await desk.office.ticket())
    try await desk.deliver()
    let request = try #require(try receiver.received().first)
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/assignment.md")
    let parts = try String(contentsOf: page, encoding: .utf8)
      .components(separatedBy: "<!-- tested: signature -->\n```python\n")
    let snippet = try #require(parts.last?.components(separatedBy: "\n```\n").first)
    let check = """
      import json, sys
      given = json.load(sys.stdin)
      headers, body = given["headers"], given["body"].encode()
      old = dict(headers, **{"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 4000)})
      print(is_ours(given["secret"], headers, body, 3600), is_ours(given["other"], headers, body, 3600),
        is_ours(given["secret"], headers, body + b" ", 3600), is_ours(given["secret"], old, body, 3600))
      """
    let input = try JSONSerialization.data(withJSONObject: [
      "headers": request.headers, "body": request.body, "secret": secret, "other": try await desk.newSecret(),
    ])
    let output = try TestPython.run("\(snippet)\n\(check)", input: Array(input))
    #expect(String(decoding: output, as: UTF8.self) == "True False False False\n")
  }
}

extension Range<Int> {
  /// The results of one call after the other.
  fileprivate func asyncMap<Value>(_ make: (Int) async throws -> Value) async rethrows -> [Value] {
    var values: [Value] = []
    for index in self { values.append(try await make(index)) }
    return values
  }
}
