import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct AppendInquiryTests {
  @Test("a customer's reply brings resolved and held tickets back, and is added to others")
  func states() async throws {
    let world = try await TicketWorld()
    for state in TicketState.allCases where state != .completed {
      let ticket = try await world.ticket(state)
      let name = world.name(ticket)
      let request = AppendInquiryRequest(parent: name, text: "아직도 안 왔어요.")
      let entry = try await world.client.appendInquiry(request, world.by("mail"))
      #expect(entry.kind == .inquiry && entry.act == .customerReply && entry.author?.kind == .customer)
      let after = try await world.client.getTicket(GetTicketRequest(name: name), world.by("mail"))
      let reopens = state == .resolved || state == .pending
      #expect(after.state.rawValue == (reopens ? TicketState.processing : state).number, "\(state)")
      #expect(after.agent == (state == .unassigned ? "" : "agents/1"))
      #expect(try await world.eventCodes(name).last == "CUSTOMER_REPLIED")
      let work = try await world.outbox(ticket.id)
      #expect(try TriggerPass(serialized: try #require(work.last).payload).cause == .customerReplied)
    }
  }

  @Test("a ticket whose holder cannot work any more comes back to nobody, its group kept")
  func holderGone() async throws {
    let world = try await TicketWorld()
    for holder in [TicketWorld.gone, TicketWorld.guest, TicketWorld.stranger] {
      let ticket = try await world.ticket(TicketWorld.Shape(state: .resolved, agent: holder))
      _ = try await world.client.appendInquiry(
        AppendInquiryRequest(parent: world.name(ticket), text: "?"), world.by("mail"))
      let after = try await world.client.getTicket(GetTicketRequest(name: world.name(ticket)), world.by("mail"))
      #expect(after.state == .unassigned && after.agent.isEmpty)
      #expect(after.group == "services/care/groups/1")
    }
  }

  @Test("spam keeps what the customer adds, and stays spam")
  func spam() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(TicketWorld.Shape(isSpam: true))
    _ = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: world.name(ticket), text: "buy!"), world.by("mail"))
    let after = try await world.client.getTicket(GetTicketRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(after.spam && after.state == .resolved && after.entryCount == 2)
    #expect(try await world.outbox(ticket.id).isEmpty)
  }

  @Test("what a customer adds to spam is not told to the issue service that had the ticket")
  func spamOfEscalated() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(issue), act: .hold, text: "알아보고 있습니다."), world.by(TicketWorld.kim))
    let spam = ProcessTicketRequest(name: world.name(source), act: .resolveInternally, internalReason: .spam)
    #expect(try await world.client.processTicket(spam, world.by(TicketWorld.kim)).spam)
    let before = try await world.client.getTicket(GetTicketRequest(name: world.name(issue)), world.by(TicketWorld.kim))
    let reply = AppendInquiryRequest(parent: world.name(source), text: "buy!")
    _ = try await world.client.appendInquiry(reply, world.by("mail"))
    #expect(
      try await world.client.getTicket(GetTicketRequest(name: world.name(issue)), world.by(TicketWorld.kim)) == before)
    // Out of the spam box, what comes then is.
    _ = try await world.client.restoreTicket(
      RestoreTicketRequest(name: world.name(source)), world.by(TicketWorld.boss))
    _ = try await world.client.appendInquiry(reply, world.by("mail"))
    let after = try await world.client.getTicket(GetTicketRequest(name: world.name(issue)), world.by(TicketWorld.kim))
    #expect(after.entryCount == before.entryCount + 1)
  }

  @Test("a repeated reply is added once")
  func replay() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let request = AppendInquiryRequest(parent: world.name(ticket), text: "언제 와요?", requestId: "<1@mail.example>")
    let first = try await world.client.appendInquiry(request, world.by("mail"))
    #expect(try await world.client.appendInquiry(request, world.by("mail")) == first)
    #expect(try await world.count("SELECT count(*) FROM ticket_entry") == 2)
  }

  @Test("an empty text, a wrong name, an agent and another daemon are refused")
  func refusals() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    func error(_ request: AppendInquiryRequest, _ caller: CallOptions) async -> ServiceError? {
      await refusal { try await world.client.appendInquiry(request, caller) }
    }
    #expect(await error(AppendInquiryRequest(parent: name, text: " "), world.by("mail"))?.reason == .textRequired)
    let wrong = await error(
      AppendInquiryRequest(parent: "x", text: String(repeating: "x", count: 50_001)), world.by("mail"))
    #expect(wrong?.violations.map(\.field) == ["parent", "text"])
    let byAgent = await error(AppendInquiryRequest(parent: name, text: "x"), world.by(TicketWorld.boss))
    #expect(byAgent?.reason == .permissionDenied)
    // Whom the allow-list does not name is told nothing but that.
    #expect(await error(AppendInquiryRequest(parent: name, text: "x"), world.by("assignment"))?.reason == .internal)
  }
}
