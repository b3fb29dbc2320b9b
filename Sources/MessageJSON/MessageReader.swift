import Crypto
package import Protobuf

/// Why a JSON value does not fit a message, and where.
package struct JSONMappingError: Error, Equatable {
  /// Path of the member, as in `customer.email` or `spans[2].start`; empty for the whole body.
  package let path: String
  /// What is wrong there, in words.
  package let problem: String

  /// Creates an error.
  package init(path: String, problem: String) {
    self.path = path
    self.problem = problem
  }
}

/// Fills any message from JSON by the proto3 mapping, driven by its descriptor.
///
/// Takes the JSON name and the proto name of a field, numbers as strings, enum values as names or numbers, both forms
/// of base64. `null` leaves a field out. Unknown members are refused, so that a misspelt field is never lost silently.
package enum MessageReader {
  /// Reads an object into a message.
  ///
  /// - Throws: ``JSONMappingError``.
  package static func read(
    _ value: JSONValue, into message: DynamicMessage, path: String = ""
  ) throws(JSONMappingError) {
    try read(value, into: message, MessagePlan.of(message.descriptor), path)
  }

  private static func read(
    _ value: JSONValue, into message: DynamicMessage, _ plan: MessagePlan, _ path: String
  ) throws(JSONMappingError) {
    if let form = plan.textForm {
      guard case .string(let text) = value, WellKnownTypes.put(text, into: message, form, plan) else {
        throw JSONMappingError(path: path, problem: WellKnownTypes.expectation(form))
      }
      return
    }
    guard case .object(let members) = value else {
      throw JSONMappingError(path: path, problem: "must be an object")
    }
    var seen: Set<UInt32> = []
    for member in members {
      let memberPath = path.isEmpty ? member.name : "\(path).\(member.name)"
      guard let field = plan.field(named: member.name) else {
        throw JSONMappingError(path: memberPath, problem: "there is no such field")
      }
      let schema = field.schema
      guard seen.insert(schema.number).inserted else {
        throw JSONMappingError(path: memberPath, problem: "stands here under both of its names")
      }
      if member.value == .null { continue }
      if schema.isInOneof, message.oneofCase(schema) != 0 {
        throw JSONMappingError(path: memberPath, problem: "another field of the same choice is set already")
      }
      try read(member.value, into: message, field, memberPath)
    }
  }

  /// Puts the text of a path or query parameter into a field, which may be named by a dotted path.
  ///
  /// - Throws: ``JSONMappingError``.
  package static func put(
    parameter text: String, named name: String, into message: DynamicMessage
  ) throws(JSONMappingError) {
    var (target, plan) = (message, MessagePlan.of(message.descriptor))
    var rest = Substring(name)
    while let dot = rest.utf8.firstIndex(of: UInt8(ascii: ".")) {
      guard let field = plan.field(named: String(rest[..<dot])), let inner = field.message, !field.schema.isRepeated
      else { throw JSONMappingError(path: name, problem: "there is no such field") }
      target = target.message(field.schema) ?? target.putMessage(in: field.schema)
      plan = inner
      rest = rest[rest.index(after: dot)...]
    }
    guard let field = plan.field(named: String(rest)) else {
      throw JSONMappingError(path: name, problem: "there is no such field")
    }
    if field.schema.kind == .bool {
      guard text == "true" || text == "false" else {
        throw JSONMappingError(path: name, problem: "must be true or false")
      }
      target.put(text == "true", in: field.schema)
    } else {
      try readElement(.string(text), into: target, field, name)
    }
  }

  private static func read(
    _ value: JSONValue, into message: DynamicMessage, _ field: MessagePlan.Field, _ path: String
  ) throws(JSONMappingError) {
    guard field.schema.isRepeated else { return try readElement(value, into: message, field, path) }
    guard case .array(let elements) = value else { throw JSONMappingError(path: path, problem: "must be an array") }
    for (index, element) in elements.enumerated() {
      try readElement(element, into: message, field, "\(path)[\(index)]")
    }
  }

  private static func readElement(
    _ value: JSONValue, into message: DynamicMessage, _ field: MessagePlan.Field, _ path: String
  ) throws(JSONMappingError) {
    let schema = field.schema
    func fail(_ problem: String) -> JSONMappingError { JSONMappingError(path: path, problem: problem) }
    do {
      switch schema.kind {
      case .int32, .sint32, .sfixed32, .int64, .sint64, .sfixed64:
        guard let number = JSONNumber.integer(value, as: Int64.self) else { throw fail("must be a whole number") }
        try message.put(number, in: schema)
      case .uint32, .fixed32, .uint64, .fixed64:
        guard let number = JSONNumber.integer(value, as: UInt64.self) else {
          throw fail("must be a whole number, 0 or more")
        }
        try message.put(number, in: schema)
      case .float, .double:
        guard let number = JSONNumber.double(value) else { throw fail("must be a number") }
        try message.put(number, in: schema)
      case .bool:
        guard case .bool(let flag) = value else { throw fail("must be true or false") }
        message.put(flag, in: schema)
      case .enumeration:
        try message.put(Int64(try enumNumber(value, schema, path)), in: schema)
      case .string:
        guard case .string(let text) = value else { throw fail("must be a text") }
        try message.put(text, in: schema)
      case .bytes:
        guard case .string(let text) = value, let bytes = Base64.decode(text) ?? Base64URL.decode(text) else {
          throw fail("must be base64")
        }
        message.put(bytes: bytes, in: schema)
      case .message:
        guard let plan = field.message else { throw fail("cannot be read") }
        try read(value, into: message.putMessage(in: schema), plan, path)
      }
    } catch let error as ProtobufError {
      throw fail(problem(error))
    } catch let error as JSONMappingError {
      throw error
    } catch {
      throw fail("cannot be read")
    }
  }

  private static func problem(_ error: ProtobufError) -> String {
    switch error.reason {
    case .outOfRange: "is out of the range of the field"
    case .nulInString: "must not hold a NUL character"
    default: "cannot be read"
    }
  }

  private static func enumNumber(
    _ value: JSONValue, _ field: FieldSchema, _ path: String
  ) throws(JSONMappingError) -> Int32 {
    switch value {
    case .string(let name):
      if let number = field.enumeration?.number(of: name) { return number }
      let names = field.enumeration?.values.map(\.name).joined(separator: ", ") ?? ""
      throw JSONMappingError(path: path, problem: "must be one of \(names)")
    default:
      guard let number = JSONNumber.integer(value, as: Int32.self) else {
        throw JSONMappingError(path: path, problem: "must be the name of a value")
      }
      return number
    }
  }
}

