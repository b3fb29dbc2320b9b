import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import TicketLedger
import Tickets

/// How long callers wait for masks and for creations, on a database of its own.
struct StoreBench {
  private let desk: Desk
  /// With the rights of masking, as the service's own.
  private let ledger: TicketLedger
  private let masking: MaskingService
  private let tickets: TicketService

  static func run(rounds: Int) async throws {
    let bench = try await StoreBench(desk: Desk.open())
    try await bench.acts(rounds)
    try await bench.creations(rounds)
  }

  private init(desk: Desk) async throws {
    self.desk = desk
    let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    ledger = try desk.ledger(as: "handoff_masking")
    let service = MaskingService(
      ledger: ledger, keys: try VaultKeys(directory: directory, metrics: Metrics()))
    try FileManager.default.removeItem(atPath: directory)
    masking = service
    let nowhere = RPCChannel(group: TestLoops.group, target: .unix("/nonexistent/handoff.sock"))
    tickets = TicketService(
      ledger: try desk.ledger(as: "handoff_tickets"), mail: nowhere, assignment: nowhere,
      masking: InProcessTransport(
        group: TestLoops.group, services: [service.rpcService], interceptors: [CallsFromTickets()]),
      triggerPatience: .zero)
  }

  private func acts(_ rounds: Int) async throws {
    let line = "제 번호는 010-0000-1234이고 세탁기에서 물이 새요.\n"
    // With enough rows for PostgreSQL to know that an index is shorter than the table; no autovacuum tells it here.
    for round in -400..<rounds {
      if round == 0 { _ = try await desk.database.pool.query("ANALYZE", deadline: desk.deadline) }
      let text = line + String(repeating: "자세히 적습니다. ", count: 50)
      let made = try await desk.newTicket(inquiry: text)
      let entry = EntryName(ticket: made.name, id: made.inquiry).description
      let other = text.replacing("010-0000-1234", with: "010-0000-5678")
      try await time("update", round) { try await update(made.ticket, made.inquiry, to: other) }
      try await update(made.ticket, made.inquiry, to: text)
      let span = TextSpan(entry: entry, start: 6, length: 13)
      var mask: Mask?
      try await time("mask", round) { mask = try await self.mask(span, on: made.name) }
      try await time("reveal", round) {
        _ = try await masking.revealMask(
          RevealMaskRequest(name: mask?.name ?? "", reason: "bench"), desk.call("RevealMask", by: Desk.kim))
      }
      try await time("unmask", round) {
        _ = try await masking.unmaskText(
          UnmaskTextRequest(name: mask?.name ?? "", reason: "bench"), desk.call("UnmaskText", by: Desk.kim))
      }
      try await addCopies(5, of: line, to: made.name)
      try await time("mask with 5 copies", round) { _ = try await self.mask(span, on: made.name) }
    }
  }

  private func mask(_ span: TextSpan, on ticket: TicketName) async throws -> Mask {
    let request = CreateMasksRequest(parent: ticket.description, spans: [span])
    return try await masking.createMasks(request, desk.call("CreateMasks", by: Desk.kim)).masks[0]
  }

  /// What masking would be if all it did were to change a number in the entry: the guarded write with its event, the
  /// text, and what search finds it by.
  private func update(_ ticket: TicketRecord, _ entry: EntryID, to text: String) async throws {
    let access = try await ledger.access(.agent(Desk.kim), serviceCode: "care", deadline: desk.deadline)
    let written = try await ledger.perform(
      on: TicketName(service: "care", id: ticket.id), access: access, deadline: desk.deadline
    ) { _ in
      var change = TicketChange(EventDraft(.masked, by: .agent(Desk.kim)))
      change.companions = [
        "UPDATE ticket_entry SET body = \(text) WHERE service_id = \(ticket.serviceID) AND id = \(entry)",
        SearchStatements.update(.entry(entry), of: ticket.link, to: text, receivedAt: ticket.createTime),
      ]
      return change
    }
    _ = try await ledger.message(for: written.ticket, deadline: desk.deadline)
  }

  private func addCopies(_ count: Int, of line: String, to name: TicketName) async throws {
    let ticket = try await desk.ledger.ticket(name.id, of: ServiceID(1), deadline: desk.deadline)
    var event = EventDraft(.commented, by: .agent(Desk.kim))
    event.entries = (0..<count).map { _ in EntryDraft(.comment, .commentAdded, body: "> " + line) }
    _ = try await desk.ledger.write(TicketChange(event), on: ticket, deadline: desk.deadline)
  }

  private func creations(_ rounds: Int) async throws {
    let plain = String(repeating: "세탁기에서 물이 새요. 빠른 확인 부탁드립니다. ", count: 20)
    let marked = plain + "연락처는 010-0000-1234, 메일은 hong@example.com 입니다."
    _ = try await desk.database.pool.query(
      "INSERT INTO masking_setting (service_id, detection) VALUES (1, 'OFF'), (2, 'AUTOMATIC')", deadline: desk.deadline
    )
    for round in -20..<rounds {
      for (name, service, text) in [
        ("create, detection off", "care", plain), ("create, nothing found", "tech", plain),
        ("create, two spans", "tech", marked),
      ] {
        let request = CreateTicketRequest(
          parent: "services/\(service)", title: "세탁기", text: text, channel: .helpCenter)
        let work = { _ = try await tickets.createTicket(request, desk.call("CreateTicket", by: nil, caller: "mail")) }
        try await time(name, round, work)
      }
    }
  }

  /// Prints what some work takes; below round 0, it only warms up.
  private func time(_ name: String, _ round: Int, _ work: () async throws -> Void) async throws {
    let clock = ContinuousClock()
    let (seconds, attoseconds) = try await clock.measure { try await work() }.components
    if round >= 0 { print("\(name) \(Double(seconds) * 1e6 + Double(attoseconds) / 1e12)") }
  }
}

/// Says who calls, where a daemon would prove it.
private struct CallsFromTickets: ServerInterceptor {
  func admit(_ call: CallContext) throws { call.caller = "tickets" }
  func finished(_ call: CallContext, _ outcome: CallOutcome) {}
}
