import MessageJSON
import Protobuf

/// Message types as JSON Schema (2020-12), as proto3's JSON mapping writes them.
struct JSONSchema {
  private let words: ReferenceText

  init(_ words: ReferenceText) { self.words = words }

  /// Where a message's schema stands in the document.
  static func reference(_ message: MessageDescriptor) -> JSONValue {
    .members([("$ref", .string("#/components/schemas/\(name(of: message))"))])
  }

  /// The name under which a schema stands: the message's, nested ones behind their own: `Ticket`, `TriggerResult.Send`.
  static func name(of message: MessageDescriptor) -> String {
    let parts = message.fullName.split(separator: ".")
    return parts.drop { $0.first?.isUppercase != true }.joined(separator: ".")
  }

  /// The schema of a message that is a text in JSON; nil for others.
  static func text(of message: MessageDescriptor) -> JSONValue? {
    switch message.fullName {
    case "google.protobuf.Timestamp": .members([("type", .string("string")), ("format", .string("date-time"))])
    case "google.protobuf.Duration":
      .members([("type", .string("string")), ("pattern", .string("^-?[0-9]+(\\.[0-9]{1,9})?s$"))])
    case "google.protobuf.FieldMask":
      .members([
        ("type", .string("string")),
        ("description", .string("Paths of fields in lowerCamelCase, separated by commas.")),
      ])
    default: nil
    }
  }

  /// The schema of a message.
  ///
  /// - Parameter without: a field that is left out.
  func schema(of message: MessageDescriptor, without: String? = nil) -> JSONValue {
    var members: [(String, JSONValue)] = [("type", .string("object"))]
    let text = words.text(message.fullName)
    if !text.isEmpty { members.append(("description", .string(text))) }
    let fields = message.schema.fields.filter { $0.name != without }
    members.append(
      (
        "properties",
        .members(
          fields.map { field in
            (field.jsonName, described(field, words.text("\(message.fullName).\(field.name)")))
          })
      ))
    // Unknown fields are refused, and none are sent.
    members.append(("additionalProperties", .bool(false)))
    return .members(members)
  }

  /// The schema of a field's value with what is said of it.
  func described(_ field: FieldSchema, _ text: String) -> JSONValue {
    guard case .object(let members) = value(field), !text.isEmpty else { return value(field) }
    return .object(members + [JSONMember(name: "description", value: .string(text))])
  }

  /// The schema of a field's value.
  func value(_ field: FieldSchema) -> JSONValue {
    let one = element(field)
    return field.isRepeated ? .members([("type", .string("array")), ("items", one)]) : one
  }

  private func element(_ field: FieldSchema) -> JSONValue {
    func type(_ name: String, _ format: String? = nil) -> JSONValue {
      .members([("type", .string(name))] + (format.map { [("format", .string($0))] } ?? []))
    }
    switch field.kind {
    case .int32, .sint32, .sfixed32: return type("integer", "int32")
    case .uint32, .fixed32:
      return .members([("type", .string("integer")), ("minimum", .number("0")), ("maximum", .number("4294967295"))])
    case .int64, .sint64, .sfixed64: return digits("^-?[0-9]{1,19}$", "int64")
    case .uint64, .fixed64: return digits("^[0-9]{1,20}$", "uint64")
    case .float, .double: return type("number")
    case .bool: return type("boolean")
    case .string: return type("string")
    case .bytes: return .members([("type", .string("string")), ("contentEncoding", .string("base64"))])
    case .enumeration:
      let names = field.enumeration?.values.map { JSONValue.string($0.name) } ?? []
      return .members([("type", .string("string")), ("enum", .array(names))])
    case .message:
      guard let message = field.message else { return type("object") }
      return Self.text(of: message) ?? Self.reference(message)
    }
  }

  /// Numbers that JavaScript's cannot hold are texts.
  private func digits(_ pattern: String, _ format: String) -> JSONValue {
    .members([("type", .string("string")), ("format", .string(format)), ("pattern", .string(pattern))])
  }

  /// All messages that some use, themselves included, by name; those that are texts left out.
  static func closure(of messages: [MessageDescriptor]) -> [String: MessageDescriptor] {
    var found: [String: MessageDescriptor] = [:]
    var rest = messages
    while let message = rest.popLast() {
      guard text(of: message) == nil, found[name(of: message)] == nil else { continue }
      found[name(of: message)] = message
      rest += message.schema.fields.compactMap(\.message)
    }
    return found
  }
}

extension JSONValue {
  /// An object of members in this order.
  static func members(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(members.map { JSONMember(name: $0.0, value: $0.1) })
  }
}
