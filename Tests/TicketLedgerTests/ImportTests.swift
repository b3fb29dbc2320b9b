import HandoffTestKit
import Postgres
import Testing

@testable import TicketLedger

@Suite("Whole lives of tickets written at once") struct ImportTests {
  @Test("a ticket that was renamed is found by its last title and name, and by every entry")
  func renamed() async throws {
    let fixture = try await Fixture.make()
    let time = Instant(microsecondsSinceEpoch: 1_764_000_000_000_000)
    var lives = TicketImport(key: fixture.ledger.key)
    for number in 1...2 {
      var draft = fixture.draft("First title \(number)")
      draft.event.outbox = []
      let id = TicketID(Int64(1_000 + number))
      var ticket = lives.create(draft, id: id, at: time, entryIDs: [EntryID(Int64(number * 10))])
      for (step, title) in ["Second title", "Third title \(number)"].enumerated() {
        var event = EventDraft(.fieldsSaved, by: .agent(Fixture.kim))
        event.set.title = title
        event.set.customerName = "Name \(step)"
        event.entries = [EntryDraft(.comment, .commentAdded, body: "Renamed \(step).")]
        ticket = lives.change(TicketChange(event), on: ticket, entryIDs: [EntryID(Int64(number * 10 + step + 1))])
      }
      lives.add(ticket)
    }
    let connection = try await BulkConnection.open(fixture.database.configuration)
    try await connection.transaction { try await connection.copy(lives.takeRows()) }
    for number in 1...2 {
      let id = TicketID(Int64(1_000 + number))
      #expect(try await fixture.ledger.verify(id, of: fixture.care.id, deadline: fixture.deadline).isIntact)
      let rows = try await fixture.pool.query(
        "SELECT place, tsvector_to_array(tokens) FROM ticket_search WHERE ticket_id = \(id) ORDER BY place",
        deadline: fixture.deadline)
      func words(_ place: SearchPlace, _ text: String) -> [String] {
        SearchRow(place, text, of: fixture.care.id, receivedAt: time).tokens.words
      }
      let entries = (0...2).map { SearchPlace.entry(EntryID(Int64(number * 10 + $0))) }
      let places = [.customerName] + entries + [.title]
      #expect(try rows.map { try $0.string(0) } == places.map(\.key))
      #expect(
        try rows.map { try $0.strings(1) } == [
          words(.customerName, "Name 1"), words(entries[0], "Water comes out below."),
          words(entries[1], "Renamed 0."), words(entries[2], "Renamed 1."), words(.title, "Third title \(number)"),
        ])
    }
  }

  @Test("every column is written in its own type, as COPY converts none, and none without a default is left out")
  func columns() async throws {
    let fixture = try await Fixture.make()
    func expectOwnTypes<Record>(_ columns: [CopyColumn<Record>], of table: String) async throws {
      let rows = try await fixture.pool.query(
        """
        SELECT a.attname::text, a.atttypid::bigint, NOT a.attnotnull OR a.atthasdef FROM pg_attribute AS a
        WHERE a.attrelid = \(table)::regclass AND a.attnum > 0 AND NOT a.attisdropped
        """, deadline: fixture.deadline)
      var own: [String: Int64] = [:]
      var needed: Set<String> = []
      for row in rows {
        own[try row.string(0)] = try row.int64(1)
        if try !row.bool(2) { needed.insert(try row.string(0)) }
      }
      for column in columns {
        #expect(own[column.name] == Int64(column.type.oid), "\(table).\(column.name)")
        needed.remove(column.name)
      }
      #expect(needed == [], "\(table)")
    }
    try await expectOwnTypes(ImportTables.ticketColumns, of: "ticket")
    try await expectOwnTypes(ImportTables.eventColumns, of: "ticket_event")
    try await expectOwnTypes(ImportTables.valueColumns, of: "ticket_event_value")
    try await expectOwnTypes(ImportTables.entryColumns, of: "ticket_entry")
    try await expectOwnTypes(ImportTables.textColumns, of: "ticket_search")
  }
}
