import PersonalData
import Postgres
import TicketLedger

/// Looks for the words of spans in every column of the registry that masks of their fields reach.
///
/// The statement touches a dozen tables, and most of what it costs is their opening: so there is one part for a table,
/// it knows its ticket without a join, and all parts are looked through together.
struct CopySearch: Sendable {
  /// Columns of a table that are read together, with their places in the registry.
  private let parts: [[TextCopy]]
  private let spans: RequestedSpans
  private let owner: TicketLink

  /// Prepares a search.
  ///
  /// - Parameter owner: the ticket in whose texts the spans lie.
  init(_ spans: RequestedSpans, of owner: TicketLink) {
    self.spans = spans
    self.owner = owner
    let fields = spans.fields
    let copies = TextCopies.all.filter { copy in
      copy.relation == .snapshot || copy.places.contains(where: fields.contains)
    }
    var parts: [[TextCopy]] = []
    for copy in copies {
      if let index = parts.firstIndex(where: { PartKey($0[0]) == PartKey(copy) }) {
        parts[index].append(copy)
      } else {
        parts.append([copy])
      }
    }
    self.parts = parts
  }

  /// The rows of a ticket in which any of the words stand, as ``texts(_:of:)`` reads them. Whether they stand there as
  /// words is for ``SpanWords`` to say.
  func query(_ ticket: TicketLink) -> Query {
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
    return """
      WITH words AS MATERIALIZED (
        SELECT lower(w.text) AS text
        FROM (\(fragment: spans.words(of: owner.ticketID, owner.serviceID))) AS w (text) WHERE w.text <> ''
      )
      SELECT u.part, u.row_key, u.texts, u.has_left FROM (
        \(fragment: all)
      ) AS u (part, row_key, texts, has_left)
      WHERE EXISTS (SELECT FROM words AS w WHERE strpos(lower(array_to_string(u.texts, E'\\n')), w.text) > 0)
      """
  }

  /// Reads a row of ``query(_:)``: its texts, one for each column.
  func texts(_ row: Row, of ticket: TicketLink) throws(PostgresError) -> [StoredText] {
    let copies = parts[try row.int(0)]
    let (key, hasLeft): (String, Bool) = (try row.value(1), try row.value(3))
    return zip(copies, try row.strings(2)).map { copy, text in
      StoredText(address: TextAddress(copy: copy, ticket: ticket, row: key), text: text, hasLeft: hasLeft)
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
}
