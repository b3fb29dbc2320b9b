/// One SQL statement and the values of its parameters.
///
/// Written as a string literal: an interpolated value is always bound (`$1`, `$2`, …) and never becomes SQL text, so a
/// query cannot be injected into. The only way to raw text is spelled `\(unescaped: …)`; another query is spliced in,
/// with its parameters, by `\(fragment: …)`.
///
/// ```swift
/// let query: Query = "SELECT id, title FROM ticket WHERE service_id = \(serviceID) AND id = \(id)"
/// ```
///
/// A query holds exactly one statement. Its literal parts are kept as addresses of the program's constants, so that
/// the prepared statement of a query met before is found without building its text.
package struct Query: ExpressibleByStringInterpolation, Sendable {
  /// The constant parts of a query are the program's own literals.
  package typealias StringLiteralType = StaticString

  var shape: QueryShape
  var parameters: ParameterBytes

  /// Makes a query without parameters from a literal.
  package init(stringLiteral value: StaticString) {
    shape = QueryShape(capacity: 2)
    parameters = ParameterBytes()
    shape.append(literal: value)
  }

  /// Makes a query from an interpolated literal.
  package init(stringInterpolation: Interpolation) {
    shape = stringInterpolation.shape
    parameters = stringInterpolation.parameters
  }

  /// Makes a query from SQL text made at run time; the caller answers for its safety.
  package init(unescaped text: String) {
    shape = QueryShape(capacity: 1)
    parameters = ParameterBytes()
    shape.append(raw: text)
  }

  init(shape: QueryShape, parameters: ParameterBytes) {
    self.shape = shape
    self.parameters = parameters
  }

  /// The statement as sent, with `$n` for the parameters. Holds no parameter's value.
  package var text: String { String(decoding: shape.renderedText(), as: UTF8.self) }

  /// Collects literals and binds; made by the compiler.
  package struct Interpolation: StringInterpolationProtocol {
    /// The constant parts of a query are the program's own literals.
    package typealias StringLiteralType = StaticString

    var shape: QueryShape
    var parameters: ParameterBytes

    /// Reserves room for the parts that the compiler counted.
    package init(literalCapacity: Int, interpolationCount: Int) {
      shape = QueryShape(capacity: 3 * interpolationCount + 2)
      parameters = ParameterBytes()
      parameters.reserve(values: interpolationCount)
    }

    /// Appends a constant part of the statement.
    package mutating func appendLiteral(_ literal: StaticString) { shape.append(literal: literal) }

    /// Binds a value as the next parameter.
    package mutating func appendInterpolation<Value: PostgresBindable>(_ value: Value) {
      shape.append(parameterOf: Value.postgresType)
      parameters.append(value)
    }

    /// Binds a value or NULL as the next parameter; a NULL has the value's type.
    package mutating func appendInterpolation<Value: PostgresBindable>(_ value: Value?) {
      shape.append(parameterOf: Value.postgresType)
      parameters.append(value)
    }

    /// Appends SQL text as it is, such as an identifier chosen from a fixed list. Never for text from outside.
    package mutating func appendInterpolation(unescaped text: String) { shape.append(raw: text) }

    /// Splices another query in, renumbering its parameters.
    package mutating func appendInterpolation(fragment query: Query) {
      shape.append(query.shape)
      parameters.append(query.parameters)
    }

    /// Appends a name as a quoted identifier (`"name"`).
    package mutating func appendInterpolation(identifier name: String) {
      shape.append(raw: Query.quoted(identifier: name))
    }
  }

  /// A name between double quotes, inner ones doubled (PostgreSQL manual §4.1.1).
  static func quoted(identifier name: String) -> String {
    var quoted = "\""
    for character in name.unicodeScalars where character != "\0" {
      if character == "\"" { quoted.append("\"") }
      quoted.unicodeScalars.append(character)
    }
    quoted.append("\"")
    return quoted
  }
}

/// What makes two queries the same prepared statement: their literals, by address, raw parts and the parameters' types.
struct QueryShape: Hashable, Sendable {
  private enum Tag {
    static let literal: UInt64 = 1 << 62
    static let parameter: UInt64 = 2 << 62
    static let raw: UInt64 = 3 << 62
    static let mask: UInt64 = 3 << 62
  }

  // A literal is two words (length, address), a parameter one (type), a raw part one (index in `raws`).
  private var words: [UInt64] = []
  private var raws: [String] = []
  private var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325

  init(capacity: Int) { words.reserveCapacity(capacity) }

  static func == (left: QueryShape, right: QueryShape) -> Bool {
    left.fingerprint == right.fingerprint && left.words == right.words && left.raws == right.raws
  }

  func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }

  mutating func append(literal: StaticString) {
    guard literal.hasPointerRepresentation else {
      append(raw: String(literal.unicodeScalar))
      return
    }
    guard literal.utf8CodeUnitCount > 0 else { return }
    append(word: Tag.literal | UInt64(literal.utf8CodeUnitCount))
    append(word: UInt64(UInt(bitPattern: literal.utf8Start)))
  }

  mutating func append(parameterOf type: PostgresType) { append(word: Tag.parameter | UInt64(type.oid)) }

  mutating func append(raw text: String) {
    append(word: Tag.raw | UInt64(raws.count))
    for byte in text.utf8 { mix(UInt64(byte)) }
    raws.append(text)
  }

  mutating func append(_ other: QueryShape) {
    other.forEachPart { part in
      switch part {
      case .literal(let bytes):
        append(word: Tag.literal | UInt64(bytes.count))
        append(word: UInt64(UInt(bitPattern: bytes.baseAddress)))
      case .parameter(let oid): append(word: Tag.parameter | UInt64(oid))
      case .raw(let text): append(raw: text)
      }
    }
  }

  /// The types of the parameters, in order.
  func parameterTypes() -> [UInt32] {
    var types: [UInt32] = []
    forEachPart { if case .parameter(let oid) = $0 { types.append(oid) } }
    return types
  }

  /// The statement's text in UTF-8, without an ending zero.
  func renderedText() -> [UInt8] {
    var text: [UInt8] = []
    var parameter = 0
    forEachPart { part in
      switch part {
      case .literal(let bytes): text.append(contentsOf: bytes)
      case .parameter:
        parameter += 1
        text.append(UInt8(ascii: "$"))
        text.append(contentsOf: String(parameter).utf8)
      case .raw(let raw): text.append(contentsOf: raw.utf8)
      }
    }
    return text
  }

  private enum Part {
    case literal(UnsafeRawBufferPointer)
    case parameter(UInt32)
    case raw(String)
  }

  private func forEachPart(_ body: (Part) -> Void) {
    var index = 0
    while index < words.count {
      let word = words[index]
      switch word & Tag.mask {
      case Tag.literal:
        // The address is that of a `StaticString`: constant for the life of the program.
        let start = UnsafeRawPointer(bitPattern: UInt(words[index + 1]))
        body(.literal(UnsafeRawBufferPointer(start: start, count: Int(word & ~Tag.mask))))
        index += 2
      case Tag.parameter:
        body(.parameter(UInt32(truncatingIfNeeded: word)))
        index += 1
      default:
        body(.raw(raws[Int(word & ~Tag.mask)]))
        index += 1
      }
    }
  }

  private mutating func append(word: UInt64) {
    words.append(word)
    mix(word)
  }

  // One round of a multiply-and-fold hash: literals' addresses are the program's, nobody outside can choose collisions.
  private mutating func mix(_ word: UInt64) {
    let product = (fingerprint ^ word).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
    fingerprint = product.high ^ product.low
  }
}
