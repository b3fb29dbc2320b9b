/// A JSON text taken apart (RFC 8259). Numbers keep their text, so that no digit is lost on the way to an int64.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number as it was written.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// The members in the order of the text; names are unique.
  case object([JSONMember])
}

/// One member of a JSON object.
package struct JSONMember: Equatable, Sendable {
  /// The member's name.
  package let name: String
  /// The member's value.
  package let value: JSONValue

  /// Creates a member.
  package init(name: String, value: JSONValue) {
    self.name = name
    self.value = value
  }
}

/// Writes JSON texts.
package enum JSONWriter {
  /// The shortest text of a value.
  package static func bytes(of value: JSONValue) -> [UInt8] {
    var output = JSONOutput()
    write(value, to: &output)
    return output.bytes
  }

  private static func write(_ value: JSONValue, to output: inout JSONOutput) {
    switch value {
    case .null: output.append("null")
    case .bool(let flag): output.append(flag ? "true" : "false")
    case .number(let text): output.append(text)
    case .string(let text): output.append(quoted: text)
    case .array(let elements):
      output.append(byte: "[")
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(byte: ",") }
        write(element, to: &output)
      }
      output.append(byte: "]")
    case .object(let members):
      output.append(byte: "{")
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(byte: ",") }
        output.append(quoted: member.name)
        output.append(byte: ":")
        write(member.value, to: &output)
      }
      output.append(byte: "}")
    }
  }
}

/// Why a text is no JSON, and where.
package struct JSONSyntaxError: Error, Equatable, CustomStringConvertible {
  /// The line of the first character that does not fit, from 1. Lines end with a line feed.
  package let line: Int
  /// Its place in that line, from 1; counted in Unicode scalars, as editors do.
  package let column: Int
  /// What is wrong there, in words.
  package let problem: String

  /// Creates an error.
  package init(line: Int, column: Int, problem: String) {
    self.line = line
    self.column = column
    self.problem = problem
  }

  /// Finds the line and the column of a byte.
  init(_ misfit: JSONMisfit, in bytes: [UInt8]) {
    let before = bytes.prefix(misfit.offset)
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    line = 1 + before.count { $0 == 0x0A }
    // The bytes 10xxxxxx go on with a scalar.
    column = 1 + before[start...].count { $0 & 0xC0 != 0x80 }
    problem = misfit.problem
  }

  /// `at line 3, column 17: …`
  package var description: String { "at line \(line), column \(column): \(problem)" }
}

/// What does not fit at a byte of a text; its line is looked for only when it is told.
struct JSONMisfit: Error {
  let offset: Int
  let problem: String
}

/// Reads a JSON text strictly: one value, no trailing commas, no comments, no repeated names, valid UTF-8.
package struct JSONParser {
  /// Deepest nesting of arrays and objects that is read.
  package static let depthMax = 64

  private let bytes: [UInt8]
  private var position = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Parses a whole text.
  ///
  /// - Throws: ``JSONSyntaxError``.
  package static func parse(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser(bytes)
    do throws(JSONMisfit) {
      let value = try parser.value(depth: 0)
      parser.skipSpace()
      guard parser.position == bytes.count else { throw parser.problem("nothing may follow the value") }
      return value
    } catch {
      throw JSONSyntaxError(error, in: bytes)
    }
  }

  private func problem(_ text: String) -> JSONMisfit { JSONMisfit(offset: position, problem: text) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func value(depth: Int) throws(JSONMisfit) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte): return .number(try number())
    case nil: throw problem("a value is missing")
    default: throw problem("a value cannot begin like this")
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONMisfit) -> JSONValue {
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count,
      bytes[position..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    else { throw problem("a value cannot begin like this") }
    position = end
    return value
  }

  private mutating func object(depth: Int) throws(JSONMisfit) -> JSONValue {
    guard depth < Self.depthMax else { throw problem("values are nested more than \(Self.depthMax) deep") }
    position += 1
    var members: [JSONMember] = []
    var names: Set<String> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      position += 1
      return .object([])
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw problem("a member's name in quotes is missing") }
      let start = position
      let name = try string()
      guard names.insert(name).inserted else {
        throw JSONMisfit(offset: start, problem: "the name \"\(name)\" stands here twice")
      }
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw problem("a colon is missing") }
      position += 1
      members.append(JSONMember(name: name, value: try value(depth: depth + 1)))
      if try endsList(UInt8(ascii: "}")) { return .object(members) }
    }
  }

  private mutating func array(depth: Int) throws(JSONMisfit) -> JSONValue {
    guard depth < Self.depthMax else { throw problem("values are nested more than \(Self.depthMax) deep") }
    position += 1
    skipSpace()
    if next == UInt8(ascii: "]") {
      position += 1
      return .array([])
    }
    var elements: [JSONValue] = []
    while true {
      elements.append(try value(depth: depth + 1))
      if try endsList(UInt8(ascii: "]")) { return .array(elements) }
    }
  }

  /// Passes the comma before the next element, or the closing bracket.
  private mutating func endsList(_ close: UInt8) throws(JSONMisfit) -> Bool {
    skipSpace()
    guard let byte = next, byte == close || byte == UInt8(ascii: ",") else {
      throw problem("a comma or \"\(Character(Unicode.Scalar(close)))\" is missing")
    }
    position += 1
    return byte == close
  }

  private mutating func number() throws(JSONMisfit) -> String {
    let start = position
    if next == UInt8(ascii: "-") { position += 1 }
    if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if next == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func digits() throws(JSONMisfit) {
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
    guard position > start else { throw problem("a digit is missing") }
  }

  private mutating func string() throws(JSONMisfit) -> String {
    let start = position
    position += 1
    if let plain = try plainString() { return plain }
    var text = bytes[(start + 1)..<position]
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return try checked(text, at: start)
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20:
        position -= 1
        throw problem("a control character must be escaped")
      default: text.append(byte)
      }
    }
    throw problem("the text does not end")
  }

  /// The rest of a string that has no escapes; nil, at the first byte that is more than itself, for another.
  private mutating func plainString() throws(JSONMisfit) -> String? {
    let start = position
    while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\\") {
      position += 1
      if byte == UInt8(ascii: "\"") { return try checked(bytes[start..<(position - 1)], at: start - 1) }
    }
    return nil
  }

  private func checked(_ text: ArraySlice<UInt8>, at start: Int) throws(JSONMisfit) -> String {
    if let string = String(validating: text, as: UTF8.self) { return string }
    throw JSONMisfit(offset: start, problem: "the text is not UTF-8")
  }

  private mutating func escape(into text: inout ArraySlice<UInt8>) throws(JSONMisfit) {
    guard let byte = next else { throw problem("the text does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: try unicodeEscape().utf8)
    default:
      position -= 1
      throw problem("there is no such escape")
    }
  }

  private mutating func unicodeEscape() throws(JSONMisfit) -> String {
    var value = UInt32(try codeUnit())
    if (0xD800..<0xDC00).contains(value) {
      guard next == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") else {
        throw problem("half of a surrogate pair is missing")
      }
      position += 2
      let low = UInt32(try codeUnit())
      guard (0xDC00..<0xE000).contains(low) else { throw problem("half of a surrogate pair is missing") }
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw problem("half of a surrogate pair is missing") }
    return String(scalar)
  }

  private mutating func codeUnit() throws(JSONMisfit) -> UInt16 {
    guard position + 4 <= bytes.count,
      let text = String(validating: bytes[position..<(position + 4)], as: UTF8.self),
      text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }), let value = UInt16(text, radix: 16)
    else { throw problem("four hexadecimal digits are missing") }
    position += 4
    return value
  }
}
