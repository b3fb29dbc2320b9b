/// A value that a column can be read as.
///
/// A typed id declares the conformance and nothing else when it is `RawRepresentable` by a decodable value and its
/// `init(rawValue:)` refuses nothing that the database may hold.
package protocol PostgresDecodable {
  /// Reads a column's value.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding` when the type does not fit or the value is NULL.
  init(cell: PostgresCell) throws(PostgresError)
}

/// One value of a row in binary form; its bytes live as long as the rows.
package struct PostgresCell {
  /// The column's type.
  package let type: PostgresType
  /// The value's bytes, or nil for NULL. Not to be kept.
  package let bytes: UnsafeRawBufferPointer?
  let column: Int

  /// The error saying that the column does not hold what the caller asks for.
  package func mismatch(_ wanted: StaticString) -> PostgresError {
    let found = bytes == nil ? "NULL" : "type \(type.oid)"
    return PostgresError(kind: .decoding, sqlState: "22000", message: "column \(column) is \(found), not \(wanted)")
  }

  func read<Number: FixedWidthInteger>(_: Number.Type, at offset: Int = 0) -> Number? {
    guard let bytes, offset >= 0, offset + MemoryLayout<Number>.size <= bytes.count else { return nil }
    return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue: PostgresDecodable {
  /// Reads the raw value.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard let value = Self(rawValue: try RawValue(cell: cell)) else { throw cell.mismatch("a known value") }
    self = value
  }
}

extension Int64: PostgresDecodable {
  /// Reads `bigint`, `integer`, `smallint` or `oid`.
  package init(cell: PostgresCell) throws(PostgresError) {
    let value: Int64? =
      switch cell.type {
      case .int8: cell.read(Int64.self)
      case .int4: cell.read(Int32.self).map(Int64.init)
      case .int2: cell.read(Int16.self).map(Int64.init)
      case .oid: cell.read(UInt32.self).map(Int64.init)
      default: nil
      }
    guard let value else { throw cell.mismatch("an integer") }
    self = value
  }
}

extension Int: PostgresDecodable {
  /// Reads `bigint`, `integer`, `smallint` or `oid`.
  package init(cell: PostgresCell) throws(PostgresError) { self = Int(try Int64(cell: cell)) }
}

extension Int32: PostgresDecodable {
  /// Reads an integer that fits 32 bits.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard let value = Int32(exactly: try Int64(cell: cell)) else { throw cell.mismatch("a 32-bit integer") }
    self = value
  }
}

extension Int16: PostgresDecodable {
  /// Reads an integer that fits 16 bits.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard let value = Int16(exactly: try Int64(cell: cell)) else { throw cell.mismatch("a 16-bit integer") }
    self = value
  }
}

extension Bool: PostgresDecodable {
  /// Reads `boolean`.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard cell.type == .bool, let value = cell.read(UInt8.self) else { throw cell.mismatch("a boolean") }
    self = value != 0
  }
}

extension Double: PostgresDecodable {
  /// Reads `double precision` or `real`.
  package init(cell: PostgresCell) throws(PostgresError) {
    if cell.type == .float8, let bits = cell.read(UInt64.self) {
      self = Double(bitPattern: bits)
    } else if cell.type == .float4, let bits = cell.read(UInt32.self) {
      self = Double(Float(bitPattern: bits))
    } else {
      throw cell.mismatch("a floating-point number")
    }
  }
}

extension String: PostgresDecodable {
  /// Reads text, JSON, an enum's label or, in its usual form, a UUID.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard let bytes = cell.bytes else { throw cell.mismatch("text") }
    if cell.type.isTextual {
      self = String(decoding: bytes, as: UTF8.self)
    } else if cell.type == .jsonb, bytes.first == 1 {
      self = String(decoding: bytes.dropFirst(), as: UTF8.self)
    } else if cell.type == .uuid, bytes.count == 16 {
      self = String(uuid: bytes)
    } else {
      throw cell.mismatch("text")
    }
  }

  private init(uuid bytes: UnsafeRawBufferPointer) {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    self = String(decoding: text, as: UTF8.self)
  }
}

extension Instant: PostgresDecodable {
  /// Reads `timestamptz`.
  package init(cell: PostgresCell) throws(PostgresError) {
    guard cell.type == .timestamptz, let value = cell.read(Int64.self) else { throw cell.mismatch("a timestamptz") }
    self.init(serverMicroseconds: value)
  }
}

extension JSONText: PostgresDecodable {
  /// Reads `jsonb` or `json`.
  package init(cell: PostgresCell) throws(PostgresError) { self.init(try String(cell: cell)) }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  /// Reads the value, NULL as nil.
  package init(cell: PostgresCell) throws(PostgresError) {
    self = cell.bytes == nil ? nil : try Wrapped(cell: cell)
  }
}

/// What arrays of may be read; `UInt8` reads `bytea`, everything else a one-dimensional array.
package protocol PostgresArrayDecodable {
  /// Reads a whole array.
  static func decode(array cell: PostgresCell) throws(PostgresError) -> [Self]
}

extension PostgresArrayDecodable where Self: PostgresDecodable {
  /// Reads the elements (`array_send` in PostgreSQL's `arrayfuncs.c`).
  package static func decode(array cell: PostgresCell) throws(PostgresError) -> [Self] {
    guard let bytes = cell.bytes, let dimensions = cell.read(Int32.self), let type = cell.read(UInt32.self, at: 8),
      dimensions == 0 || dimensions == 1
    else { throw cell.mismatch("a one-dimensional array") }
    guard dimensions == 1 else { return [] }
    guard let count = cell.read(Int32.self, at: 12), count >= 0, Int(count) <= bytes.count else {
      throw cell.mismatch("an array")
    }
    var elements: [Self] = []
    elements.reserveCapacity(Int(count))
    var offset = 20
    for _ in 0..<count {
      guard let length = cell.read(Int32.self, at: offset) else { throw cell.mismatch("an array") }
      offset += 4
      var value: UnsafeRawBufferPointer?
      if length >= 0 {
        guard offset + Int(length) <= bytes.count else { throw cell.mismatch("an array") }
        value = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
        offset += Int(length)
      }
      elements.append(try Self(cell: PostgresCell(type: PostgresType(oid: type), bytes: value, column: cell.column)))
    }
    return elements
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayDecodable {
  /// Reads an array, or `bytea` as bytes.
  package init(cell: PostgresCell) throws(PostgresError) { self = try Element.decode(array: cell) }
}

extension UInt8: PostgresArrayDecodable {
  /// Reads `bytea`, or the UTF-8 bytes of text.
  package static func decode(array cell: PostgresCell) throws(PostgresError) -> [UInt8] {
    guard let bytes = cell.bytes, cell.type == .bytea || cell.type.isTextual else { throw cell.mismatch("bytea") }
    return Array(bytes)
  }
}

extension Array: PostgresArrayDecodable where Element == UInt8 {}
extension Int64: PostgresArrayDecodable {}
extension Int: PostgresArrayDecodable {}
extension Int32: PostgresArrayDecodable {}
extension Int16: PostgresArrayDecodable {}
extension Bool: PostgresArrayDecodable {}
extension Double: PostgresArrayDecodable {}
extension String: PostgresArrayDecodable {}
extension Instant: PostgresArrayDecodable {}
extension JSONText: PostgresArrayDecodable {}
extension Optional: PostgresArrayDecodable where Wrapped: PostgresDecodable {}
