import HandoffTestKit
import LedgerTestKit
import Postgres
import Testing

@testable import TicketLedger

@Suite("the index of texts") struct SearchIndexTests {
  private func tokens(_ desk: Desk) async throws -> [String] {
    try await desk.database.pool.query(
      "SELECT ticket_id || ' ' || place || ' ' || tokens::text FROM ticket_search ORDER BY 1", deadline: desk.deadline
    ).map { try $0.string(0) }
  }

  @Test("tickets of a version without search are indexed as if they had been written with it")
  func backlog() async throws {
    let desk = try await Desk.open()
    for index in 0..<5 { _ = try await desk.newTicket(title: "문의 \(index)", inquiry: "환불 \(index)") }
    let whole = try await tokens(desk)
    #expect(whole.count == 15)
    for statement: Query in [
      "DELETE FROM ticket_search",
      "INSERT INTO search_backlog (service_id, below_ticket_id) SELECT 1, max(id) + 1 FROM ticket",
    ] { _ = try await desk.database.pool.query(statement, deadline: desk.deadline) }
    // What is written meanwhile has its rows, and they stay.
    _ = try await desk.newTicket(title: "새 문의", inquiry: "교환")
    let ledger = try desk.ledger(as: "handoff_tickets")
    #expect(try await ledger.indexBacklog(deadline: desk.deadline) == 5)
    #expect(try await tokens(desk).filter { !$0.contains("교") && whole.contains($0) } == whole)
    #expect(try await desk.number("SELECT count(*) FROM search_backlog") == 0)
    #expect(try await ledger.indexBacklog(deadline: desk.deadline) == 0)
  }
}
