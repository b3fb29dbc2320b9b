import PersonalData
import Postgres
import Synchronization
import TicketLedger

/// Reads every text of a ticket in the columns of the registry that masks of some fields reach. What stands in them is
/// for ``SpanWords`` to say: words that are quoted are seldom the same letter by letter.
///
/// The statement touches a dozen tables, and most of what it costs is their opening: so there is one part for a table,
/// and it knows its ticket without a join.
struct CopySearch: Sendable {
  private let statement: Statement

  /// Prepares a search.
  ///
  /// - Parameter fields: those in which the spans lie.
  init(_ fields: Set<String>) { statement = Statement.known(for: fields) }

  /// The rows of a ticket, as ``texts(_:of:)`` reads them.
  func query(_ ticket: TicketLink) -> Query {
    statement.template.query { values in
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

  // By the fields, which are the registry's: no more than their combinations.
  private static let known = Mutex<[Set<String>: Statement]>([:])

  static func known(for fields: Set<String>) -> Statement {
    known.withLock { known in
      if let statement = known[fields] { return statement }
      let statement = Statement(
        TextCopies.all.filter { $0.relation == .snapshot || !fields.isDisjoint(with: $0.places) })
      known[fields] = statement
      return statement
    }
  }

  private init(_ copies: [TextCopy]) {
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
    template = QueryTemplate(all)
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
