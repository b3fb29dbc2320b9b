import EventLoop
import PersonalData
import Postgres
import TicketLedger

/// SQL over every column of the registry of copies: the one place where texts are found and changed, whatever table
/// holds them.
enum CopyStore {
  /// All texts of tickets, in any column that masks of the spans' fields reach, in which any of the spans' words stand.
  /// Whether they stand there as words is for ``SpanWords`` to say.
  ///
  /// - Parameter owner: the ticket in whose texts the spans lie.
  static func texts(of tickets: [TicketLink], holding spans: RequestedSpans, of owner: TicketLink) -> Query {
    let fields = spans.fields
    let copies = TextCopies.all.enumerated().filter { _, copy in
      copy.relation == .snapshot || copy.places.contains(where: fields.contains)
    }
    // One part for the columns of a table: each part costs its share before it finds anything.
    let parts = Dictionary(grouping: copies) { PartKey($0.element) }.sorted { $0.value[0].offset < $1.value[0].offset }
      .map { _, copies in
        let copy = copies[0].element
        let columns = copies.map { "(\($0.offset)::bigint, x.\($0.element.column))" }.joined(separator: ", ")
        return """
          SELECT c.place, t.service_id, t.id, \(rowKey(copy)), c.text, \(copy.leftWhen ?? "false")
          FROM tickets AS t JOIN \(copy.table) AS x ON \(condition(copy))
          CROSS JOIN LATERAL (VALUES \(columns)) AS c (place, text)
          WHERE EXISTS (SELECT 1 FROM words WHERE strpos(lower(c.text), words.text) > 0)
          """
      }
    return """
      WITH tickets AS (
        SELECT t.service_id, t.id, t.organization_id, t.customer_id
        FROM unnest(\(tickets.map(\.serviceID)), \(tickets.map(\.ticketID))) AS l (service_id, id)
        JOIN ticket AS t ON t.service_id = l.service_id AND t.id = l.id
      ), words AS MATERIALIZED (
        SELECT lower(w.text) AS text
        FROM (\(fragment: spans.words(of: owner.ticketID, owner.serviceID))) AS w (text) WHERE w.text <> ''
      )
      \(unescaped: parts.joined(separator: "\nUNION ALL\n"))
      """
  }

  /// The texts at addresses.
  static func texts(at addresses: [TextAddress]) -> [Query] {
    let byCopy = Dictionary(grouping: addresses, by: \.copy)
    return TextCopies.all.enumerated().compactMap { index, copy in
      guard let addresses = byCopy[copy] else { return nil }
      return """
        SELECT \(unescaped: selected(index, copy))
        FROM (SELECT DISTINCT * FROM unnest(\(addresses.map(\.ticket.serviceID)), \(addresses.map(\.ticket.ticketID)))
          AS t (service_id, id)) AS link
        JOIN ticket AS t ON t.service_id = link.service_id AND t.id = link.id
        JOIN \(unescaped: copy.table) AS x ON \(unescaped: condition(copy))
        WHERE \(unescaped: rowKey(copy)) = ANY(\(Array(Set(addresses.map(\.row)))))
        """
    }
  }

  /// Reads a row of either; nil for a text that is not there.
  static func storedText(_ row: Row) throws(PostgresError) -> StoredText? {
    guard let text = try row.optionalString(4) else { return nil }
    let address = TextAddress(
      copy: TextCopies.all[try row.int(0)],
      ticket: TicketLink(serviceID: try row.value(1), ticketID: try row.value(2)), row: try row.value(3))
    return StoredText(address: address, text: text, hasLeft: try row.bool(5))
  }

  /// Changes a text; fails, and the transaction with it, when it is not as it was read.
  static func set(_ stored: StoredText, to text: String) -> Query {
    let copy = stored.address.copy
    return """
      WITH changed AS (
        UPDATE \(unescaped: copy.table) AS x SET \(unescaped: copy.column) = \(fragment: value(text, of: copy))
        FROM ticket AS t
        WHERE t.service_id = \(stored.address.ticket.serviceID) AND t.id = \(stored.address.ticket.ticketID)
          AND \(unescaped: condition(copy)) AND \(unescaped: rowKey(copy)) = \(stored.address.row)
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

  /// The columns that ``storedText(_:)`` reads, of a ticket `t` and a row `x`.
  private static func selected(_ index: Int, _ copy: TextCopy) -> String {
    "\(index)::bigint, t.service_id, t.id, \(rowKey(copy)), x.\(copy.column), \(copy.leftWhen ?? "false")"
  }

  /// What columns have in common that are searched together.
  private struct PartKey: Hashable {
    let table: String
    let keys: [String]
    let rows: [String]
    let leftWhen: String?

    init(_ copy: TextCopy) {
      table = copy.table
      keys = copy.keys
      rows = copy.rows
      leftWhen = copy.leftWhen
    }
  }

  private static func condition(_ copy: TextCopy) -> String {
    copy.relation == .record
      ? "x.\(copy.keys[0]) = t.organization_id AND x.\(copy.keys[1]) = t.customer_id"
      : "x.\(copy.keys[0]) = t.service_id AND x.\(copy.keys[1]) = t.id"
  }

  private static func rowKey(_ copy: TextCopy) -> String {
    switch copy.rows.count {
    case 0: "''"
    case 1: "x.\(copy.rows[0])::text"
    default: "concat_ws('/', \(copy.rows.map { "x.\($0)" }.joined(separator: ", ")))"
    }
  }
}
