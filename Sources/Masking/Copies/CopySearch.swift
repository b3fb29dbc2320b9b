import PersonalData
import Postgres
import Synchronization
import TicketLedger

/// Looks for the words of spans in every column of the registry that masks of their fields reach.
///
/// The statement touches a dozen tables, and most of what it costs is their opening: so there is one part for a table,
/// it knows its ticket without a join, and all parts are looked through together.
struct CopySearch: Sendable {
  private let statement: Statement
  private let words: Query

  /// Prepares a search.
  ///
  /// - Parameter owner: the ticket in whose texts the spans lie.
  init(_ spans: RequestedSpans, of owner: TicketLink) {
    words = spans.words(of: owner.ticketID, owner.serviceID)
    statement = Statement.known(for: spans, words)
  }

  /// The rows of a ticket in which any of the words stand, as ``texts(_:of:)`` reads them. Whether they stand there as
  /// words is for ``SpanWords`` to say.
  func query(_ ticket: TicketLink) -> Query {
    statement.template.query { values in
      values.append(valuesOf: words)
      for _ in statement.parts {
        values.append(ticket.serviceID)
        values.append(ticket.ticketID)
      }
    }
  }

  /// Reads a row of ``query(_:)``: its texts, one for each column.
  func texts(_ row: Row, of ticket: TicketLink) throws(PostgresError) -> [StoredText] {
    let copies = statement.parts[try row.int(0)]
    let (key, hasLeft): (String, Bool) = (try row.value(1), try row.value(3))
    return zip(copies, try row.strings(2)).map { copy, text in
      StoredText(address: TextAddress(copy: copy, ticket: ticket, row: key), text: text, hasLeft: hasLeft)
    }
  }
}

/// The statement of a search: which it is depends on the fields of the spans alone.
private struct Statement: Sendable {
  /// Columns of a table that are read together, with their places in the registry.
  let parts: [[TextCopy]]
  let template: QueryTemplate

  /// What the statements differ in.
  private struct Key: Hashable {
    /// The columns that are looked through, by their places in the registry.
    let copies: [Int]
    let sources: Set<RequestedSpans.Source>
  }

  // There are no more than combinations of the registry's fields.
  private static let known = Mutex<[Key: Statement]>([:])

  static func known(for spans: RequestedSpans, _ words: Query) -> Statement {
    let fields = spans.fields
    let copies = TextCopies.all.indices.filter { index in
      let copy = TextCopies.all[index]
      return copy.relation == .snapshot || copy.places.contains(where: fields.contains)
    }
    let key = Key(copies: copies, sources: spans.sources)
    return known.withLock { known in
      if let statement = known[key] { return statement }
      let statement = Statement(copies.map { TextCopies.all[$0] }, words)
      known[key] = statement
      return statement
    }
  }

  private init(_ copies: [TextCopy], _ words: Query) {
    var parts: [[TextCopy]] = []
    for copy in copies {
      if let index = parts.firstIndex(where: { PartKey($0[0]) == PartKey(copy) }) {
        parts[index].append(copy)
      } else {
        parts.append([copy])
      }
    }
    self.parts = parts
    // The values of a template are left out; any ticket shows their types.
    let ticket = TicketLink(serviceID: ServiceID(0), ticketID: TicketID(0))
    var all: Query = ""
    for (index, copies) in parts.enumerated() {
      let columns = copies.map { "coalesce(x.\($0.column), '')" }.joined(separator: ", ")
      all = """
        \(fragment: all)\(unescaped: index == 0 ? "" : "\nUNION ALL ")
        SELECT \(unescaped: String(index)), \(unescaped: CopyStore.rowKey(copies[0])), ARRAY[\(unescaped: columns)],
          \(unescaped: copies[0].leftWhen ?? "false")
        FROM \(fragment: CopyStore.rows(of: copies[0], on: ticket))
        """
    }
    template = QueryTemplate(
      """
      WITH words AS MATERIALIZED (
        SELECT lower(w.text) AS text FROM (\(fragment: words)) AS w (text) WHERE w.text <> ''
      )
      SELECT u.part, u.row_key, u.texts, u.has_left FROM (
        \(fragment: all)
      ) AS u (part, row_key, texts, has_left)
      WHERE EXISTS (SELECT FROM words AS w WHERE strpos(lower(array_to_string(u.texts, E'\\n')), w.text) > 0)
      """)
  }
}

/// What columns have in common that are read together.
private struct PartKey: Equatable {
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
