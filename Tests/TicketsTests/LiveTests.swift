import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Tickets

/// The change stream as its watchers see it.
@Suite struct LiveTests {
  /// An open stream.
  private final class Watch {
    private var responses: ResponseStream<WatchTicketsResponse>.Iterator

    init(_ responses: ResponseStream<WatchTicketsResponse>) { self.responses = responses.makeAsyncIterator() }

    func next() async throws -> WatchTicketsResponse.Update? { try await responses.next()?.update }

    /// The next change; heartbeats and counters are passed over.
    func change() async throws -> LiveChange {
      while let update = try await next() {
        if case .change(let change) = update { return change }
      }
      throw ServiceError(.internal, "the stream ended")
    }

    func heartbeat() async throws -> String {
      guard case .heartbeat(let heartbeat)? = try await next() else {
        throw ServiceError(.internal, "no heartbeat came")
      }
      return heartbeat.id
    }
  }

  /// A world whose changes are numbered by a job of its own, as in the daemon.
  private final class LiveWorld: Sendable {
    let world: TicketWorld
    private let sequencer: Task<Void, Never>

    init() async throws {
      world = try await TicketWorld()
      let sequencer = ChangeSequencer(pool: world.ledger.pool)
      let loop = TestLoops.group.next()
      self.sequencer = Task(executorPreference: loop) { await sequencer.run(on: loop) { _ in } }
    }

    deinit { sequencer.cancel() }

    func watch(
      _ request: WatchTicketsRequest = WatchTicketsRequest(parent: "services/care"), by agent: AgentID = TicketWorld.kim
    ) async throws -> Watch {
      var options = world.by(agent)
      // A stream is open for as long as its test takes, however busy the machine is.
      options.deadline = .after(.seconds(600))
      return Watch(try await world.client.watchTickets(request, options))
    }

    func comment(on ticket: TicketRecord) async throws {
      _ = try await world.client.processTicket(
        ProcessTicketRequest(name: world.name(ticket), act: .comment, text: "확인했습니다."), world.by(TicketWorld.kim))
    }

    /// Writes many changes at once, which say nothing new.
    func change(_ ticket: TicketRecord, times: Int) async throws {
      try await world.run(
        """
        INSERT INTO ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
        SELECT 1, \(ticket.id), 1, 1, 1 FROM generate_series(1, \(times))
        """)
    }

    /// The last change, when all have their numbers.
    func lastChange() async throws -> ChangePosition {
      while try await world.count("SELECT count(*) FROM ticket_change") > 0 {}
      return try await world.ledger.lastChange(of: ServiceID(1), deadline: TestDatabase.deadline)
    }
  }

  private func refused(_ request: WatchTicketsRequest, _ live: LiveWorld, by agent: AgentID = TicketWorld.kim) async
    -> ServiceError?
  {
    await refusal {
      let stream = try await live.watch(request, by: agent)
      while try await stream.next() != nil {}
    }
  }

  @Test("a watcher is told at once what changed, by whom, and what the ticket is like now, in order")
  func changes() async throws {
    let live = try await LiveWorld()
    let stream = try await live.watch()
    let begin = try await stream.heartbeat()
    let ticket = try await live.world.ticket()
    try await live.comment(on: ticket)
    let created = try await stream.change()
    #expect(created.name == live.world.name(ticket) && created.version == 1)
    #expect(created.events.map(\.code) == ["CREATED"])
    #expect(created.ticket?.title == ticket.title && created.ticket?.agentDisplayName == "김상담")
    let commented = try await stream.change()
    #expect(commented.events.map(\.code) == ["COMMENTED"] && commented.version == 2)
    #expect(commented.events[0].actor?.displayName == "김상담" && commented.events[0].sequence == 2)
    // No words of the customer, only codes and names of resources.
    #expect(!created.events[0].changes.contains { $0.field == "title" || $0.field.hasPrefix("customer.email") })
    let resumed = try await live.watch(WatchTicketsRequest(parent: "services/care", resumeAfter: begin))
    #expect(try await resumed.heartbeat() == begin)
    #expect(try await resumed.change().id == created.id)
    #expect(try await resumed.change().id == commented.id)
    let later = try await live.watch(WatchTicketsRequest(parent: "services/care", resumeAfter: created.id))
    #expect(try await later.change().id == commented.id)
  }

