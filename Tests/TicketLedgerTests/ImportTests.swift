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
    _ = try await fixture.pool.transactionBatch(lives.statements(), deadline: fixture.deadline)
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
}
