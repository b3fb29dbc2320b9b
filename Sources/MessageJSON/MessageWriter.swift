import Crypto
package import Protobuf

/// Writes any message as JSON by the proto3 mapping, driven by its descriptor.
///
/// Fields that hold their default are left out; 64-bit numbers are strings; enums are names, unknown values numbers;
/// bytes are base64; times are RFC 3339; field masks are lowerCamelCase paths. All goes into one buffer, and the names
/// of fields and of enum values lie there ready in the message's ``MessagePlan``.
package struct MessageWriter {
  private static let bytesExpected = 2_048

  private var output = JSONOutput(capacity: bytesExpected)

  private init() {}

  /// Returns the JSON text of a message.
  package static func json(_ message: DynamicMessage) -> [UInt8] {
    var writer = MessageWriter()
    writer.write(message, MessagePlan.of(message.descriptor))
    return writer.output.bytes
  }

  private mutating func write(_ message: DynamicMessage, _ plan: MessagePlan) {
    if let form = plan.textForm {
      WellKnownTypes.write(message, form, plan, to: &output)
      return
    }
    output.append(byte: "{")
    var isFirst = true
    for field in plan.fields where message.isPresent(field.schema) {
      if !isFirst { output.append(byte: ",") }
      isFirst = false
      output.append(field.key)
      if field.schema.isRepeated {
        output.append(byte: "[")
        for index in 0..<message.count(field.schema) {
          if index > 0 { output.append(byte: ",") }
          write(message, field, at: index)
        }
        output.append(byte: "]")
      } else {
        write(message, field, at: 0)
      }
    }
    output.append(byte: "}")
  }

  private mutating func write(_ message: DynamicMessage, _ field: MessagePlan.Field, at index: Int) {
    let schema = field.schema
    switch schema.kind {
    case .int32, .sint32, .sfixed32: output.append(message.int64(schema, at: index))
    case .uint32, .fixed32: output.append(message.uint64(schema, at: index))
    case .int64, .sint64, .sfixed64: quote { $0.append(message.int64(schema, at: index)) }
    case .uint64, .fixed64: quote { $0.append(message.uint64(schema, at: index)) }
    case .float: output.append(Self.number(message.float(schema, at: index)))
    case .double: output.append(Self.number(message.double(schema, at: index)))
    case .bool: output.append(message.bool(schema, at: index) ? "true" : "false")
    case .enumeration:
      let number = message.int64(schema, at: index)
      if let name = field.quotedName(ofValue: number) { output.append(name) } else { output.append(number) }
    case .string: output.append(quoted: message.utf8(schema, at: index))
    case .bytes: quote { $0.append(Base64.encode(message.bytes(schema, at: index))) }
    case .message:
      if let inner = message.message(schema, at: index), let plan = field.message {
        write(inner, plan)
      } else {
        output.append("{}")
      }
    }
  }

  private mutating func quote(_ body: (inout JSONOutput) -> Void) {
    output.append(byte: "\"")
    body(&output)
    output.append(byte: "\"")
  }

  /// The shortest text that reads back as the same number; the three numbers that JSON lacks are words.
  private static func number(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> String {
    if value.isNaN { return "\"NaN\"" }
    if value.isInfinite { return value < 0 ? "\"-Infinity\"" : "\"Infinity\"" }
    return String(value)
  }
}
