import EventLoop
import PersonalData
import Postgres
import TicketLedger

/// SQL over every column of the registry of copies: the one place where texts are found and changed, whatever table
/// holds them.
enum CopyStore {
  /// The texts at addresses.
  static func texts(at addresses: [TextAddress]) -> [Query] {
    let byCopy = Dictionary(grouping: addresses, by: \.copy)
    return TextCopies.all.enumerated().flatMap { index, copy in
      Dictionary(grouping: byCopy[copy] ?? [], by: \.ticket).map { ticket, addresses in
        """
        SELECT \(index)::bigint, \(ticket.serviceID)::bigint, \(ticket.ticketID)::bigint, \(unescaped: rowKey(copy)),
          x.\(unescaped: copy.column), \(unescaped: copy.leftWhen ?? "false")
        FROM \(fragment: rows(of: copy, on: ticket))
          AND \(unescaped: rowKey(copy)) = ANY(\(Array(Set(addresses.map(\.row)))))
        """
      }
    }
  }

  /// Reads a row of ``texts(at:)``; nil for a text that is not there.
  static func storedText(_ row: Row) throws(PostgresError) -> StoredText? {
    guard let text = try row.optionalString(4) else { return nil }
    let address = TextAddress(
      copy: TextCopies.all[try row.int(0)],
      ticket: TicketLink(serviceID: try row.value(1), ticketID: try row.value(2)), row: try row.value(3))
    return StoredText(address: address, text: text, hasLeft: try row.bool(5))
  }

  /// The rows `x` of a column's table that belong to a ticket: to be put behind FROM; it ends in a condition.
  static func rows(of copy: TextCopy, on ticket: TicketLink) -> Query {
    copy.relation == .record
      ? """
      ticket AS t JOIN \(unescaped: copy.table) AS x ON \(unescaped: condition(copy))
      WHERE t.service_id = \(ticket.serviceID) AND t.id = \(ticket.ticketID)
      """
      : """
      \(unescaped: copy.table) AS x
      WHERE x.\(unescaped: copy.keys[0]) = \(ticket.serviceID) AND x.\(unescaped: copy.keys[1]) = \(ticket.ticketID)
      """
  }

  /// Changes a text; fails, and the transaction with it, when it is not as it was read.
  static func set(_ stored: StoredText, to text: String) -> Query {
    let (copy, ticket) = (stored.address.copy, stored.address.ticket)
    // A customer's record is found by way of the ticket; other rows carry its key themselves.
    let rows: Query =
      copy.relation == .record
      ? """
      FROM ticket AS t
      WHERE t.service_id = \(ticket.serviceID) AND t.id = \(ticket.ticketID) AND \(unescaped: condition(copy))
      """
      : """
      WHERE x.\(unescaped: copy.keys[0]) = \(ticket.serviceID) AND x.\(unescaped: copy.keys[1]) = \(ticket.ticketID)
      """
    return """
      WITH changed AS (
        UPDATE \(unescaped: copy.table) AS x SET \(unescaped: copy.column) = \(fragment: value(text, of: copy))
        \(fragment: rows) AND \(unescaped: rowKey(copy)) = \(stored.address.row)
          AND x.\(unescaped: copy.column) = \(stored.text)
        RETURNING 1
      ) SELECT 1 / count(*) FROM changed
      """
  }

  /// Has search find changed texts by what they are now, in the transaction that changes them.
  static func index(_ changes: [MaskingPlan.Change], of tickets: LinkedTickets) -> [Query] {
    changes.compactMap { change in
      let address = change.before.address
      guard let place = SearchPlace(address.copy, row: address.row),
        let ticket = tickets.all.first(where: { $0.link == address.ticket })
      else { return nil }
      return SearchStatements.update(place, of: address.ticket, to: change.after, receivedAt: ticket.createTime)
    }
  }

  /// Gives a customer's record back what a mask took away, unless it has a new value, or another customer has taken
  /// this one, since.
  static func restore(_ address: TextAddress, to text: String) -> Query {
    let copy = address.copy
    return """
      UPDATE \(unescaped: copy.table) AS x SET \(unescaped: copy.column) = \(text)
      FROM ticket AS t
      WHERE t.service_id = \(address.ticket.serviceID) AND t.id = \(address.ticket.ticketID)
        AND \(unescaped: condition(copy)) AND \(unescaped: rowKey(copy)) = \(address.row)
        AND coalesce(x.\(unescaped: copy.column), '') = ''
        AND NOT (\(copy.taken?.isUnique ?? false) AND EXISTS (SELECT 1 FROM \(unescaped: copy.table) AS y
          WHERE y.\(unescaped: copy.keys[0]) = x.\(unescaped: copy.keys[0])
            AND y.\(unescaped: copy.column) = \(text)))
      """
  }

  private static func value(_ text: String, of copy: TextCopy) -> Query {
    if text.isEmpty, let taken = copy.taken { return Query(unescaped: taken.value) }
    return "\(text)"
  }

  private static func condition(_ copy: TextCopy) -> String {
    copy.relation == .record
      ? "x.\(copy.keys[0]) = t.organization_id AND x.\(copy.keys[1]) = t.customer_id"
      : "x.\(copy.keys[0]) = t.service_id AND x.\(copy.keys[1]) = t.id"
  }

  /// The key of a row `x` among those of its ticket.
  static func rowKey(_ copy: TextCopy) -> String {
    switch copy.rows.count {
    case 0: "''"
    case 1: "x.\(copy.rows[0])::text"
    default: "concat_ws('/', \(copy.rows.map { "x.\($0)" }.joined(separator: ", ")))"
    }
  }
}