  @Test("who watches one ticket hears of that alone, and its heartbeats go on with the service")
  func oneTicket() async throws {
    let live = try await LiveWorld()
    let (watched, other) = (try await live.world.ticket(), try await live.world.ticket())
    let all = try await live.watch()
    _ = try await all.heartbeat()
    let stream = try await live.watch(
      WatchTicketsRequest(parent: "services/care", ticket: live.world.name(watched)))
    _ = try await stream.heartbeat()
    try await live.comment(on: other)
    try await live.comment(on: watched)
    #expect(try await stream.change().name == live.world.name(watched))
    while try await all.change().name != live.world.name(watched) {}
    let last = try await live.world.ledger.lastChange(of: ServiceID(1), deadline: TestDatabase.deadline).description
    let resumed = try await live.watch(
      WatchTicketsRequest(parent: "services/care", ticket: live.world.name(watched), resumeAfter: last))
    #expect(try await resumed.heartbeat() == last)
  }

  @Test("the counters come at once, and whenever the service's or the agent's own have changed")
  func counters() async throws {
    let live = try await LiveWorld()
    let stream = try await live.watch(WatchTicketsRequest(parent: "services/care", counters: true))
    _ = try await stream.heartbeat()
    func next(_ isAwaited: (Counters) -> Bool) async throws -> Counters {
      while let update = try await stream.next() {
        if case .counters(let counters) = update, isAwaited(counters) { return counters }
      }
      throw ServiceError(.internal, "the stream ended")
    }
    let first = try await next { _ in true }
    #expect(first.receivedToday == 0 && first.agentCount > 0)
    _ = try await live.world.ticket()
    _ = try await live.world.ticket(.unassigned)
    let then = try await next { $0.receivedToday == 2 }
    #expect(then.unassignedTotal == 1)
    #expect(then.myStateCounts == [StateCount(state: .processing, count: 1)])
    let asked = try await live.world.client.getCounters(
      GetCountersRequest(parent: "services/care"), live.world.by(TicketWorld.kim))
    #expect(then == asked)
    // A right that is given or taken is a number of the board, too.
    try await live.world.run("UPDATE service_member SET has_ticket_right = true WHERE agent_id = 6")
    #expect(try await next { $0.agentCount != then.agentCount }.agentCount == then.agentCount + 1)
  }

  @Test("when the service moves to another time zone, its day's numbers come at once")
  func timeZone() async throws {
    let live = try await LiveWorld()
    let world = live.world
    let hour = try await world.count("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::bigint")
    // The zone in which it is some hour now; POSIX names them by what is to be added to reach UTC.
    func zone(where local: Int) -> String {
      let ahead = (local - hour + 36) % 24 - 12
      return ahead > 0 ? "Etc/GMT-\(ahead)" : "Etc/GMT+\(-ahead)"
    }
    var draft = TicketDraft(
      service: try await world.service("care"), state: .unassigned, title: "어제", channel: .email, by: .service("mail"))
    draft.event.entries = [EntryDraft(.inquiry, .create, body: "x", actor: .customer)]
    draft.time = try await world.rows("SELECT now() - interval '14 hours'")[0].instant(0)
    _ = try await world.ledger.create(draft, deadline: TestDatabase.deadline)
    func move(to zone: String) async throws {
      _ = try await world.client.updateService(
        UpdateServiceRequest(
          service: Service(name: "services/care", timeZone: zone), updateMask: FieldMask(paths: ["time_zone"])),
        world.by(TicketWorld.boss))
    }
    try await move(to: zone(where: 22))
    let stream = try await live.watch(WatchTicketsRequest(parent: "services/care", counters: true))
    func received(_ count: Int32) async throws {
      while let update = try await stream.next() {
        if case .counters(let counters) = update, counters.receivedToday == count { return }
      }
      throw ServiceError(.internal, "the stream ended")
    }
    try await received(1)
    try await move(to: zone(where: 2))
    try await received(0)
  }

  @Test("who loses the right while catching up may not go on, nor may anybody when the daemon ends", arguments: lost)
  func rightsWhileCatchingUp(statements: String, reason: Reason) async throws {
    let live = try await LiveWorld()
    let changes = LiveChanges(ledger: live.world.ledger)
    let watcher = LiveWatcher(agent: TicketWorld.kim, ticket: nil, wantsCounters: false)
    let daemon = LiveWatcher(agent: nil, ticket: nil, wantsCounters: false)
    try await changes.withFeed(of: try await live.world.service("care")) { feed in
      try await feed.check(watcher)
      try await run(statements, live)
      #expect(await refusal { try await feed.check(watcher) }?.reason == reason)
      try await feed.check(daemon)
      changes.shutDown()
      #expect(await refusal { try await feed.check(daemon) }?.reason == .backendUnavailable)
    }
  }

