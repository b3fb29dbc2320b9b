import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What a program says in the name of customers, with the account of an agent.
@Suite("Programs that speak for customers")
struct CustomerCallTests {
  private static func inquiry() -> CreateTicketRequest {
    CreateTicketRequest(
      parent: "services/care", title: "언제 오나요?", text: "지난주에 주문했어요.",
      customer: TicketCustomer(displayName: "홍길동", email: "hong@example.com"),
      submissionType: "services/care/submissionTypes/1")
  }

  @Test("the inquiry is the customer's, came by API, and the program's agent answers for it")
  func creation() async throws {
    let world = try await TicketWorld()
    // An administrator's account gives the customer no more than any other does.
    let program = world.forCustomer(through: TicketWorld.boss)
    let ticket = try await world.client.createTicket(Self.inquiry(), program)
    #expect(ticket.state == .unassigned && ticket.channel == .api && ticket.creator == "agents/3")
    let kim = world.by(TicketWorld.kim)
    let entry = try await world.client.listEntries(ListEntriesRequest(parent: ticket.name), kim).entries[0]
    #expect(entry.kind == .inquiry && entry.author?.kind == .customer)
    #expect(try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), kim).intact)
  }

  @Test(
    "what comes through a help center's form needs the customer's consent, which stands in the ticket and its history",
    arguments: [Ticket.Channel.helpCenter, .helpCenterMobile])
  func consent(_ channel: Ticket.Channel) async throws {
    let world = try await TicketWorld()
    let program = world.forCustomer(through: TicketWorld.boss)
    var inquiry = Self.inquiry()
    inquiry.channel = channel
    let error = await refusal { try await world.client.createTicket(inquiry, program) }
    #expect(error?.violations.map(\.field) == ["privacy_consent"])
    #expect(error?.violations.first?.description == "required: must be true: 개인정보 수집·이용 동의")
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
    inquiry.privacyConsent = true
    let ticket = try await world.client.createTicket(inquiry, program)
    #expect(ticket.channel == channel && ticket.privacyConsent)
    let kim = world.by(TicketWorld.kim)
    #expect(try await world.client.getTicket(GetTicketRequest(name: ticket.name), kim).privacyConsent)
    let created = try await world.client.listEvents(ListEventsRequest(parent: ticket.name), kim).events[0]
    #expect(created.changes.contains { $0.field == "privacy_consent" && $0.after == "true" })
    #expect(try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), kim).intact)
    try await world.run("UPDATE ticket SET privacy_consent = false")
    #expect(try await !world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), kim).intact)
  }

  @Test("where a customer fills in no form, consent is not asked for, but can be noted")
  func consentElsewhere() async throws {
    let world = try await TicketWorld()
    var inquiry = Self.inquiry()
    let api = try await world.client.createTicket(inquiry, world.forCustomer(through: TicketWorld.boss))
    #expect(api.channel == .api && !api.privacyConsent)
    inquiry.channel = .helpCenter
    let written = try await world.client.createTicket(inquiry, world.by(TicketWorld.kim))
    #expect(written.channel == .helpCenter && !written.privacyConsent)
    (inquiry.channel, inquiry.privacyConsent) = (.phone, true)
    #expect(try await world.client.createTicket(inquiry, world.by(TicketWorld.kim)).privacyConsent)
  }

  @Test("what only agents may say is refused")
  func refusals() async throws {
    let world = try await TicketWorld()
    var (manual, untyped) = (Self.inquiry(), Self.inquiry())
    manual.channel = .manual
    untyped.submissionType = ""
    for (request, field) in [(manual, "channel"), (untyped, "submission_type")] {
      let error = await refusal {
        try await world.client.createTicket(request, world.forCustomer(through: TicketWorld.boss))
      }
      #expect(error?.violations.map(\.field) == [field])
    }
    var assigned = Self.inquiry()
    assigned.agent = "agents/1"
    let denied = await refusal {
      try await world.client.createTicket(assigned, world.forCustomer(through: TicketWorld.boss))
    }
    #expect(denied?.reason == .permissionDenied)
    var inactive = Self.inquiry()
    inactive.submissionType = "services/care/submissionTypes/4"
    let unknown = await refusal {
      try await world.client.createTicket(inactive, world.forCustomer(through: TicketWorld.boss))
    }
    #expect(unknown?.reason == .typeNotFound)
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
  }

  @Test("what the customer adds reopens the ticket, once, in the customer's words")
  func reply() async throws {
    let world = try await TicketWorld()
    let program = world.forCustomer(through: TicketWorld.lee)
    let kim = world.by(TicketWorld.kim)
    let ticket = try await world.client.createTicket(Self.inquiry(), program)
    try await world.run(
      "UPDATE ticket SET agent_id = 1, group_id = 1, state = 'PENDING' WHERE state = 'UNASSIGNED'")
    let reply = AppendInquiryRequest(parent: ticket.name, text: "아직도 안 왔어요.", requestId: "once")
    let entry = try await world.client.appendInquiry(reply, program)
    #expect(entry.author?.kind == .customer && entry.text == "아직도 안 왔어요.")
    #expect(try await world.client.appendInquiry(reply, program).name == entry.name)
    let after = try await world.client.getTicket(GetTicketRequest(name: ticket.name), kim)
    #expect(after.state == .processing && after.entryCount == 2 && after.agent == "agents/1")
  }

  @Test("a program adds nothing to other tickets, and no agent writes as a customer")
  func others() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.client.createTicket(Self.inquiry(), world.forCustomer(through: TicketWorld.lee))
    let mailed = try await world.ticket()
    let rows: [(String, CallOptions, Reason)] = [
      (ticket.name, world.forCustomer(through: TicketWorld.boss), .ticketNotFound),
      (world.name(mailed), world.forCustomer(through: TicketWorld.lee), .ticketNotFound),
      (ticket.name, world.forCustomer(through: TicketWorld.stranger), .ticketNotFound),
      (ticket.name, world.by(TicketWorld.lee), .permissionDenied),
      (ticket.name, world.by(TicketWorld.boss), .permissionDenied),
    ]
    for (name, caller, reason) in rows {
      let error = await refusal {
        try await world.client.appendInquiry(AppendInquiryRequest(parent: name, text: "?"), caller)
      }
      #expect(error?.reason == reason, "\(name)")
    }
    #expect(try await world.count("SELECT count(*) FROM ticket_entry") == 2)
  }

  @Test("acts of agents alone are not for customers, whoever's account it is")
  func agentsOnly() async throws {
    let world = try await TicketWorld()
    let program = world.forCustomer(through: TicketWorld.kim)
    let ticket = world.name(try await world.ticket())
    let star = await refusal { try await world.client.starTicket(StarTicketRequest(name: ticket), program) }
    #expect(star?.reason == .permissionDenied)
    let comment = await refusal {
      try await world.client.processTicket(ProcessTicketRequest(name: ticket, act: .comment, text: "?"), program)
    }
    #expect(comment?.reason == .permissionDenied, "\(String(describing: comment))")
  }
}
