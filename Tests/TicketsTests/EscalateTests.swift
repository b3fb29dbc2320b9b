import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct EscalateTests {
  private func escalate(
    _ world: TicketWorld, _ name: String, by agent: AgentID = TicketWorld.kim, version: Int64 = 0,
    requestID: String = "", title: String = "결제 오류 확인 요청"
  ) async throws -> Ticket {
    try await world.client.escalateTicket(
      EscalateTicketRequest(
        name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: title,
        text: "로그를 확인해 주세요.", version: version, requestId: requestID), world.by(agent))
  }

  private func get(_ world: TicketWorld, _ name: String) async throws -> Ticket {
    try await world.client.getTicket(GetTicketRequest(name: name), world.by(TicketWorld.boss))
  }

  private func process(
    _ world: TicketWorld, _ name: String, _ act: ProcessTicketRequest.Act, _ text: String
  ) async throws -> Ticket {
    try await world.client.processTicket(
      ProcessTicketRequest(name: name, act: act, text: text), world.by(TicketWorld.boss))
  }

  @Test("escalating creates an issue ticket that nobody holds, and the consultation ticket waits for it")
  func there() async throws {
    let world = try await TicketWorld()
    let source = try await world.ticket()
    var promised = Ticket(name: world.name(source), priority: .high)
    promised.callBack = CallBack(phone: "01000000000", time: Timestamp(seconds: 1_800_000_000), active: true)
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(ticket: promised, updateMask: FieldMask(paths: ["call_back", "priority"])),
      world.by(TicketWorld.kim))
    let waiting = try await escalate(world, world.name(source))
    #expect(waiting.state == .escalating && waiting.agent == "agents/1")
    #expect(waiting.targetServiceDisplayName == "Bugs" && waiting.sourceServiceDisplayName.isEmpty)
    let issue = try await get(world, waiting.targetTicket)
    #expect(issue.name.hasPrefix("services/bugs/tickets/") && issue.state == .unassigned && issue.agent.isEmpty)
    #expect(issue.sourceTicket == waiting.name && issue.sourceServiceDisplayName == "고객센터")
    #expect(issue.channel == .escalation && issue.priority == .high && issue.title == "결제 오류 확인 요청")
    #expect(issue.submissionType == "services/bugs/submissionTypes/20" && issue.creator == "agents/1")
    #expect(issue.customer?.email == "hong@example.com" && issue.language == "ko" && issue.privacyConsent)
    #expect(issue.callBack == waiting.callBack && issue.callBack?.active == true)
    let there = try await world.client.listEntries(
      ListEntriesRequest(parent: issue.name), world.by(TicketWorld.boss)
    ).entries
    #expect(there.map(\.text) == ["로그를 확인해 주세요."] && there[0].kind == .inquiry && there[0].act == .escalate)
    #expect(there[0].author?.name == "1" || there[0].author?.name == "agents/1")
    let here = try await world.client.listEntries(
      ListEntriesRequest(parent: waiting.name), world.by(TicketWorld.kim)
    ).entries
    #expect(here.map(\.kind) == [.inquiry, .escalation] && here[1].text == "로그를 확인해 주세요.")
    #expect(try await world.eventCodes(waiting.name).last == "ESCALATED")
    let issueID = try #require(TicketName(issue.name)).id
    let work = try await world.outbox(issueID)
    #expect(try TriggerPass(serialized: work[0].payload).cause == .created)
    for name in [waiting.name, issue.name] {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.boss))
      #expect(found.intact, "\(found.finding)")
    }
    let listed = try await world.client.listTickets(
      ListTicketsRequest(parent: "services/care", menu: .escalated), world.by(TicketWorld.kim))
    #expect(listed.tickets.map(\.name) == [waiting.name])
    let counters = try await world.client.getCounters(
      GetCountersRequest(parent: "services/care"), world.by(TicketWorld.kim))
    #expect(counters.myEscalatedCount == 1)
  }

  @Test("an escalation goes there and back: answered, escalated anew, answered again, and told to the customer")
  func thereAndBack() async throws {
    let world = try await TicketWorld()
    let source = try await world.ticket()
    var ticket = try await escalate(world, world.name(source))
    let first = ticket.targetTicket
    let again = await refusal { try await escalate(world, ticket.name) }
    #expect(again?.metadata["refusal"] == "ESCALATION_OPEN")
    // Nobody holds the issue ticket yet; an assignment gives it to somebody, who holds it for now.
    try await world.run(
      "UPDATE ticket SET agent_id = 3, state = 'PROCESSING' WHERE id = \(try #require(TicketName(first)).id)")
    _ = try await process(world, first, .hold, "확인 중입니다.")
    ticket = try await get(world, ticket.name)
    #expect(ticket.state == .escalationAnswered && ticket.targetTicket == first)
    // Held over there is still open, yet it has answered: it may be escalated anew, and then the first one's words are
    // no answer any more.
    ticket = try await escalate(world, ticket.name, title: "다시 확인 요청")
    #expect(ticket.state == .escalating && ticket.targetTicket != first)
    _ = try await process(world, first, .resolve, "처음 것은 끝났습니다.")
    ticket = try await get(world, ticket.name)
    #expect(ticket.state == .escalating && ticket.entryCount == 5)
    let second = ticket.targetTicket
    try await world.run(
      "UPDATE ticket SET agent_id = 3, state = 'PROCESSING' WHERE id = \(try #require(TicketName(second)).id)")
    _ = try await process(world, second, .resolve, "고쳤습니다.")
    ticket = try await process(world, ticket.name, .resolve, "처리되었습니다.")
    #expect(ticket.state == .resolved)
    #expect(
      try await world.eventCodes(ticket.name).dropFirst() == [
        "ESCALATED", "ESCALATION_ANSWERED", "ESCALATED", "ESCALATION_ANSWERED", "ESCALATION_ANSWERED", "RESOLVED",
      ])
  }

  @Test("what a customer adds meanwhile reaches the issue ticket while it is open")
  func reinquiry() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    let reply = AppendInquiryRequest(parent: world.name(source), text: "언제 되나요?", requestId: "<1@mail.example>")
    _ = try await world.client.appendInquiry(reply, world.by("mail"))
    _ = try await world.client.appendInquiry(reply, world.by("mail"))
    let entries = try await world.client.listEntries(
      ListEntriesRequest(parent: world.name(issue)), world.by(TicketWorld.boss)
    ).entries
    #expect(entries.count == 2 && entries[1].kind == .comment && entries[1].text == "언제 되나요?")
    #expect(entries[1].author?.kind == .customer)
    #expect(try await get(world, world.name(issue)).state == .processing)
    #expect(try await get(world, world.name(source)).state == .escalating)
    _ = try await process(world, world.name(issue), .resolve, "끝.")
    _ = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: world.name(source), text: "감사합니다."), world.by("mail"))
    #expect(try await get(world, world.name(issue)).entryCount == 3)
    #expect(try await get(world, world.name(source)).entryCount == 4)
  }

  @Test("the issue side reads the consultation's history as it is now, masks included, and nothing else of it")
  func sourceEntries() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO service_member (service_id, agent_id, role, has_ticket_right) VALUES (2, 4, 'AGENT', true)
      """)
    let (source, issue) = try await world.escalation()
    let request = ListSourceEntriesRequest(parent: world.name(issue), pageSize: 1)
    let stranger = world.by(TicketWorld.stranger)
    var page = try await world.client.listSourceEntries(request, stranger)
    #expect(page.entries.map(\.text) == ["지난주에 주문했는데 아직 오지 않았어요."] && page.nextPageToken.isEmpty)
    _ = try await process(world, world.name(source), .comment, "메모")
    try await world.run("UPDATE ticket_entry SET body = '***' WHERE body LIKE '지난주%' AND service_id = 1")
    page = try await world.client.listSourceEntries(request, stranger)
    #expect(page.entries.map(\.text) == ["***"] && !page.nextPageToken.isEmpty)
    var next = request
    next.pageToken = page.nextPageToken
    #expect(try await world.client.listSourceEntries(next, stranger).entries.map(\.text) == ["메모"])
    let direct = await refusal {
      try await world.client.listEntries(ListEntriesRequest(parent: world.name(source)), stranger)
    }
    #expect(direct?.reason == .ticketNotFound)
    let none = try await world.client.listSourceEntries(
      ListSourceEntriesRequest(parent: world.name(source)), world.by(TicketWorld.kim))
    #expect(none.entries.isEmpty)
  }

  @Test("a repeated escalation makes one issue ticket, and racing ones one between them")
  func once() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let results = await withTaskGroup(of: ServiceError?.self) { group in
      for index in 0..<6 {
        group.addTask { await refusal { try await self.escalate(world, name, requestID: "r\(index % 2)") } }
      }
      return await group.reduce(into: [ServiceError?]()) { $0.append($1) }
    }
    #expect(results.contains { $0 == nil })
    for error in results.compactMap({ $0 }) {
      #expect(error.reason == .transitionNotAllowed || error.reason == .conflict)
    }
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE service_id = 2") == 1)
    #expect(try await world.eventCodes(name).filter { $0 == "ESCALATED" }.count == 1)
  }

  @Test("what cannot be escalated is refused, and nothing is written on either side")
  func refusals() async throws {
    let world = try await TicketWorld()
    try await world.run("INSERT INTO organization (id, code, display_name) VALUES (2, 'rival', 'Rival')")
    try await world.run(
      """
      INSERT INTO service (id, organization_id, code, kind, display_name) VALUES (9, 2, 'theirs', 'ISSUE', 'Theirs')
      """)
    let name = world.name(try await world.ticket())
    func error(_ change: (inout EscalateTicketRequest) -> Void, by agent: AgentID = TicketWorld.kim) async
      -> ServiceError?
    {
      var request = EscalateTicketRequest(
        name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
        text: "x")
      change(&request)
      return await refusal { [request] in try await world.client.escalateTicket(request, world.by(agent)) }
    }
    let theirs = await error {
      $0.targetService = "services/theirs"
      $0.submissionType = "services/theirs/submissionTypes/1"
    }
    #expect(theirs?.reason == .serviceNotFound)
    let consultation = await error {
      $0.targetService = "services/other"
      $0.submissionType = "services/other/submissionTypes/9"
    }
    #expect(consultation?.violations.map(\.field) == ["target_service"])
    #expect(await error { $0.submissionType = "services/care/submissionTypes/1" }?.reason == .typeNotFound)
    #expect(await error { $0.submissionType = "services/bugs/submissionTypes/999" }?.reason == .typeNotFound)
    #expect(await error { $0.text = " \n" }?.reason == .textRequired)
    #expect(await error { $0.version = 99 }?.reason == .staleVersion)
    #expect(await error({ _ in }, by: TicketWorld.guest)?.reason == .permissionDenied)
    #expect(await error({ _ in }, by: TicketWorld.stranger)?.reason == .ticketNotFound)
    let all = await error {
      $0 = EscalateTicketRequest(name: "x", title: "a\nb", text: String(repeating: "x", count: 20_001), version: -1)
    }
    #expect(
      all?.violations.map(\.field) == ["name", "target_service", "submission_type", "title", "text", "version"])
    for state in [TicketState.unassigned, .resolved, .completed, .doorayInProgress] {
      let ticket = try await world.ticket(state)
      let refused = await refusal { try await escalate(world, world.name(ticket)) }
      #expect(refused?.reason == .transitionNotAllowed, "\(state)")
    }
    let (_, issue) = try await world.escalation()
    let issueName = world.name(issue)
    #expect(await error { $0.name = issueName }?.metadata["refusal"] == "NOT_OF_THIS_KIND")
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE service_id = 2") == 1)
    #expect(try await world.eventCodes(name) == ["CREATED"])
  }

  @Test("members of a consultation service see the issue services of their organization and their types")
  func targets() async throws {
    let world = try await TicketWorld()
    let list = try await world.client.listEscalationTargets(
      ListEscalationTargetsRequest(parent: "services/care"), world.by(TicketWorld.lee))
    #expect(list.targets.map(\.service) == ["services/bugs"] && list.targets[0].displayName == "Bugs")
    #expect(list.targets[0].submissionTypes.map(\.name) == ["services/bugs/submissionTypes/20"])
    let none = try await world.client.listEscalationTargets(
      ListEscalationTargetsRequest(parent: "services/bugs"), world.by(TicketWorld.kim))
    #expect(none.targets.isEmpty)
  }
}