  /// How an agent loses the right to watch, and what the agent is told.
  private static let lost = [
    ("UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1", Reason.permissionDenied),
    (
      "DELETE FROM group_member WHERE agent_id = 1; DELETE FROM service_member WHERE agent_id = 1",
      Reason.serviceNotFound
    ),
    ("UPDATE agent SET is_active = false WHERE id = 1", Reason.serviceNotFound),
  ]

  private func run(_ statements: String, _ live: LiveWorld) async throws {
    for statement in statements.split(separator: "; ") {
      var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 1)
      sql.appendInterpolation(unescaped: String(statement))
      try await live.world.run(Query(stringInterpolation: sql))
    }
  }

  @Test("of two who read what was there before, slowly, who loses the right is cut off, and the other gets it all")
  func rightsFarBehind() async throws {
    let live = try await LiveWorld()
    let ticket = try await live.world.ticket()
    let begin = try await live.lastChange()
    // Much more than the bytes that wait for a reader, so both are in the middle of it for as long as they do not read.
    try await live.change(ticket, times: 10 * TicketLedger.changesMax)
    let end = try await live.lastChange()
    #expect(end.number == begin.number + Int64(10 * TicketLedger.changesMax))
    let request = WatchTicketsRequest(parent: "services/care", resumeAfter: begin.description)
    let (cut, kept) = (try await live.watch(request), try await live.watch(request, by: TicketWorld.lee))
    _ = (try await cut.change(), try await kept.change())
    try await live.world.run("UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1")
    // The right is asked for again once a second.
    try await EventLoop.pause(for: .milliseconds(1_500))
    let error = await refusal { while try await cut.change().id != end.description {} }
    #expect(error?.reason == .permissionDenied)
    while try await kept.change().id != end.description {}
  }

  @Test("who loses the right while watching is cut off", arguments: lost)
  func rights(statements: String, reason: Reason) async throws {
    let live = try await LiveWorld()
    let stream = try await live.watch()
    _ = try await stream.heartbeat()
    try await run(statements, live)
    let error = await refusal { while try await stream.next() != nil {} }
    #expect(error?.reason == reason)
  }

  @Test("what cannot be watched is refused")
  func refusals() async throws {
    let live = try await LiveWorld()
    let ticket = try await live.world.ticket()
    func reason(_ request: WatchTicketsRequest, by agent: AgentID = TicketWorld.kim) async -> Reason? {
      await refused(request, live, by: agent)?.reason
    }
    let name = live.world.name(ticket)
    #expect(await reason(WatchTicketsRequest(parent: "care")) == .requestInvalid)
    #expect(await reason(WatchTicketsRequest(parent: "services/other")) == .serviceNotFound)
    #expect(await reason(WatchTicketsRequest(parent: "services/care"), by: TicketWorld.stranger) == .serviceNotFound)
    #expect(await reason(WatchTicketsRequest(parent: "services/care"), by: TicketWorld.guest) == .permissionDenied)
    #expect(await reason(WatchTicketsRequest(parent: "services/bugs", ticket: name)) == .ticketNotFound)
    #expect(
      await reason(WatchTicketsRequest(parent: "services/care", ticket: "services/care/tickets/9")) == .ticketNotFound)
    for forged in ["1", "-1-2", "1-2-3", "x-1", "01-1", "1- 1", String(repeating: "9", count: 400)] {
      #expect(
        await reason(WatchTicketsRequest(parent: "services/care", resumeAfter: forged)) == .requestInvalid, "\(forged)")
    }
    let last = try await live.world.ledger.lastChange(of: ticket.serviceID, deadline: TestDatabase.deadline)
    for place in [
      ChangePosition(epoch: last.epoch, number: last.number + 1_000),
      ChangePosition(epoch: last.epoch + 1, number: last.number),
    ] {
      #expect(
        await reason(WatchTicketsRequest(parent: "services/care", resumeAfter: place.description)) == .changesNotKept)
    }
  }

  @Test("changes are kept for a day, and who comes later is told to load anew")
  func retention() async throws {
    let live = try await LiveWorld()
    let stream = try await live.watch()
    let begin = try await stream.heartbeat()
    let ticket = try await live.world.ticket()
    for _ in 0..<3 { try await live.comment(on: ticket) }
    var ids: [String] = []
    for _ in 0..<4 { ids.append(try await stream.change().id) }
    try await live.world.run(
      "UPDATE ticket_change_log SET create_time = now() - interval '25 hours' WHERE position <= 2")
    #expect(try await live.world.ledger.removeOldChanges(deadline: TestDatabase.deadline) == 2)
    for lost in [begin, ids[0]] {
      let error = await refused(WatchTicketsRequest(parent: "services/care", resumeAfter: lost), live)
      #expect(error?.reason == .changesNotKept)
    }
    let resumed = try await live.watch(WatchTicketsRequest(parent: "services/care", resumeAfter: ids[1]))
    #expect(try await resumed.change().id == ids[2])
    // Also of a service of which nothing is kept.
    try await live.world.run("UPDATE ticket_change_log SET create_time = now() - interval '25 hours'")
    #expect(try await live.world.ledger.removeOldChanges(deadline: TestDatabase.deadline) == 2)
    let error = await refused(WatchTicketsRequest(parent: "services/care", resumeAfter: ids[2]), live)
    #expect(error?.reason == .changesNotKept)
    let here = try await live.watch(WatchTicketsRequest(parent: "services/care", resumeAfter: ids[3]))
    #expect(try await here.heartbeat() == ids[3])
  }

  @Test("watchers of a quiet service cost the database nothing each: two hundred as much as one")
  func idleWatchers() async throws {
    /// Statements while a number of watchers wait, over some looks of the feed.
    func statements(_ count: Int) async throws -> UInt64 {
      let live = try await LiveWorld()
      let ticket = try await live.world.ticket()
      var streams: [Watch] = []
      for _ in 0..<count { streams.append(try await live.watch()) }
      for stream in streams { _ = try await stream.heartbeat() }
      // All are behind the same feed once they have heard of the same change.
      try await live.comment(on: ticket)
      for stream in streams { while try await stream.change().events.map(\.code) != ["COMMENTED"] {} }
      let pool = live.world.ledger.pool
      let before = pool.metrics.queries
      try await EventLoop.pause(for: .seconds(6))
      return pool.metrics.queries - before
    }
    async let one = statements(1)
    async let many = statements(200)
    let counts = (one: try await one, many: try await many)
    // The feed looks every few seconds, whoever waits; a poll of each watcher would be hundreds of statements.
    #expect(counts.one > 0 && counts.many < counts.one + 100, "\(counts)")
  }

  @Test("a watcher who does not read is cut off, and can go on where it stopped")
  func slow() async throws {
    let live = try await LiveWorld()
    let ticket = try await live.world.ticket()
    let begin = try await live.lastChange()
    let (stream, fast) = (try await live.watch(), try await live.watch())
    _ = (try await stream.heartbeat(), try await fast.heartbeat())
    let total = LiveWatcher.waitingMax + 700
    let end = ChangePosition(epoch: begin.epoch, number: begin.number + Int64(total)).description
    try await live.change(ticket, times: total)
    // When another watcher has had all of them, or was itself too slow, the queue of this one has overflowed, too.
    _ = await refusal { while try await fast.change().id != end {} }
    var (slowLast, seen) = ("", 0)
    let error = await refusal {
      while true {
        slowLast = try await stream.change().id
        seen += 1
      }
    }
    #expect(error?.reason == .readerTooSlow && seen > 0 && seen < total)
    let resumed = try await live.watch(WatchTicketsRequest(parent: "services/care", resumeAfter: slowLast))
    while slowLast != end {
      slowLast = try await resumed.change().id
      seen += 1
    }
    #expect(seen == total)
  }

  @Test("a process that ends tells its watchers to go on elsewhere, and takes no new ones")
  func shutDown() async throws {
    let world = try await TicketWorld()
    let live = LiveChanges(ledger: world.ledger)
    let client = TicketWorld.client(
      TicketService(ledger: world.ledger, mail: world.mail, assignment: TicketWorld.nowhere, live: live))
    let stream = Watch(
      try await client.watchTickets(WatchTicketsRequest(parent: "services/care"), world.by(TicketWorld.kim)))
    _ = try await stream.heartbeat()
    #expect(live.count == 1)
    live.shutDown()
    #expect(await refusal { while try await stream.next() != nil {} }?.reason == .backendUnavailable)
    let late = await refusal {
      _ = try await Watch(
        try await client.watchTickets(WatchTicketsRequest(parent: "services/care"), world.by(TicketWorld.kim))
      ).next()
    }
    #expect(late?.reason == .backendUnavailable)
  }
}
