import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What becomes of a customer's reply to a ticket that was answered or closed.
@Suite struct ReplyPolicyTests {
  private func reply(_ world: TicketWorld, _ ticket: TicketRecord, _ text: String = "또 고장났어요.") async throws -> Entry {
    try await world.client.appendInquiry(
      AppendInquiryRequest(parent: world.name(ticket), text: text, requestId: "<\(ticket.id)@mail.example>"),
      world.by("mail"))
  }

  private func get(_ world: TicketWorld, _ name: String) async throws -> Ticket {
    try await world.client.getTicket(GetTicketRequest(name: name), world.by(TicketWorld.boss))
  }

  /// The ticket of an entry.
  private func ticket(of entry: Entry) -> String {
    entry.name.split(separator: "/").prefix(4).joined(separator: "/")
  }

  @Test("a reply to a completed ticket opens a new one that is linked to it, and leaves the old one as it was")
  func completed() async throws {
    let world = try await TicketWorld()
    let old = try await world.ticket(.completed)
    let entry = try await reply(world, old)
    #expect(entry.kind == .inquiry && entry.act == .customerReply && entry.author?.kind == .customer)
    let new = try await get(world, ticket(of: entry))
    #expect(new.name != world.name(old) && new.previousTicket == world.name(old))
    #expect(new.state == .unassigned && new.channel == .email && new.title == old.title)
    #expect(new.customer?.email == "hong@example.com" && new.group == "services/care/groups/1" && new.privacyConsent)
    let after = try await get(world, world.name(old))
    #expect(after.state == .completed && after.version == old.version && after.entryCount == old.entryCount)
    let events = try await world.client.listEvents(
      ListEventsRequest(parent: after.name), world.by(TicketWorld.boss)
    ).events
    #expect(events.last?.code == "FOLLOWED_UP")
    #expect(events.last?.changes.map { "\($0.field) \($0.after)" } == ["next_ticket \(new.name)"])
    #expect(try await world.outbox(TicketID(old.id.rawValue)).isEmpty)
    for name in [after.name, new.name] {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.boss))
      #expect(found.intact, "\(found.finding)")
    }
  }

  @Test("the same reply sent again, or by several daemons at once, opens one ticket")
  func replay() async throws {
    let world = try await TicketWorld()
    let old = try await world.ticket(.completed)
    let names = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<4 { group.addTask { try await self.reply(world, old).name } }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(names.count == 1)
    #expect(try await reply(world, old).name == names.first)
    #expect(try await world.count("SELECT count(*) FROM ticket") == 2)
  }

  @Test("a service decides whether replies to resolved tickets reopen them, within days, or never")
  func policies() async throws {
    let world = try await TicketWorld()
    // Policy, days since resolving, and whether the ticket comes back.
    let rows: [(policy: String, days: Int, age: Int, reopens: Bool)] = [
      ("REOPEN", 0, 400, true), ("REOPEN_WITHIN_DAYS", 3, 2, true), ("REOPEN_WITHIN_DAYS", 3, 4, false),
      ("NEW_TICKET", 0, 0, false),
    ]
    for row in rows {
      try await world.run(
        "UPDATE service SET reply_policy = \(row.policy), reopen_days = \(Int32(row.days)) WHERE code = 'care'")
      let other = try TicketWorld.ledger(world.database, role: "handoff_tickets")
      let client = TicketWorld.client(
        TicketService(ledger: other, mail: world.mail, assignment: TicketWorld.nowhere))
      let old = try await world.ticket(.resolved)
      try await world.run(
        "UPDATE ticket SET resolve_time = resolve_time - \(row.age) * interval '1 day' WHERE id = \(old.id)")
      let entry = try await client.appendInquiry(
        AppendInquiryRequest(parent: world.name(old), text: "아직도요."), world.by("mail"))
      #expect((ticket(of: entry) == world.name(old)) == row.reopens, "\(row)")
      let after = try await get(world, world.name(old))
      #expect(after.state == (row.reopens ? .processing : .resolved), "\(row)")
      // A ticket that waits for the customer is never turned away from.
      let held = try await world.ticket(.pending)
      let again = try await client.appendInquiry(
        AppendInquiryRequest(parent: world.name(held), text: "네."), world.by("mail"))
      #expect(ticket(of: again) == world.name(held))
    }
  }

  @Test("the rule looks at nothing but the ticket's standing, the policy and the time")
  func rule() {
    let day: Int64 = 86_400
    func act(_ state: TicketState, _ policy: ReplyPolicy, _ seconds: Int64?, spam: Bool = false) -> LifecycleAct {
      CustomerReply.act(
        on: Standing(kind: .consultation, state: state, isSpam: spam), policy: policy, reopenDays: 2,
        secondsResolved: seconds)
    }
    for policy in ReplyPolicy.allCases {
      for state in TicketState.allCases where state != .resolved {
        #expect(act(state, policy, nil) == (state == .completed ? .followUp : .receiveCustomerReply))
      }
      #expect(act(.resolved, policy, 0, spam: true) == .receiveCustomerReply)
    }
    #expect(act(.resolved, .reopen, 1000 * day) == .receiveCustomerReply)
    #expect(act(.resolved, .reopenWithinDays, 2 * day) == .receiveCustomerReply)
    #expect(act(.resolved, .reopenWithinDays, 2 * day + 1) == .followUp)
    #expect(act(.resolved, .newTicket, 0) == .followUp)
  }
}
