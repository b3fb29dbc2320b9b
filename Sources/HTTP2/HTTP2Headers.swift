import CNghttp2

/// A list of header fields to be sent, pseudo-header fields first; meant to be built once and used often.
///
/// Text known at compile time is referred to where it lies, everything else is copied into one array. Names must be in
/// lower case.
package struct HTTP2Headers: Sendable {
  private var fields: [Field] = []
  private var bytes: [UInt8] = []

  private struct Field: Sendable {
    var name: Text
    var value: Text
    var flags: UInt8
  }

  private enum Text: Sendable {
    case fixed(StaticString)
    case copied(start: Int, count: Int)
  }

  /// An empty list.
  package init() {}

  /// An empty list with room for so many fields of usual sizes.
  package init(fieldsExpected: Int) {
    fields.reserveCapacity(fieldsExpected)
    bytes.reserveCapacity(fieldsExpected * Self.fieldBytesUsual)
  }

  private static let fieldBytesUsual = 48

  /// The number of fields.
  package var count: Int { fields.count }

  /// Empties the list and keeps its memory.
  package mutating func removeAll() {
    fields.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: true)
  }

  /// Appends a field known at compile time.
  package mutating func append(_ name: StaticString, _ value: StaticString) {
    fields.append(Field(name: .fixed(name), value: .fixed(value), flags: Self.uncopied(true, true)))
  }

  /// Appends a field whose name is known at compile time.
  ///
  /// - Parameter isSecret: the value is never put into a compression table, so that its size tells nothing
  ///   (RFC 7541 §7.1.3).
  // A literal is a `String` before it is a `StaticString`; it is to be the latter here.
  @_disfavoredOverload
  package mutating func append(_ name: StaticString, _ value: String, isSecret: Bool = false) {
    let value = copy(value)
    fields.append(Field(name: .fixed(name), value: value, flags: Self.uncopied(true, false) | Self.secrecy(isSecret)))
  }

  /// Appends a field whose name is known at compile time.
  package mutating func append(_ name: StaticString, bytes value: UnsafeRawBufferPointer, isSecret: Bool = false) {
    let value = copy(value)
    fields.append(Field(name: .fixed(name), value: value, flags: Self.uncopied(true, false) | Self.secrecy(isSecret)))
  }

  /// Appends a field given as text.
  package mutating func append(name: String, value: String, isSecret: Bool = false) {
    let name = copy(name)
    let value = copy(value)
    fields.append(Field(name: name, value: value, flags: Self.secrecy(isSecret)))
  }

  /// Appends a field given as bytes.
  package mutating func append(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, isSecret: Bool = false
  ) {
    let name = copy(name)
    let value = copy(value)
    fields.append(Field(name: name, value: value, flags: Self.secrecy(isSecret)))
  }

  private mutating func copy(_ text: String) -> Text {
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    return .copied(start: start, count: bytes.count - start)
  }

  private mutating func copy(_ text: UnsafeRawBufferPointer) -> Text {
    let start = bytes.count
    bytes.append(contentsOf: text)
    return .copied(start: start, count: text.count)
  }

  private static func uncopied(_ name: Bool, _ value: Bool) -> UInt8 {
    var flags = NGHTTP2_NV_FLAG_NONE.rawValue
    if name { flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue }
    if value { flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue }
    return UInt8(flags)
  }

  private static func secrecy(_ isSecret: Bool) -> UInt8 {
    isSecret ? UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) : 0
  }

  /// Lends the list in libnghttp2's form; what is not fixed is marked to be copied by the library.
  func withNameValues<Result>(
    _ scratch: inout [nghttp2_nv], _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result
  ) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      scratch.removeAll(keepingCapacity: true)
      for field in fields {
        let (name, nameCount) = Self.pointer(field.name, bytes)
        let (value, valueCount) = Self.pointer(field.value, bytes)
        scratch.append(
          nghttp2_nv(name: name, value: value, namelen: nameCount, valuelen: valueCount, flags: field.flags))
      }
      return scratch.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
    }
  }

  // The C structure is not const-correct; libnghttp2 writes to none of these.
  private static func pointer(
    _ text: Text, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> (UnsafeMutablePointer<UInt8>?, Int) {
    switch text {
    case .fixed(let text): (UnsafeMutablePointer(mutating: text.utf8Start), text.utf8CodeUnitCount)
    case .copied(let start, let count): (bytes.baseAddress.map { UnsafeMutablePointer(mutating: $0 + start) }, count)
    }
  }
}