/// Numbers of JSON, which may also come as strings.
enum JSONNumber {
  /// A whole number, also written as `1.0` or `1e3`; nil when it is none or does not fit.
  static func integer<Number: FixedWidthInteger>(_ value: JSONValue, as type: Number.Type) -> Number? {
    let text: String
    switch value {
    case .number(let number): text = number
    case .string(let string): text = string
    default: return nil
    }
    guard text.utf8.count <= 64, text.first != "+" else { return nil }
    if let number = Number(text) { return number }
    guard text.contains(where: { $0 == "." || $0 == "e" || $0 == "E" }), let number = Double(text),
      number.rounded() == number, abs(number) < 9_007_199_254_740_992
    else { return nil }
    return Number(exactly: number)
  }

  /// A number; the three that JSON lacks come as words.
  static func double(_ value: JSONValue) -> Double? {
    switch value {
    case .number(let text): return finite(text)
    case .string("NaN"): return .nan
    case .string("Infinity"): return .infinity
    case .string("-Infinity"): return -.infinity
    case .string(let text):
      guard text.utf8.count <= 400, text.utf8.allSatisfy({ "+-.eE0123456789".utf8.contains($0) }) else { return nil }
      return finite(text)
    default: return nil
    }
  }

  private static func finite(_ text: String) -> Double? {
    guard let number = Double(text), number.isFinite else { return nil }
    return number
  }
}
