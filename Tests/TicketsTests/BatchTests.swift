import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// One act on many tickets.
@Suite struct BatchTests {
  @Test("each ticket is acted on with its own guards, and has its own result, in the order of the request")
  func results() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    let tickets = [
      try await world.ticket(), try await world.ticket(.completed), try await world.ticket(.unassigned),
      try await world.ticket(.pending), try await world.ticket(TicketWorld.Shape(isSpam: true)),
    ]
    let missing = TicketName(service: "care", id: TicketID(999_999_999)).description
    let made = try await all.client.createBatch(
      CreateBatchRequest(
        parent: "services/care",
        batch: Batch(act: .resolve, text: "배송이 완료되었습니다.", processingType: "services/care/processingTypes/2"),
        tickets: tickets.map(world.name) + [missing]), world.by(TicketWorld.kim))
    #expect(made.state == .running && made.ticketCount == 6 && made.creator == "agents/1")
    #expect(made.creatorDisplayName == "김상담" && !made.text.isEmpty)
    let ended = try await all.end(made)
    #expect(ended.state == .done && ended.succeededCount == 2 && ended.failedCount == 4 && ended.text.isEmpty)
    let results = try await all.results(made)
    #expect(results.map(\.ticket) == tickets.map(world.name) + [missing])
    #expect(results.map(\.outcome) == [.succeeded, .failed, .failed, .succeeded, .failed, .failed])
    #expect(
      results.map(\.reason) == [
        "", "TRANSITION_NOT_ALLOWED", "TRANSITION_NOT_ALLOWED", "", "TRANSITION_NOT_ALLOWED", "TICKET_NOT_FOUND",
      ])
    #expect(results.allSatisfy { $0.time != nil && ($0.outcome == .succeeded) == $0.message.isEmpty })
    let failures = try await all.client.listBatchResults(
      ListBatchResultsRequest(parent: made.name, outcome: .failed, pageSize: 3), world.by(TicketWorld.kim))
    #expect(failures.results.count == 3 && !failures.nextPageToken.isEmpty)
    // In the creator's name, as the act by itself would have been: with the mail and the triggers that follow.
    let ticket = try await all.client.getTicket(
      GetTicketRequest(name: world.name(tickets[0])), world.by(TicketWorld.kim))
    #expect(ticket.state == .resolved && ticket.processingType == "services/care/processingTypes/2")
    let event = try await all.client.listEvents(ListEventsRequest(parent: ticket.name), world.by(TicketWorld.kim))
      .events
    #expect(event.last?.code == "RESOLVED" && event.last?.actor?.displayName == "김상담")
    #expect(Set(try await world.outbox(tickets[0].id).map(\.topic)) == [.mail, .triggers])
    let proof = try await all.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim))
    #expect(proof.intact)
  }

  @Test("every act can be done as a batch")
  func acts() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    let rows: [(Batch, TicketWorld.Shape, AgentID, (Ticket) -> Bool)] = [
      (Batch(act: .hold, text: "확인 중입니다."), .init(), TicketWorld.kim, { $0.state == .pending }),
      (Batch(act: .comment, text: "공유"), .init(), TicketWorld.kim, { $0.entryCount == 2 }),
      (
        Batch(act: .resolveInternally, internalReason: .duplicate, priority: .low), .init(), TicketWorld.kim,
        { $0.internalReason == .duplicate && $0.priority == .low }
      ),
      (
        Batch(act: .forward, group: "services/care/groups/1", agent: "agents/2"), .init(), TicketWorld.lee,
        { $0.agent == "agents/2" && $0.state == .processing }
      ),
      (Batch(act: .update, priority: .urgent), .init(), TicketWorld.kim, { $0.priority == .urgent }),
      (Batch(act: .update, priority: .normal), .init(), TicketWorld.kim, { $0.version == 1 }),
      (
        Batch(act: .update, processingType: "services/care/processingTypes/2", priority: .high), .init(),
        TicketWorld.kim, { $0.processingType == "services/care/processingTypes/2" && $0.priority == .high }
      ),
      (Batch(act: .complete), .init(state: .resolved), TicketWorld.boss, { $0.state == .completed }),
      (Batch(act: .restore), .init(isSpam: true), TicketWorld.boss, { !$0.spam && $0.state == .processing }),
    ]
    for (batch, shape, agent, isDone) in rows {
      let tickets = [try await world.ticket(shape), try await world.ticket(shape)]
      let ended = try await all.end(try await all.create(batch, tickets, by: agent))
      let failed = try await all.results(ended).filter { $0.outcome == .failed }
      #expect(ended.succeededCount == 2, "\(batch.act): \(failed.map { "\($0.reason) \($0.message)" })")
      for ticket in tickets {
        let now = try await all.client.getTicket(
          GetTicketRequest(name: world.name(ticket)), world.by(TicketWorld.boss))
        #expect(isDone(now), "\(batch.act)")
      }
    }
  }

  @Test("a reason that an escalated ticket does not have fails on it alone")
  func escalatedReasons() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    for reason in [Ticket.InternalReason.spam, .abuse, .duplicate] {
      let (_, escalated) = try await all.world.escalation()
      let direct = try await all.world.ticket(.processing, service: "bugs")
      let ended = try await all.end(
        try await all.create(Batch(act: .resolveInternally, internalReason: reason), [escalated, direct], of: "bugs"))
      #expect(ended.succeededCount == 1 && ended.failedCount == 1, "\(reason)")
      let results = try await all.results(ended)
      #expect(results.map(\.ticket) == [escalated, direct].map(all.world.name))
      #expect(results.map(\.outcome) == [.failed, .succeeded])
      #expect(results.map(\.reason) == ["REASON_NOT_ALLOWED", ""])
    }
  }

  @Test("what is wrong with an order is refused at once, and nothing is begun")
  func refusals() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    func error(
      _ batch: Batch, _ tickets: [String]? = nil, by agent: AgentID = TicketWorld.kim, parent: String = "services/care"
    ) async -> ServiceError? {
      await refusal {
        try await all.client.createBatch(
          CreateBatchRequest(parent: parent, batch: batch, tickets: tickets ?? [name]), world.by(agent))
      }
    }
    let comment = Batch(act: .comment, text: "x")
    let invalid: [(Batch, [String]?, [String])] = [
      (Batch(), nil, ["batch.act"]), (comment, [], ["tickets"]), (comment, [name, name], ["tickets[1]"]),
      (comment, [name, "services/bugs/tickets/1"], ["tickets[1]"]), (comment, ["x"], ["tickets[0]"]),
      (comment, (1...10_001).map { "services/care/tickets/\($0)" }, ["tickets"]),
      (Batch(act: .update), nil, ["batch"]), (Batch(act: .forward), nil, ["batch.group", "batch.agent"]),
      (
        Batch(act: .complete, text: "x", processingType: "services/care/processingTypes/1"), nil,
        ["batch.text", "batch.processing_type"]
      ),
      (Batch(act: .resolveInternally), nil, ["batch.internal_reason"]),
      (Batch(act: .hold, internalReason: .spam), [], ["tickets", "batch.internal_reason", "batch.text"]),
      (Batch(act: .comment, text: String(repeating: "가", count: 20_001)), nil, ["batch.text"]),
    ]
    for (batch, tickets, fields) in invalid {
      let error = await error(batch, tickets)
      #expect(error?.reason == .requestInvalid && error?.violations.map(\.field) == fields, "\(fields)")
    }
    let others: [(Batch, AgentID, Reason)] = [
      (Batch(act: .comment, text: " "), TicketWorld.kim, .textRequired),
      (Batch(act: .comment, text: "x", internalReason: .spam), TicketWorld.kim, .reasonNotAllowed),
      (Batch(act: .resolve, text: "절대불가"), TicketWorld.kim, .bannedWords),
      (Batch(act: .resolve, text: "환불은 절대\u{200B}불\u{2060}가"), TicketWorld.kim, .bannedWords),
      (Batch(act: .hold, text: "\u{FEFF}절\u{200D}대불가"), TicketWorld.kim, .bannedWords),
      (
        Batch(act: .comment, text: "x", processingType: "services/other/processingTypes/9"), TicketWorld.kim,
        .typeNotFound
      ),
      (
        Batch(act: .comment, text: "x", processingType: "services/care/processingTypes/99"), TicketWorld.kim,
        .typeNotFound
      ),
      (Batch(act: .forward, group: "services/care/groups/1", agent: "agents/2"), TicketWorld.kim, .permissionDenied),
      (Batch(act: .forward, group: "services/other/groups/3", agent: "agents/2"), TicketWorld.lee, .groupNotFound),
      (Batch(act: .complete), TicketWorld.lee, .permissionDenied),
      (Batch(act: .restore), TicketWorld.kim, .permissionDenied),
      (comment, TicketWorld.guest, .permissionDenied), (comment, TicketWorld.stranger, .serviceNotFound),
    ]
    for (batch, agent, reason) in others {
      #expect(await error(batch, by: agent)?.reason == reason, "\(batch.act) by \(agent)")
    }
    // Banned words are looked for with whichever ticket is there.
    let gone = TicketName(service: "care", id: TicketID(999_999_999)).description
    let banned = CreateBatchRequest(
      parent: "services/care", batch: Batch(act: .resolve, text: "절대불가"), tickets: [gone, world.name(ticket)])
    let refused = await refusal { try await all.client.createBatch(banned, world.by(TicketWorld.kim)) }
    #expect(refused?.reason == .bannedWords)
    #expect(try await world.count("SELECT count(*) FROM ticket_batch") == 0)
    // Five of one agent at a time.
    for _ in 0..<5 { _ = try await all.create(comment, [ticket]) }
    #expect(await error(comment)?.reason == .limitReached)
    #expect(await error(comment, by: TicketWorld.lee) == nil)
  }

  @Test("a repeated request is the same batch, and another one of its id is refused")
  func idempotency() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let tickets = [try await all.world.ticket(), try await all.world.ticket()]
    let batch = Batch(act: .comment, text: "x")
    let first = try await all.create(batch, tickets, requestID: "r1")
    #expect(try await all.create(batch, tickets, requestID: "r1").name == first.name)
    _ = try await all.end(first)
    #expect(try await all.create(batch, tickets, requestID: "r1").state == .done)
    let other = await refusal { try await all.create(Batch(act: .comment, text: "y"), tickets, requestID: "r1") }
    #expect(other?.reason == .requestIDReused)
    #expect(try await all.create(batch, tickets, by: TicketWorld.lee, requestID: "r1").name != first.name)
  }

  @Test("a batch is seen by who ordered it and by administrators")
  func reach() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    let ticket = try await world.ticket()
    let own = try await all.create(Batch(act: .comment, text: "x"), [ticket])
    let theirs = try await all.create(Batch(act: .comment, text: "y"), [ticket], by: TicketWorld.lee)
    func names(_ agent: AgentID) async throws -> [String] {
      try await all.client.listBatches(ListBatchesRequest(parent: "services/care"), world.by(agent)).batches.map(\.name)
    }
    #expect(try await names(TicketWorld.kim) == [own.name])
    #expect(try await names(TicketWorld.boss) == [theirs.name, own.name])
    let page = try await all.client.listBatches(
      ListBatchesRequest(parent: "services/care", pageSize: 1), world.by(TicketWorld.boss))
    let next = try await all.client.listBatches(
      ListBatchesRequest(parent: "services/care", pageSize: 1, pageToken: page.nextPageToken),
      world.by(TicketWorld.boss))
    #expect(next.batches.map(\.name) == [own.name] && next.nextPageToken.isEmpty)
    for agent in [TicketWorld.lee, TicketWorld.stranger, TicketWorld.gone] {
      let refusals = [
        await refusal { try await all.client.getBatch(GetBatchRequest(name: own.name), world.by(agent)) },
        await refusal { try await all.client.cancelBatch(CancelBatchRequest(name: own.name), world.by(agent)) },
        await refusal {
          try await all.client.listBatchResults(ListBatchResultsRequest(parent: own.name), world.by(agent))
        },
      ]
      #expect(refusals.map { $0?.reason } == [.batchNotFound, .batchNotFound, .batchNotFound], "\(agent)")
    }
  }

  @Test("who loses the right in the middle acts no further")
  func rights() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let made = try await all.create(Batch(act: .comment, text: "x"), [try await all.world.ticket()])
    try await all.world.run("UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1")
    // The directory may still believe the right for half a second, but the database is asked by a new one.
    let fresh = TicketService(
      ledger: try TicketWorld.ledger(all.world.database, role: "handoff_tickets"), mail: all.world.mail,
      assignment: TicketWorld.nowhere)
    _ = try await BatchRunner(service: fresh, holder: "fresh").runOnce()
    #expect(try await all.results(made).map(\.reason) == ["PERMISSION_DENIED"])
  }

  @Test("what fails for a while is tried again, and is a failure in the end")
  func retries() async throws {
    let all = try await BatchWorld(isMailReachable: false)
    defer { all.close() }
    let made = try await all.create(Batch(act: .resolve, text: "답변"), [try await all.world.ticket()])
    let ended = try await all.end(made)
    #expect(ended.failedCount == 1)
    #expect(try await all.results(made).map(\.reason) == ["BACKEND_UNAVAILABLE"])
    #expect(try await all.world.count("SELECT attempt_count::bigint FROM ticket_batch_item") == 3)
  }

  @Test("what a runner that died had taken is taken over, and the dead one acts on nothing any more")
  func takeOver() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let tickets = [try await all.world.ticket(), try await all.world.ticket()]
    let made = try await all.create(Batch(act: .comment, text: "x"), tickets)
    let store = all.service.batches
    let lost = try await store.take(limit: 10, holder: "dead", deadline: TestDatabase.deadline)
    #expect(lost.count == 2)
    #expect(try await all.runner.runOnce() == 0)
    try await all.world.run("UPDATE ticket_batch_item SET due_time = clock_timestamp()")
    #expect(try await all.runner.runOnce() == 2)
    // It wakes up late and goes on with what is not its own any more.
    let batch = try await store.batch(lost[0].batchID, of: lost[0].serviceID, deadline: TestDatabase.deadline)
    for item in lost {
      let error = await refusal { try await all.service.act(batch, on: item, deadline: TestDatabase.deadline) }
      // The guard holds no more; or the batch has ended, and its text with it.
      #expect(error?.reason == .conflict || error?.reason == .textRequired)
      try await store.settle(item, .failed, reason: "INTERNAL", deadline: TestDatabase.deadline)
    }
    #expect(try await all.end(made).succeededCount == 2)
    #expect(try await all.world.count("SELECT count(*) FROM ticket_event WHERE code = 'COMMENTED'") == 2)
  }

  @Test("several runners, some of which end in the middle, act once on each ticket")
  func runners() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    var tickets: [TicketRecord] = []
    for _ in 0..<60 { tickets.append(try await all.world.ticket()) }
    let made = [
      try await all.create(Batch(act: .comment, text: "x"), tickets),
      try await all.create(
        Batch(act: .forward, group: "services/care/groups/1", agent: "agents/2"), tickets, by: TicketWorld.lee),
    ]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<4 {
        let runner = all.runner("runner-\(number)")
        let task = Task { while !Task.isCancelled { _ = try? await runner.runOnce() } }
        group.addTask {
          // Half of them are told to end while others work.
          if number % 2 == 0 {
            while try await all.world.count("SELECT count(*) FROM ticket_batch_item WHERE outcome <> 'PENDING'") < 20 {}
          } else {
            while try await all.world.count("SELECT count(*) FROM ticket_batch WHERE end_time IS NULL") > 0 {
              // A lease of who has ended is not waited for.
              try await all.world.run(
                """
                UPDATE ticket_batch_item SET due_time = now() WHERE ctid IN (
                  SELECT ctid FROM ticket_batch_item WHERE outcome = 'PENDING' FOR UPDATE SKIP LOCKED)
                """)
            }
          }
          task.cancel()
        }
      }
      try await group.waitForAll()
    }
    for batch in made {
      let ended = try await all.end(batch)
      let failures = try await all.results(batch).filter { $0.outcome == .failed }
      #expect(ended.succeededCount == 60, "\(failures)")
    }
    for code in ["COMMENTED", "FORWARDED"] {
      let rows = try await all.world.rows(
        """
        SELECT count(*), count(DISTINCT ticket_id) FROM ticket_event
        WHERE code = '\(unescaped: code)'
        """)
      #expect(try rows[0].int(0) == 60 && rows[0].int(1) == 60)
    }
  }

  @Test("a batch that takes too long ends, and old results go")
  func times() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let made = try await all.create(Batch(act: .comment, text: "x"), [try await all.world.ticket()])
    try await all.world.run(
      "UPDATE ticket_batch SET create_time = now() - interval '13 hours'")
    try await all.service.batches.end(deadline: TestDatabase.deadline)
    #expect(try await all.results(made).map(\.reason) == ["DEADLINE_EXCEEDED"])
    #expect(try await all.service.batches.removeOld(limit: 10, deadline: TestDatabase.deadline) == 0)
    try await all.world.run("UPDATE ticket_batch SET end_time = now() - interval '31 days'")
    #expect(try await all.service.batches.removeOld(limit: 10, deadline: TestDatabase.deadline) == 1)
    #expect(try await all.world.count("SELECT count(*) FROM ticket_batch_item") == 0)
  }
}
