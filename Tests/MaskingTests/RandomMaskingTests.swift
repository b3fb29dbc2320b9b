import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

/// Agents who mask, unmask, comment and escalate at once, in an order that a seed decides.
@Suite("Masks restore the original whatever happens meanwhile")
struct RandomMaskingTests {
  private static let words = ["010-0000-1234", "hong@example.com", "홍길동", "서울시 강남구", "e\u{301}clair", "👨‍👩‍👧 가족"]

  private let world: MaskingDesk
  private var desk: Desk { world.desk }

  init() async throws { world = try await MaskingDesk.open() }

  @Test("random masks and unmasks, beside comments and escalations, leave every text as it was written")
  func sequences() async throws {
    for await round in TestScale.rounds(usual: 3, all: 100) {
      var random = SeededGenerator(seed: TestScale.seed &+ UInt64(round))
      try await run(round, &random)
    }
  }

  private func run(_ round: Int, _ random: inout SeededGenerator) async throws {
    let story = (0..<8).map { _ in Self.words.randomElement(using: &random) ?? "" }.joined(separator: " / ")
    let made = try await desk.newTicket(title: "문의: \(Self.words[0])", inquiry: story)
    let (first, second, third, fourth) = (random.next(), random.next(), random.next(), random.next())
    let ticket = made.name
    try await spread(Self.words, on: made.ticket)
    let before = try await texts()
    // Masks and unmasks go on beside each other and beside what else happens to the ticket.
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await maskAndUnmask(ticket, first) }
      group.addTask { try await maskAndUnmask(ticket, second) }
      group.addTask { try await comment(ticket, third) }
      group.addTask { try await escalate(ticket, fourth) }
      try await group.waitForAll()
    }
    let masks = try await listed(ticket)
    for mask in masks.filter({ $0.unmaskTime == nil }).shuffled(using: &random) { try await unmaskIfThere(mask) }
    #expect(try await desk.number("SELECT count(*) FROM mask_place WHERE is_on") == 0, "\(TestScale.place(round))")
    let after = try await texts()
    for copy in TextCopies.all {
      let (old, new) = (Set(before[copy.name] ?? []), Set(after[copy.name] ?? []))
      #expect(old.isSubset(of: new), "\(copy.name) \(TestScale.place(round))")
      #expect(!new.contains { $0.contains("*") }, "\(copy.name) \(TestScale.place(round))")
    }
    let body = try await desk.database.pool.query(
      "SELECT body FROM ticket_entry WHERE id = \(made.inquiry)", deadline: desk.deadline)
    #expect(try Array(body[0].string(0).utf8) == Array(story.utf8), "\(TestScale.place(round))")
    for row in try await desk.database.pool.query("SELECT service_id, id FROM ticket", deadline: desk.deadline) {
      let link = TicketLink(serviceID: try row.value(0), ticketID: try row.value(1))
      #expect(try await world.isIntact(link), "\(TestScale.place(round))")
    }
  }

  /// Every text of every column, byte for byte.
  private func texts() async throws -> [String: [String]] { try await CopyScan(desk: world.desk).texts() }

  /// Puts words where people, mail servers and other systems leave them, besides entries.
  private func spread(_ words: [String], on record: TicketRecord) async throws {
    let ticket = record.id
    let lines = words.map {
      StoredConversation.Line(
        speaker: "CUSTOMER", speakerName: "", body: "\($0) 입니다, \($0)", time: record.createTime)
    }
    let said = desk.ledger.storing(StoredConversation(lines: lines), on: record.link)
    var event = EventDraft(.fieldsSaved, by: .agent(Desk.kim))
    event.notes = said.notes
    var change = TicketChange(event)
    change.companions = said.statements
    _ = try await desk.ledger.write(change, on: record, deadline: desk.deadline)
    for (index, word) in words.enumerated() {
      try await world.run(
        """
        INSERT INTO mail_message (service_id, ticket_id, event_sequence, state, message_id, recipient, subject, body)
        VALUES (1, \(ticket), \(Int32(100 + index)), 'SENT', \("\(ticket)-\(index)@example.org"), \(words[1]), \(word),
          \("> \(word)\n\(words.joined(separator: "\n> "))"))
        """)
    }
  }

  /// A span of an entry, of the title, or of a line of the chat.
  private func span(
    of ticket: TicketName, _ record: TicketRecord, _ random: inout SeededGenerator
  ) async throws -> TextSpan? {
    var span = TextSpan()
    let text: String
    switch Int.random(in: 0..<4, using: &random) {
    case 0:
      (span.field, text) = ("title", record.title)
    case 1:
      let number = Int.random(in: 1...Self.words.count, using: &random)
      let rows = try await desk.database.pool.query(
        "SELECT body FROM transcript_line WHERE ticket_id = \(ticket.id) AND number = \(Int32(number))",
        deadline: desk.deadline)
      (span.field, text) = ("transcript.\(number)", try rows[0].string(0))
    default:
      let entries = try await desk.ledger.entries(of: record, limit: 20, deadline: desk.deadline)
      guard let entry = entries.randomElement(using: &random) else { return nil }
      (span.entry, text) = (EntryName(ticket: ticket, id: entry.id).description, entry.body)
    }
    let count = text.unicodeScalars.count
    let start = Int.random(in: 0..<count, using: &random)
    (span.start, span.length) = (Int32(start), Int32(Int.random(in: 1...min(14, count - start), using: &random)))
    return span
  }

  private func maskAndUnmask(_ ticket: TicketName, _ seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<6 {
      let record = try await desk.ledger.ticket(ticket.id, of: ServiceID(1), deadline: desk.deadline)
      guard let span = try await span(of: ticket, record, &random) else { return }
      do {
        _ = try await world.mask([span], on: ticket, version: record.version)
      } catch let error as ServiceError
        where [.requestInvalid, .maskOverlap, .staleVersion, .conflict].contains(error.reason)
      {
        // Cut through a character or a mask, or somebody was faster: refused, and nothing changed.
      }
      if Bool.random(using: &random), let mask = try await listed(ticket).filter({ $0.unmaskTime == nil }).last {
        try await unmaskIfThere(mask)
      }
    }
  }

  private func unmaskIfThere(_ mask: Mask) async throws {
    do {
      try await world.unmask(mask)
    } catch let error as ServiceError where error.reason == .maskNotFound || error.reason == .conflict {
      // Somebody else has taken it off.
    }
  }

  private func listed(_ ticket: TicketName) async throws -> [Mask] {
    try await world.masking.listMasks(
      ListMasksRequest(parent: ticket.description, pageSize: 200), world.call("ListMasks")
    ).masks
  }

  private func comment(_ ticket: TicketName, _ seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let access = try await desk.ledger.access(.agent(Desk.kim), serviceCode: "care", deadline: desk.deadline)
    for _ in 0..<4 {
      var event = EventDraft(.commented, by: .agent(Desk.kim))
      event.entries = [
        EntryDraft(.comment, .commentAdded, body: "> \(Self.words.randomElement(using: &random) ?? "")\n확인")
      ]
      let change = TicketChange(event)
      _ = try? await desk.ledger.perform(on: ticket, access: access, deadline: desk.deadline) { _ in change }
    }
  }

  /// Makes an issue ticket that quotes the words; more than one, as re-escalations do.
  private func escalate(_ ticket: TicketName, _ seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let tech = try await desk.ledger.directory.service(code: "tech", deadline: desk.deadline)
    for _ in 0..<2 {
      var draft = TicketDraft(
        service: tech, state: .unassigned, title: "이관", channel: .escalation, by: .agent(Desk.kim))
      draft.source = TicketLink(serviceID: ServiceID(1), ticketID: ticket.id)
      draft.event.entries = [
        EntryDraft(.inquiry, .create, body: "고객 \(Self.words.randomElement(using: &random) ?? "") 문의")
      ]
      _ = try await desk.ledger.create(draft, deadline: desk.deadline)
    }
  }
}
