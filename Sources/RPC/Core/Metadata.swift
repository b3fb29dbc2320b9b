/// The key-value pairs beside a call's messages, in their order on the wire.
///
/// Names are lower case (`[0-9a-z_.-]`) and may repeat. The value of a name ending in `-bin` is bytes, travelling as
/// base64; any other value is text. Stored as received in one block of bytes, so that a call nobody asks for its
/// metadata builds no strings.
package struct Metadata: Sendable {
  struct Field: Sendable {
    var name: Range<Int>
    var value: Range<Int>
  }

  private(set) var storage: [UInt8] = []
  private(set) var fields: [Field] = []

  /// Makes empty metadata.
  package init() {}

  /// Makes metadata of text values; names that may not be used are left out.
  package init(_ pairs: [(String, String)]) {
    for (name, value) in pairs { add(name, value) }
  }

  /// Whether there is no field.
  package var isEmpty: Bool { fields.isEmpty }
  /// The number of fields.
  package var count: Int { fields.count }

  /// The first text value of a name, as received.
  package subscript(name: String) -> String? { place(of: name, from: 0).map { text(fields[$0].value) } }

  /// Every text value of a name, in order.
  package func values(_ name: String) -> [String] {
    fields.filter { isNamed($0, name) }.map { text($0.value) }
  }

  /// The text values of a name, in order, with a separator between two; nil when there is none.
  func joined(_ name: String, separator: String) -> String? {
    guard var place = place(of: name, from: 0) else { return nil }
    var joined = text(fields[place].value)
    while let next = self.place(of: name, from: place + 1) {
      joined += separator + text(fields[next].value)
      place = next
    }
    return joined
  }

  /// The index of the first field with a name, from an index on.
  private func place(of name: String, from start: Int) -> Int? {
    var name = name
    return name.withUTF8 { wanted in
      storage.withUnsafeBytes { all in
        (start..<fields.count).first { place in
          let found = fields[place].name
          return found.count == wanted.count
            && UnsafeRawBufferPointer(rebasing: all[found]).elementsEqual(wanted)
        }
      }
    }
  }

  /// The first value of a `-bin` name, decoded; nil when missing or not base64.
  package func binary(_ name: String) -> [UInt8]? { binaries(name).first }

  /// Every value of a `-bin` name that is base64, decoded; values that the peer joined with commas are split.
  package func binaries(_ name: String) -> [[UInt8]] {
    var found: [[UInt8]] = []
    for field in fields where isNamed(field, name) {
      for part in storage[field.value].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
        if let bytes = BinaryValue.decode(part) { found.append(bytes) }
      }
    }
    return found
  }

  /// Appends a text value. Control characters in it become spaces.
  ///
  /// - Returns: false, and nothing is added, when the name has other characters than `[0-9A-Za-z_.-]`, begins with the
  ///   reserved `grpc-`, ends in `-bin`, or is empty. Capitals are made small.
  @discardableResult
  package mutating func add(_ name: String, _ value: String) -> Bool {
    guard Self.isUsable(name), !name.hasSuffix("-bin") else { return false }
    let nameStart = storage.count
    for byte in name.utf8 { storage.append(Self.lowered(byte)) }
    let valueStart = storage.count
    for byte in value.utf8 { storage.append(byte < 0x20 || byte == 0x7F ? 0x20 : byte) }
    fields.append(Field(name: nameStart..<valueStart, value: valueStart..<storage.count))
    return true
  }

  /// Appends bytes under a name ending in `-bin`.
  ///
  /// - Returns: false, and nothing is added, when the name may not be used.
  @discardableResult
  package mutating func add(_ name: String, binary value: [UInt8]) -> Bool {
    guard Self.isUsable(name), name.hasSuffix("-bin") else { return false }
    let nameStart = storage.count
    for byte in name.utf8 { storage.append(Self.lowered(byte)) }
    let valueStart = storage.count
    BinaryValue.encode(value, into: &storage)
    fields.append(Field(name: nameStart..<valueStart, value: valueStart..<storage.count))
    return true
  }

  /// Puts one text value in the place of all fields of a name.
  @discardableResult
  package mutating func replace(_ name: String, _ value: String) -> Bool {
    remove(name)
    return add(name, value)
  }

  /// Removes all fields of a name.
  package mutating func remove(_ name: String) { fields = fields.filter { !isNamed($0, name) } }

  /// Appends all fields of another metadata.
  package mutating func add(contentsOf other: Metadata) {
    other.forEachRaw { name, value in appendRaw(name, value) }
  }

  /// Every field as text, in order; the value of a `-bin` name is its base64.
  package var pairs: [(name: String, value: String)] { fields.map { (text($0.name), text($0.value)) } }

  mutating func appendRaw(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let nameStart = storage.count
    storage.append(contentsOf: name)
    let valueStart = storage.count
    storage.append(contentsOf: value)
    fields.append(Field(name: nameStart..<valueStart, value: valueStart..<storage.count))
  }

  func forEachRaw(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    guard !fields.isEmpty else { return }
    storage.withUnsafeBytes { all in
      for field in fields {
        body(UnsafeRawBufferPointer(rebasing: all[field.name]), UnsafeRawBufferPointer(rebasing: all[field.value]))
      }
    }
  }

  private func isNamed(_ field: Field, _ name: String) -> Bool {
    field.name.count == name.utf8.count && storage[field.name].elementsEqual(name.utf8)
  }

  private func text(_ range: Range<Int>) -> String { String(decoding: storage[range], as: UTF8.self) }

  private static func isUsable(_ name: String) -> Bool {
    guard !name.isEmpty, !name.hasPrefix("grpc-") else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
        true
      default: false
      }
    }
  }

  private static func lowered(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}

extension Metadata: Equatable {
  /// Equal when the same fields come in the same order.
  package static func == (left: Metadata, right: Metadata) -> Bool {
    left.fields.count == right.fields.count
      && zip(left.fields, right.fields).allSatisfy { mine, theirs in
        left.storage[mine.name] == right.storage[theirs.name] && left.storage[mine.value] == right.storage[theirs.value]
      }
  }
}
