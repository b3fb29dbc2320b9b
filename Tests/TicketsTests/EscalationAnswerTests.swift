import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct EscalationAnswerTests {
  private func process(
    _ world: TicketWorld, _ ticket: TicketRecord, _ act: ProcessTicketRequest.Act, _ text: String = "부품을 교체했습니다."
  ) async throws -> Ticket {
    var request = ProcessTicketRequest(name: world.name(ticket), act: act, text: text)
    if act == .resolveInternally { request.internalReason = .others }
    return try await world.client.processTicket(request, world.by(TicketWorld.kim))
  }

  private func get(_ world: TicketWorld, _ ticket: TicketRecord) async throws -> Ticket {
    try await world.client.getTicket(GetTicketRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
  }

  @Test(
    "what ends an issue ticket, or holds it, answers the consultation ticket and mails nobody",
    arguments: [ProcessTicketRequest.Act.resolve, .hold, .resolveInternally])
  func answers(_ act: ProcessTicketRequest.Act) async throws {
    let world = try await TicketWorld(isMailReachable: act != .resolveInternally)
    let (source, issue) = try await world.escalation()
    let after = try await process(world, issue, act)
    #expect(after.state == (act == .hold ? .pending : .resolved))
    let answered = try await get(world, source)
    #expect(answered.state == .escalationAnswered && answered.agent == "agents/1")
    let entry = try #require(
      try await world.client.listEntries(ListEntriesRequest(parent: answered.name), world.by(TicketWorld.kim))
        .entries.last)
    #expect(entry.kind == .escalation && entry.text == "부품을 교체했습니다.")
    #expect(try await world.eventCodes(answered.name).last == "ESCALATION_ANSWERED")
    #expect(try await world.outbox(issue.id).map(\.topic) == [.triggers])
    #expect(try TriggerPass(serialized: try #require(await world.outbox(source.id).last).payload).cause == .escalated)
    let verified = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: answered.name), world.by(TicketWorld.kim))
    #expect(verified.intact, "\(verified.finding)")
  }

  @Test("the answer to a consultation ticket whose agent was removed meanwhile is for whoever keeps the ticket")
  func released() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    try await world.run("UPDATE ticket SET agent_id = NULL WHERE id = \(source.id)")
    _ = try await process(world, issue, .resolve)
    let answered = try await get(world, source)
    #expect(answered.state == .unassigned && answered.agent.isEmpty)
    #expect(try await world.eventCodes(answered.name).last == "ESCALATION_ANSWERED")
    let acts = try await world.client.listActs(ListActsRequest(parent: answered.name), world.by(TicketWorld.lee))
    #expect(acts.acts.contains(.keep))
    // What comes later adds to the history alone.
    _ = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: answered.name, text: "고맙습니다."), world.by("mail"))
    #expect(try await get(world, source).state == .unassigned)
  }

  @Test("banned words stop an answer to a consultation ticket, too; neither ticket is changed")
  func bannedWords() async throws {
    let world = try await TicketWorld()
    _ = try await world.database.pool.query(
      "INSERT INTO banned_word (service_id, word) VALUES (2, '절대불가')", deadline: TestDatabase.deadline)
    let (source, issue) = try await world.escalation()
    for act in [ProcessTicketRequest.Act.resolve, .hold] {
      let error = await refusal { try await process(world, issue, act, "환불은 절대불가 합니다") }
      #expect(error?.reason == .bannedWords && error?.metadata["words"] == "절대불가")
    }
    #expect(try await get(world, source).state == .escalating)
    #expect(try await get(world, issue).version == issue.version)
  }

  @Test("without mail, which looks for banned words, no consultation ticket is answered and nothing written")
  func mailUnreachable() async throws {
    let world = try await TicketWorld(isMailReachable: false)
    let (source, issue) = try await world.escalation()
    for act in [ProcessTicketRequest.Act.resolve, .hold] {
      #expect(await refusal { try await process(world, issue, act) }?.reason == .backendUnavailable)
    }
    #expect(try await get(world, source).state == .escalating)
    #expect(try await get(world, issue).version == issue.version)
  }

  @Test("a second answer only adds to the history")
  func secondAnswer() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    _ = try await process(world, issue, .hold)
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(source), act: .resolve, text: "답변드립니다."), world.by(TicketWorld.kim))
    _ = try await process(world, issue, .resolve, "이제 끝났습니다.")
    let after = try await get(world, source)
    #expect(after.state == .resolved && after.entryCount == 4)
  }

  @Test(
    "an answer to a consultation ticket that is closed is added to its history, and opens nothing again",
    arguments: [ProcessTicketRequest.Act.resolve, .hold, .resolveInternally])
  func closedSource(_ act: ProcessTicketRequest.Act) async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    _ = try await process(world, issue, .hold, "확인 중입니다.")
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(source), act: .resolve, text: "답변드립니다."), world.by(TicketWorld.kim))
    let closed = try await world.client.completeTicket(
      CompleteTicketRequest(name: world.name(source)), world.by(TicketWorld.boss))
    let (codes, issueCodes) = (try await world.eventCodes(closed.name), try await world.eventCodes(world.name(issue)))
    let (work, issueWork) = (try await world.outbox(source.id).count, try await world.outbox(issue.id).count)
    let done = try await process(world, issue, act)
    #expect(done.state == (act == .hold ? .pending : .resolved) && done.entryCount == 3)
    let expected: [ProcessTicketRequest.Act: String] = [
      .resolve: "RESOLVED", .hold: "HELD", .resolveInternally: "RESOLVED_INTERNALLY",
    ]
    #expect(try await world.eventCodes(done.name) == issueCodes + [expected[act] ?? ""])
    // The triggers of the issue service run; nobody is mailed, and nothing follows on the other side.
    #expect(try await world.outbox(issue.id).dropFirst(issueWork).map(\.topic) == [.triggers])
    #expect(try await world.outbox(source.id).count == work)

    let after = try await get(world, source)
    #expect(after.state == .completed && after.completeTime == closed.completeTime && after.agent == closed.agent)
    #expect(after.version == closed.version + 1 && after.entryCount == closed.entryCount + 1)
    let kim = world.by(TicketWorld.kim)
    let entry = try await world.client.listEntries(ListEntriesRequest(parent: after.name), kim).entries.last
    #expect(entry?.kind == .escalation && entry?.act.protoName == act.protoName && entry?.text == "부품을 교체했습니다.")
    #expect(try await world.eventCodes(after.name) == codes + ["ESCALATION_ANSWERED"])
    let event = try await world.client.listEvents(ListEventsRequest(parent: after.name), kim).events.last
    #expect(event?.changes.contains { $0.field == "state" } == false)
    for name in [after.name, done.name] {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), kim)
      #expect(found.intact, "\(found.finding)")
    }
  }

  @Test("the answer of an earlier escalation does not answer the later one")
  func earlierEscalation() async throws {
    let world = try await TicketWorld()
    let (source, earlier) = try await world.escalation()
    var event = EventDraft(.escalated, by: .agent(TicketWorld.kim))
    event.set.target = .some(TicketLink(serviceID: ServiceID(2), ticketID: TicketID(earlier.id.rawValue + 1)))
    _ = try await world.ledger.write(TicketChange(event), on: source, deadline: TestDatabase.deadline)
    _ = try await process(world, earlier, .resolve)
    let after = try await get(world, source)
    #expect(after.state == .escalating && after.entryCount == 2)
  }

  @Test("an outcome without words is in the consultation ticket's history, with the act, its reason and its ticket")
  func wordlessAnswer() async throws {
    let world = try await TicketWorld(isMailReachable: false)
    let (source, issue) = try await world.escalation()
    _ = try await process(world, issue, .resolveInternally, "")
    let answered = try await get(world, source)
    #expect(answered.state == .escalationAnswered && answered.entryCount == 2)
    let kim = world.by(TicketWorld.kim)
    let entry = try #require(
      try await world.client.listEntries(ListEntriesRequest(parent: answered.name), kim).entries.last)
    #expect(entry.kind == .escalation && entry.act == .resolveInternally && entry.text.isEmpty)
    let event = try #require(
      try await world.client.listEvents(ListEventsRequest(parent: answered.name), kim).events.last)
    #expect(event.code == "ESCALATION_ANSWERED")
    for change in [
      FieldChange(field: "answer.act", after: "RESOLVE_INTERNALLY"),
      FieldChange(field: "answer.internal_reason", after: "OTHERS"),
      FieldChange(field: "answer.ticket", after: world.name(issue)),
    ] {
      #expect(event.changes.contains(change), "\(event.changes)")
    }
    let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: answered.name), kim)
    #expect(found.intact, "\(found.finding)")
  }

  @Test(
    "an issue ticket whose consultation ticket was deleted as spam is held and ended like any other",
    arguments: [ProcessTicketRequest.Act.resolve, .hold, .resolveInternally])
  func deletedSource(_ act: ProcessTicketRequest.Act) async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    _ = try await process(world, issue, .hold)
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(source), act: .resolveInternally, internalReason: .spam),
      world.by(TicketWorld.kim))
    _ = try await world.client.deleteTicket(
      DeleteTicketRequest(name: world.name(source)), world.by(TicketWorld.boss))
    let after = try await process(world, issue, act)
    #expect(after.state == (act == .hold ? .pending : .resolved))
    for ticket in [source, issue] {
      let found = try await world.ledger.verify(
        ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline)
      #expect(found.isIntact, "\(found.finding)")
    }
  }

  @Test("a comment on an issue ticket stays there")
  func comment() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    _ = try await process(world, issue, .comment)
    let after = try await get(world, source)
    #expect(after.state == .escalating && after.entryCount == 1)
  }

  @Test("the answer is written with the consultation ticket or not at all, whoever writes to it meanwhile")
  func race() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<4 {
        group.addTask {
          _ = try await world.client.processTicket(
            ProcessTicketRequest(name: world.name(source), act: .comment, text: "\(index)"), world.by(TicketWorld.lee))
        }
      }
      group.addTask { _ = try await self.process(world, issue, .resolve) }
      while let result = await group.nextResult() {
        // Whoever was always too late is told so, and nothing of theirs is written.
        if case .failure(let error) = result { #expect(ServiceError(caught: error).reason == .conflict) }
      }
    }
    let (parent, child) = (try await get(world, source), try await get(world, issue))
    #expect((parent.state == .escalationAnswered) == (child.state == .resolved))
    for name in [parent.name, child.name] {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.kim))
      #expect(found.intact)
    }
  }
}
