package import EventLoop
import Postgres
import ServiceKit

extension TicketLedger {
  /// Tickets whose texts are indexed in one transaction.
  static let backlogBatchMax: Int64 = 200

  /// Indexes the texts of tickets that a version without search has written, the newest of each service first.
  ///
  /// Any number of daemons may do it at once; a service is one daemon's at a time. The tickets are locked while their
  /// texts are read, as masking locks them, so no word comes into the index that was masked meanwhile.
  ///
  /// - Returns: how many tickets were indexed here; 0 when there is nothing left to do, or others do it.
  /// - Throws: the database's errors as `ServiceError`.
  package func indexBacklog(deadline: Deadline) async throws -> Int {
    var total = 0
    while !deadline.hasPassed {
      let count = try await ServiceError.translating {
        try await pool.transaction(deadline: deadline) { try await Self.indexBatch($0) }
      }
      guard let count else { break }
      total += count
    }
    return total
  }

  /// Nil when no service is left.
  private static func indexBatch(_ transaction: PostgresTransaction) async throws -> Int? {
    let open = try await transaction.query(
      """
      SELECT b.service_id, b.below_ticket_id FROM search_backlog AS b
      ORDER BY b.service_id LIMIT 1 FOR UPDATE SKIP LOCKED
      """)
    guard let row = open.first else { return nil }
    let service: ServiceID = try row.value(0)
    let below: TicketID = try row.value(1)
    let tickets = try await transaction.query(
      """
      SELECT t.id, t.create_time, t.title, t.customer_name FROM ticket AS t
      WHERE t.service_id = \(service) AND t.id < \(below) ORDER BY t.id DESC LIMIT \(backlogBatchMax)
      FOR NO KEY UPDATE
      """)
    let ids: [TicketID] = try tickets.map { try $0.value(0) }
    guard let last = ids.last else {
      _ = try await transaction.execute("DELETE FROM search_backlog WHERE service_id = \(service)")
      return 0
    }
    var times: [TicketID: Instant] = [:]
    var texts: [(TicketID, SearchPlace, String)] = []
    for ticket in tickets {
      let id: TicketID = try ticket.value(0)
      times[id] = try ticket.instant(1)
      texts.append((id, .title, try ticket.string(2)))
      texts.append((id, .customerName, try ticket.string(3)))
    }
    let rows = try await transaction.batch([
      """
      SELECT e.ticket_id, e.id, e.body FROM ticket_entry AS e
      WHERE e.service_id = \(service) AND e.ticket_id = ANY(\(ids))
      """,
      """
      SELECT v.ticket_id, v.field_id, v.value FROM ticket_field_value AS v
      WHERE v.service_id = \(service) AND v.ticket_id = ANY(\(ids))
      """,
    ])
    texts += try rows[0].map { (try $0.value(0), .entry(try $0.value(1)), try $0.string(2)) }
    texts += try rows[1].map { (try $0.value(0), .field(try $0.value(1)), try $0.string(2)) }
    let inserts = texts.flatMap { id, place, text -> [Query] in
      guard !text.isEmpty, let time = times[id] else { return [] }
      let row = SearchRow(place, text, of: service, receivedAt: time)
      return SearchStatements.insert([row], of: TicketLink(serviceID: service, ticketID: id), receivedAt: time)
    }
    _ = try await transaction.batch(
      inserts + ["UPDATE search_backlog SET below_ticket_id = \(last) WHERE service_id = \(service)"])
    return ids.count
  }
}
