/// The values of a statement's parameters in PostgreSQL's binary format, one after the other.
package struct ParameterBytes: Sendable {
  struct Slot {
    /// Where the value begins in `bytes`.
    var offset: Int
    /// Its length in bytes; -1 stands for NULL.
    var length: Int
  }

  private(set) var bytes: [UInt8] = []
  private(set) var slots: [Slot] = []

  init() {}

  var count: Int { slots.count }

  mutating func reserve(values: Int) {
    guard values > 0 else { return }
    slots.reserveCapacity(values)
    bytes.reserveCapacity(16 * values)
  }

  mutating func append<Value: PostgresBindable>(_ value: Value) {
    let offset = bytes.count
    if value.isPostgresNull {
      slots.append(Slot(offset: offset, length: -1))
      return
    }
    value.encode(into: &self)
    slots.append(Slot(offset: offset, length: bytes.count - offset))
  }

  mutating func append(_ other: ParameterBytes) {
    let base = bytes.count
    bytes.append(contentsOf: other.bytes)
    for slot in other.slots { slots.append(Slot(offset: base + slot.offset, length: slot.length)) }
  }

  /// Writes an integer in network byte order.
  package mutating func write<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes bytes as they are.
  package mutating func write(contentsOf new: some Sequence<UInt8>) { bytes.append(contentsOf: new) }

  /// Writes an array's header and elements (`array_recv` in PostgreSQL's `arrayfuncs.c`).
  package mutating func write<Element: PostgresBindable>(array elements: [Element]) {
    write(Int32(elements.isEmpty ? 0 : 1))
    let nulls = bytes.count
    write(Int32(0))
    write(Element.postgresType.oid)
    guard !elements.isEmpty else { return }
    write(Int32(truncatingIfNeeded: elements.count))
    write(Int32(1))
    var hasNull = false
    for element in elements {
      hasNull = hasNull || element.isPostgresNull
      write(withLength: element)
    }
    if hasNull { overwrite(Int32(1), at: nulls) }
  }

  /// Writes a value behind its length in bytes, as elements of arrays and fields of rows are; -1 stands for NULL.
  ///
  /// Inlinable, because rows have many fields of few types.
  @inlinable
  package mutating func write(withLength value: some PostgresBindable) {
    guard !value.isPostgresNull else {
      writeLength(-1)
      return
    }
    let mark = writeLength(0)
    value.encode(into: &self)
    overwriteLength(at: mark)
  }

  /// Writes a length, and returns where.
  @usableFromInline @discardableResult
  package mutating func writeLength(_ length: Int32) -> Int {
    defer { write(length) }
    return bytes.count
  }

  /// Replaces the length at `mark` by that of what was written since.
  @usableFromInline
  package mutating func overwriteLength(at mark: Int) {
    overwrite(Int32(truncatingIfNeeded: bytes.count - mark - 4), at: mark)
  }

  private mutating func overwrite(_ number: Int32, at offset: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: number.bigEndian, toByteOffset: offset, as: Int32.self) }
  }
}
