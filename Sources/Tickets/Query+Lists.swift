import Postgres

/// Lists that PostgreSQL can count when it plans. It takes a parameter that is a list for ten values; by that, a plan
/// for all values looks dearer than it is, and each call is planned anew, which takes as long as its page.
extension Query {
  /// The most values that a statement's text tells apart: each number of them is a statement of its own.
  private static let countMax = 16

  /// Words of the product's own vocabulary, in the text: `'{PENDING,RESOLVED}'::text[]`. Not for what a request may
  /// combine at will.
  static func list<Word: RawRepresentable<String>>(_ words: [Word]) -> Query {
    Query(unescaped: "'{\(words.map(\.rawValue).joined(separator: ","))}'::text[]")
  }

  /// A few ids, each a parameter: `ARRAY[$1, $2]`; one parameter for more of them.
  static func ids<ID: PostgresBindable>(_ ids: [ID]) -> Query {
    guard let first = ids.first, ids.count <= countMax else { return "\(ids)" }
    let list = ids.dropFirst().reduce("\(first)" as Query) { "\(fragment: $0), \($1)" }
    return "ARRAY[\(fragment: list)]"
  }

  /// Rows of a value and an id, in order, for a FROM clause: `(VALUES ($1, $2), ($3, $4))`; two lists for more of them.
  static func rows<Value: PostgresBindable>(_ rows: [(value: Value, cut: Int64)]) -> Query {
    guard let first = rows.first, rows.count <= countMax else {
      return "unnest(\(rows.map(\.value)), \(rows.map(\.cut)))"
    }
    let list = rows.dropFirst().reduce("(\(first.value), \(first.cut))" as Query) {
      "\(fragment: $0), (\($1.value), \($1.cut))"
    }
    return "(VALUES \(fragment: list))"
  }
}
