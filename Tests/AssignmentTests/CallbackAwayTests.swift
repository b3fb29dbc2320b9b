import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import Testing
import TicketLedger

@testable import Assignment

@Suite("Callbacks to a receiver that is away, and back", .timeLimit(.minutes(10)))
struct CallbackAwayTests {
  private let certificate: TestCertificate
  private let vault: TestVault

  init() throws {
    certificate = try TestCertificate()
    vault = try TestVault()
  }

  /// A receiver that was away is back, and the callback of one of so many tickets is due.
  private func back(tickets: Int) async throws -> (CallbackOffice, HTTPSReceiver, [TicketName]) {
    let receiver = try HTTPSReceiver(certificate)
    let (desk, _) = try await CallbackOffice.open(certificate, vault: vault)
    try receiver.answer("500")
    try await desk.office.trigger([.isNew], .call(receiver.url("/a")), .call(receiver.url("/b")))
    var names: [TicketName] = []
    for _ in 0..<tickets {
      names.append(try await desk.office.ticket())
      try await desk.office.run(names[names.count - 1])
    }
    try await desk.deliver()
    try await desk.pass(.seconds(60))
    try await desk.office.execute("UPDATE outbox SET due_time = clock_timestamp() + interval '1 hour'")
    try await desk.office.execute(
      "UPDATE outbox SET due_time = clock_timestamp() WHERE id = (SELECT min(id) FROM outbox)")
    try receiver.answer("200")
    return (desk, receiver, names)
  }

  @Test("what is due to a receiver that is away is put off at once, and what comes behind it for others is sent")
  func crowd() async throws {
    let (receiver, healthy) = (try HTTPSReceiver(certificate), try HTTPSReceiver(certificate))
    let (desk, _) = try await CallbackOffice.open(certificate, vault: vault)
    try receiver.answer("500")
    let titled = { TriggerCondition(target: .title, operator: .contains, values: [$0]) }
    try await desk.office.trigger([.isNew, titled("많음")], .call(receiver.url()))
    try await desk.office.trigger([.isNew, titled("혼자")], .call(healthy.url()))
    for _ in 0..<(2 * Outbox.claimMax + 6) { try await desk.office.run(try await desk.office.ticket(title: "많음")) }
    try await desk.deliver()
    // All of it is due again, for longer than what comes now, and a second after it was put off.
    try await desk.pass(.seconds(2))
    try await desk.office.execute("UPDATE outbox SET due_time = clock_timestamp() - interval '1 hour'")
    let alone = try await desk.office.ticket(title: "혼자")
    try await desk.office.run(alone)
    for _ in 0..<2 { _ = try await desk.worker.runOnce(deadline: desk.office.desk.deadline) }
    #expect(try healthy.received().map(\.ticket) == [alone.description])
    #expect(try await desk.undelivered(.dead).isEmpty)
    // What is to be given up is not put off.
    try await desk.pass(CallbackPosts.ageMax)
    let count = try await desk.worker.outbox.putOff(
      to: "127.0.0.1:\(receiver.port)", by: .seconds(1), ageMax: CallbackPosts.ageMax,
      deadline: desk.office.desk.deadline)
    #expect(count == 0)
  }

  @Test("a callback that waits for masking for three days is given up, and the ticket says so")
  func maskingAwayForLong() async throws {
    let receiver = try HTTPSReceiver(certificate)
    let (desk, _) = try await CallbackOffice.open(certificate, vault: vault)
    try await desk.office.trigger([.isNew], .call(receiver.url()))
    let name = try await desk.office.ticket()
    try await desk.office.run(name)
    let alone = try CallbackOffice(desk: desk.office.desk, rules: desk.callbacks.rules, masking: false, vault: vault)
    try await alone.pass(CallbackPosts.ageMax)
    try await alone.deliver()
    #expect(try await desk.office.events(name).last == "CALLBACK_FAILED")
    #expect(try await desk.undelivered(.dead).first?.reason.hasPrefix("it cannot be signed: ") == true)
    #expect(try receiver.received().isEmpty)
  }

  @Test("when a receiver is back, what waits for it is sent at once, and not when its own pause is over")
  func hurried() async throws {
    let (desk, receiver, names) = try await back(tickets: 6)
    try await desk.deliver()
    let taken = try receiver.received().filter { $0.mode == "200" }
    #expect(taken.count == 2 * names.count && Set(taken.map(\.id)).count == taken.count)
    #expect(try await desk.undelivered().isEmpty)
  }

  @Test("what waits for a receiver that is back becomes due in batches, and each ticket's first only")
  func hurriedInBatches() async throws {
    let (desk, receiver, names) = try await back(tickets: 6)
    let destination = "127.0.0.1:\(receiver.port)"
    func hurry(_ batchMax: Int, _ batches: Int) async throws -> Int {
      try await desk.worker.outbox.hurry(
        to: destination, batchMax: batchMax, batches: batches, deadline: desk.office.desk.deadline)
    }
    // One is due already.
    #expect(try await hurry(2, 1) == 2)
    #expect(try await hurry(1, 2) == 2)
    #expect(try await hurry(2, 5) == names.count - 5)
    #expect(try await hurry(2, 5) == 0)
    #expect(try await desk.worker.outbox.hurry(to: "another:443", deadline: desk.office.desk.deadline) == 0)
  }

  @Test("what a receiver took is not sent again when the others that wait for it cannot be made due")
  func hurryFails() async throws {
    let (desk, receiver, names) = try await back(tickets: 4)
    // Everything but the column by which the others are found.
    try await desk.office.execute("REVOKE SELECT ON outbox FROM handoff_assignment")
    try await desk.office.execute(
      """
      GRANT SELECT (service_id, id, ticket_id, event_sequence, topic, payload, attempt_count, due_time, create_time,
        lease_time, lease_holder, dead_time, dead_reason) ON outbox TO handoff_assignment
      """)
    try await desk.deliver()
    let taken = try receiver.received().filter { $0.mode == "200" }
    #expect(taken.map(\.ticket) == [names[0].description, names[0].description])
    #expect(try await desk.office.events(names[0]).suffix(2) == ["CALLBACK_SENT", "CALLBACK_SENT"])
    try await desk.pass(.seconds(2 * 3600))
    try await desk.deliver()
    let all = try receiver.received().filter { $0.mode == "200" }
    #expect(all.count == 2 * names.count && Set(all.map(\.id)).count == all.count)
  }
}
