import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Messages to messengers that are slow or away", .timeLimit(.minutes(10)))
struct MessengerAwayTests {
  @Test("a hook that hangs holds up no other, nor callbacks and mails of its tickets")
  func slow() async throws {
    let desk = try await MessengerOffice()
    let slow = try await desk.hook()
    let quick = try await desk.hook(MessengerOffice.hooks[1])
    try await desk.messenger.fail(.init(path: "/71/", kind: "slow", times: 99, seconds: 600))
    try await desk.office.trigger([.isNew], .message(slow, "#{ticketId}"), .message(quick, "#{ticketId}"))
    let names = try await (0..<6).asyncMap { _ in try await desk.ticket() }
    let worker = desk.worker
    let loop = TestLoops.group.next()
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    let deadline = desk.office.desk.deadline
    while try await desk.messenger.messages(MessengerOffice.hooks[1]).count < names.count, !deadline.hasPassed {
      try await loop.sleep(for: .milliseconds(20))
    }
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[0]).isEmpty)
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[1]).count == names.count)
    task.cancel()
    await task.value
  }

  @Test("hooks that hang, of whatever service, leave places for those that answer, and are asked one by one")
  func hanging() async throws {
    let paths = (0..<10).map { "/services/1/hanging/\($0)" }
    let desk = try await MessengerOffice(hooks: paths + [MessengerOffice.hooks[1]], attemptTimeout: .seconds(3))
    try await desk.messenger.fail(.init(path: "/hanging/", kind: "slow", times: 9999, seconds: 600))
    var results: [TriggerResult.Result] = []
    for path in paths { results.append(.message(try await desk.hook(path), "#{ticketId}")) }
    let quick = try await desk.hook(MessengerOffice.hooks[1])
    try await desk.trigger(titled: "느림", results)
    try await desk.trigger(titled: "빠름", [.message(quick, "#{ticketId}")])
    // More of them than there are places.
    for _ in 0..<4 { _ = try await desk.ticket(title: "느림") }
    let worker = desk.worker
    let loop = TestLoops.group.next()
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    let deadline = desk.office.desk.deadline
    let failures: Query = "SELECT count(*) FROM outbox WHERE attempt_count > 0 AND lease_time IS NULL"
    while try await desk.office.desk.number(failures) == 0, !deadline.hasPassed {
      try await loop.sleep(for: .milliseconds(50))
    }
    for _ in 0..<3 {
      let name = try await desk.ticket(title: "빠름")
      while try await desk.messenger.messages(MessengerOffice.hooks[1]).last?.text != "\(name.id)", !deadline.hasPassed
      {
        try await loop.sleep(for: .milliseconds(20))
      }
    }
    task.cancel()
    await task.value
    #expect(try await desk.messenger.messages(MessengerOffice.hooks[1]).count == 3)
  }

  @Test("all that waits for a hook which is away is put off at once, and made due when it is back")
  func moved() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    try await desk.office.trigger([.isNew], .message(hook, "#{ticketId}"))
    try await desk.messenger.fail(.init(path: "/71/", kind: "status", times: 9999, status: 503))
    let names = try await (0..<(2 * MessengerPosts.places.total + 5)).asyncMap { _ in try await desk.ticket() }
    for _ in 0..<4 {
      try await desk.deliver()
      try await desk.pass(.seconds(2))
    }
    try await desk.office.execute("UPDATE outbox SET due_time = clock_timestamp() - interval '1 hour'")
    _ = try await desk.worker.runOnce(deadline: desk.office.desk.deadline)
    let due: Query = "SELECT count(*) FROM outbox WHERE due_time < clock_timestamp() - interval '30 minutes'"
    #expect(try await desk.office.desk.number(due) == 0, "one claim has moved all of them")
    try await desk.messenger.fail()
    try await desk.pass(.seconds(60))
    try await desk.office.execute("UPDATE outbox SET due_time = clock_timestamp() + interval '1 hour'")
    try await desk.office.execute(
      "UPDATE outbox SET due_time = clock_timestamp() WHERE id = (SELECT min(id) FROM outbox)")
    let deadline = desk.office.desk.deadline
    while try await desk.messenger.messages(MessengerOffice.hooks[0]).count < names.count, !deadline.hasPassed {
      try await desk.deliver()
    }
    let texts = try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text)
    #expect(Set(texts) == Set(names.map { "\($0.id)" }) && texts.count == names.count)
  }

  @Test("a backlog to a quick hook is put off in one sweep, and made due as the hook takes it")
  func backlog() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    try await desk.office.trigger([.isNew], .message(hook, "#{ticketId}"))
    let names = try await (0..<(3 * MessengerPosts.places.total)).asyncMap { _ in try await desk.ticket() }
    // The first of them are under way while the others are looked at.
    try await desk.messenger.fail(
      .init(path: "/71/", kind: "slow", times: MessengerPosts.places.receiver, seconds: 0.5))
    let worker = desk.worker
    let deadline = desk.office.desk.deadline
    #expect(try await worker.runOnce(deadline: deadline) == Outbox.claimMax)
    let later: Query = "due_time > clock_timestamp() + interval '5 seconds'"
    let swept = try await desk.office.desk.number("SELECT count(*) FROM outbox WHERE \(fragment: later)")
    #expect(swept > 0, "one claim has moved those that it did not take, but for what the first that ended had room for")
    try await desk.office.execute(
      "UPDATE outbox SET due_time = due_time + interval '1 day' WHERE \(fragment: later)")
    // Nothing but the posts that end makes what was put off due.
    let loop = TestLoops.group.next()
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    while try await desk.messenger.messages(MessengerOffice.hooks[0]).count < names.count, !deadline.hasPassed {
      try await loop.sleep(for: .milliseconds(20))
    }
    task.cancel()
    await task.value
    let texts = try await desk.messenger.messages(MessengerOffice.hooks[0]).map(\.text)
    #expect(Set(texts) == Set(names.map { "\($0.id)" }) && texts.count == names.count)
  }

  @Test("while masking, which opens the URL, is away, messages wait; one that opens no more gives them up")
  func maskingAway() async throws {
    let desk = try await MessengerOffice()
    let hook = try await desk.hook()
    try await desk.office.trigger([.isNew], .message(hook, "#{ticketId}"))
    let name = try await desk.ticket()
    let metrics = Metrics()
    #expect(try await desk.withoutMasking(metrics).runOnce(deadline: desk.office.desk.deadline) == 1)
    #expect(try await desk.office.events(name).last == "MESSAGE_QUEUED")
    #expect(metrics.exposition().contains("handoff_message_attempts_total{outcome=\"postponed\"} 1"))
    try await desk.office.execute(
      """
      UPDATE messenger_hook SET sealed_url =
        set_byte(sealed_url, length(sealed_url) - 1, 255 - get_byte(sealed_url, length(sealed_url) - 1))
      """)
    try await desk.pass(.seconds(60))
    try await desk.deliver()
    #expect(try await desk.office.events(name).last == "MESSAGE_FAILED")
  }

  @Test("a message that waits for masking for a day is given up, told in the ticket with its reason, and counted")
  func maskingAwayForLong() async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger([.isNew], .message(try await desk.hook(), "#{ticketId}"))
    let name = try await desk.ticket()
    let metrics = Metrics()
    let worker = try desk.withoutMasking(metrics)
    try await desk.pass(MessengerPosts.ageMax - .seconds(3600))
    #expect(try await worker.runOnce(deadline: desk.office.desk.deadline) == 1)
    #expect(try await desk.office.events(name).last == "MESSAGE_QUEUED")
    try await desk.pass(.seconds(3600))
    #expect(try await worker.runOnce(deadline: desk.office.desk.deadline) == 1)
    #expect(try await desk.office.events(name).last == "MESSAGE_FAILED")
    let reasons = try await desk.office.desk.number(
      "SELECT count(*) FROM outbox WHERE dead_time IS NOT NULL AND dead_reason LIKE 'it cannot be made: %'")
    #expect(reasons == 1)
    #expect(metrics.exposition().contains("handoff_message_attempts_total{outcome=\"failed\"} 1"))
  }

  @Test("a message that fails for a day is given up, which the ticket says")
  func givenUp() async throws {
    let desk = try await MessengerOffice()
    try await desk.office.trigger([.isNew], .message(try await desk.hook(), "#{ticketId}"))
    try await desk.messenger.fail(.init(kind: "status", times: 9, status: 503))
    let name = try await desk.ticket()
    try await desk.deliver()
    try await desk.pass(MessengerPosts.ageMax)
    try await desk.deliver()
    #expect(try await desk.office.events(name).last == "MESSAGE_FAILED")
    let reasons = try await desk.office.desk.number(
      "SELECT count(*) FROM outbox WHERE topic = 'MESSENGER' AND dead_reason = 'the messenger answered 503'")
    #expect(reasons == 1)
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
