internal import CLibpq

/// The answer of one statement: its rows, and how many rows it touched.
package struct Rows: RandomAccessCollection, Sendable {
  private let result: ResultHandle

  init(_ result: ResultHandle) {
    self.result = result
    endIndex = Int(PQntuples(result.pointer))
  }

  /// Always 0.
  package var startIndex: Int { 0 }
  /// The number of rows.
  package let endIndex: Int

  /// The row at `position`.
  package subscript(position: Int) -> Row {
    precondition(position >= 0 && position < endIndex, "row out of range")
    return Row(result: result, index: Int32(truncatingIfNeeded: position))
  }

  /// How many rows an INSERT, UPDATE, DELETE or SELECT touched; 0 for other statements.
  package var affected: Int {
    guard let text = PQcmdTuples(result.pointer) else { return 0 }
    var count = 0
    var digit = text
    while digit.pointee != 0 {
      count = count &* 10 &+ Int(digit.pointee) &- 48
      digit += 1
    }
    return count
  }
}

/// One row of an answer; columns are counted from 0. Readable from any thread.
package struct Row: Sendable {
  fileprivate let result: ResultHandle
  fileprivate let index: Int32

  /// The number of columns.
  package var columns: Int { Int(PQnfields(result.pointer)) }

  /// Whether the column is NULL.
  package func isNull(_ column: Int) -> Bool {
    column < 0 || PQgetisnull(result.pointer, index, Int32(truncatingIfNeeded: column)) == 1
  }

  /// Reads a column as any decodable type.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding` when the column is missing, NULL or of another type.
  package func value<Value: PostgresDecodable>(_ column: Int, as _: Value.Type = Value.self) throws(PostgresError)
    -> Value
  {
    defer { withExtendedLifetime(result) {} }
    return try Value(cell: cell(column))
  }

  /// Reads an integer column. Throws as ``value(_:as:)``.
  package func int64(_ column: Int) throws(PostgresError) -> Int64 { try value(column) }
  /// Reads an integer column as `Int`. Throws as ``value(_:as:)``.
  package func int(_ column: Int) throws(PostgresError) -> Int { try value(column) }
  /// Reads an integer column that fits 32 bits. Throws as ``value(_:as:)``.
  package func int32(_ column: Int) throws(PostgresError) -> Int32 { try value(column) }
  /// Reads a text column. Throws as ``value(_:as:)``.
  package func string(_ column: Int) throws(PostgresError) -> String { try value(column) }
  /// Reads a boolean column. Throws as ``value(_:as:)``.
  package func bool(_ column: Int) throws(PostgresError) -> Bool { try value(column) }
  /// Reads a `double precision` column. Throws as ``value(_:as:)``.
  package func double(_ column: Int) throws(PostgresError) -> Double { try value(column) }
  /// Reads a `bytea` column. Throws as ``value(_:as:)``.
  package func bytes(_ column: Int) throws(PostgresError) -> [UInt8] { try value(column) }
  /// Reads a `timestamptz` column. Throws as ``value(_:as:)``.
  package func instant(_ column: Int) throws(PostgresError) -> Instant { try value(column) }
  /// Reads a `jsonb` or `json` column. Throws as ``value(_:as:)``.
  package func json(_ column: Int) throws(PostgresError) -> JSONText { try value(column) }
  /// Reads an array of integers. Throws as ``value(_:as:)``.
  package func int64s(_ column: Int) throws(PostgresError) -> [Int64] { try value(column) }
  /// Reads an array of texts. Throws as ``value(_:as:)``.
  package func strings(_ column: Int) throws(PostgresError) -> [String] { try value(column) }

  /// Reads an integer column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? { try value(column) }
  /// Reads a text column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalString(_ column: Int) throws(PostgresError) -> String? { try value(column) }
  /// Reads a boolean column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalBool(_ column: Int) throws(PostgresError) -> Bool? { try value(column) }
  /// Reads a `double precision` column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalDouble(_ column: Int) throws(PostgresError) -> Double? { try value(column) }
  /// Reads a `bytea` column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalBytes(_ column: Int) throws(PostgresError) -> [UInt8]? { try value(column) }
  /// Reads a `timestamptz` column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalInstant(_ column: Int) throws(PostgresError) -> Instant? { try value(column) }
  /// Reads a `jsonb` or `json` column, NULL as nil. Throws as ``value(_:as:)``.
  package func optionalJSON(_ column: Int) throws(PostgresError) -> JSONText? { try value(column) }

  /// Reads the leading columns by the types of the tuple that the caller expects:
  /// `let (id, title): (Int64, String) = try row.decode()`. Throws as ``value(_:as:)``.
  package func decode<each Value: PostgresDecodable>(as _: (repeat each Value).Type = (repeat each Value).self)
    throws(PostgresError) -> (repeat each Value)
  {
    var column = -1
    func next<Next: PostgresDecodable>(_: Next.Type) throws(PostgresError) -> Next {
      column += 1
      return try value(column)
    }
    return (repeat try next((each Value).self))
  }

  private func cell(_ column: Int) throws(PostgresError) -> PostgresCell {
    let number = Int32(truncatingIfNeeded: column)
    guard column >= 0, number < PQnfields(result.pointer) else {
      throw PostgresError(kind: .decoding, sqlState: "22000", message: "the row has no column \(column)")
    }
    let type = PostgresType(oid: PQftype(result.pointer, number))
    guard PQgetisnull(result.pointer, index, number) == 0 else {
      return PostgresCell(type: type, bytes: nil, column: column)
    }
    let length = Int(PQgetlength(result.pointer, index, number))
    let bytes = UnsafeRawBufferPointer(start: PQgetvalue(result.pointer, index, number), count: length)
    return PostgresCell(type: type, bytes: bytes, column: column)
  }
}

/// Owns one `PGresult`.
// @unchecked: a result is complete when it is wrapped and libpq only reads it afterwards; the last owner frees it.
final class ResultHandle: @unchecked Sendable {
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }

  deinit { PQclear(pointer) }
}
