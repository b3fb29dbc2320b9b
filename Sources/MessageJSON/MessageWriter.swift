import Crypto
package import Protobuf

/// Writes any message as JSON by the proto3 mapping, driven by its descriptor.
///
/// Fields that hold their default are left out; 64-bit numbers are strings; enums are names, unknown values numbers;
/// bytes are base64; times are RFC 3339; field masks are lowerCamelCase paths.
package struct MessageWriter {
  private var output: [UInt8] = []

  private init() {}

  /// Returns the JSON text of a message.
  package static func json(_ message: DynamicMessage) -> [UInt8] {
    var writer = MessageWriter()
    writer.output.reserveCapacity(512)
    writer.write(message)
    return writer.output
  }

  private mutating func write(_ message: DynamicMessage) {
    if let text = WellKnownTypes.text(of: message) {
      write(quoted: text.utf8)
      return
    }
    write(byte: "{")
    var isFirst = true
    for field in message.descriptor.schema.fields where message.isPresent(field) {
      if !isFirst { write(byte: ",") }
      isFirst = false
      write(quoted: field.jsonName.utf8)
      write(byte: ":")
      if field.isRepeated {
        write(byte: "[")
        for index in 0..<message.count(field) {
          if index > 0 { write(byte: ",") }
          write(message, field, at: index)
        }
        write(byte: "]")
      } else {
        write(message, field, at: 0)
      }
    }
    write(byte: "}")
  }

  private mutating func write(_ message: DynamicMessage, _ field: FieldSchema, at index: Int) {
    switch field.kind {
    case .int32, .sint32, .sfixed32: write(raw: String(message.int64(field, at: index)))
    case .uint32, .fixed32: write(raw: String(message.uint64(field, at: index)))
    case .int64, .sint64, .sfixed64: write(raw: "\"\(message.int64(field, at: index))\"")
    case .uint64, .fixed64: write(raw: "\"\(message.uint64(field, at: index))\"")
    case .float: write(raw: Self.number(message.float(field, at: index)))
    case .double: write(raw: Self.number(message.double(field, at: index)))
    case .bool: write(raw: message.bool(field, at: index) ? "true" : "false")
    case .enumeration:
      let number = message.int64(field, at: index)
      if let name = field.enumeration?.name(of: Int32(truncatingIfNeeded: number)) {
        write(raw: "\"\(name)\"")
      } else {
        write(raw: String(number))
      }
    case .string:
      message.utf8(field, at: index).withMemoryRebound(to: UInt8.self) { write(quoted: $0) }
    case .bytes:
      write(raw: "\"\(Base64.encode(message.bytes(field, at: index)))\"")
    case .message:
      if let inner = message.message(field, at: index) { write(inner) } else { write(raw: "{}") }
    }
  }

  /// The shortest text that reads back as the same number; the three numbers that JSON lacks are words.
  private static func number(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> String {
    if value.isNaN { return "\"NaN\"" }
    if value.isInfinite { return value < 0 ? "\"-Infinity\"" : "\"Infinity\"" }
    return String(value)
  }

  private mutating func write(byte: Unicode.Scalar) { output.append(UInt8(ascii: byte)) }

  private mutating func write(raw: String) { output.append(contentsOf: raw.utf8) }

  private mutating func write(quoted text: some Sequence<UInt8>) { JSONWriter.write(quoted: text, to: &output) }
}
