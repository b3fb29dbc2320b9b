/// A column into which rows are copied, and what a record has for it.
package struct CopyColumn<Record>: Sendable {
  /// Its name in the table.
  package let name: String
  /// Its type, which must be the column's own: `COPY` converts nothing.
  package let type: PostgresType
  @usableFromInline package let write: @Sendable (Record, inout ParameterBytes) -> Void

  /// Names a column and takes its value from a record.
  @inlinable
  package init<Value: PostgresBindable>(_ name: StaticString, _ value: @escaping @Sendable (Record) -> Value) {
    self.name = name.description
    type = Value.postgresType
    write = { record, bytes in bytes.write(withLength: value(record)) }
  }
}

/// Gathers rows for `COPY … FROM STDIN (FORMAT binary)` into one table, in the form that PostgreSQL's page of `COPY`
/// gives under "Binary Format".
package struct CopyTable<Record>: Sendable {
  private let statement: String
  private let columns: [CopyColumn<Record>]
  private var bytes = ParameterBytes()

  /// Rows for the named columns of a table; the others keep their default.
  package init(_ table: StaticString, _ columns: [CopyColumn<Record>]) {
    let names = columns.map { Query.quoted(identifier: $0.name) }.joined(separator: ", ")
    statement = "COPY \(table) (\(names)) FROM STDIN (FORMAT binary)"
    self.columns = columns
  }

  /// Adds a record's row.
  package mutating func append(_ record: Record) {
    if bytes.bytes.isEmpty { writeHeader() }
    bytes.write(Int16(truncatingIfNeeded: columns.count))
    for column in columns { column.write(record, &bytes) }
  }

  /// The rows gathered so far, which are taken out; nil when there are none.
  package mutating func takeRows() -> CopyRows? {
    guard !bytes.bytes.isEmpty else { return nil }
    bytes.write(Int16(-1))
    defer { bytes = ParameterBytes() }
    return CopyRows(statement: statement, bytes: bytes.bytes)
  }

  // Behind the signature, no flags and no extension.
  private mutating func writeHeader() {
    bytes.write(contentsOf: Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00])
    bytes.write(Int32(0))
    bytes.write(Int32(0))
  }
}

/// Rows of one table on their way to the server; made by ``CopyTable``.
package struct CopyRows: Sendable {
  /// Of libpq's message; the server begins with the first while the next are on their way.
  private static let pieceByteCount = 65_536

  let statement: String
  let bytes: [UInt8]

  /// Hands out the bytes piece by piece until `send` returns false; whether it took all.
  func withPieces(_ send: (UnsafeBufferPointer<CChar>) -> Bool) -> Bool {
    bytes.withUnsafeBytes { all in
      all.withMemoryRebound(to: CChar.self) { all in
        stride(from: 0, to: all.count, by: Self.pieceByteCount).allSatisfy { start in
          send(UnsafeBufferPointer(rebasing: all[start..<min(start + Self.pieceByteCount, all.count)]))
        }
      }
    }
  }
}
