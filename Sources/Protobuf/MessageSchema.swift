import CProtobufC
import Synchronization

/// The declared type of a field.
package enum FieldKind: Sendable {
  case int32, sint32, sfixed32, int64, sint64, sfixed64
  case uint32, fixed32, uint64, fixed64
  case float, double, bool, enumeration, string, bytes, message
}

/// One field of a message type.
package struct FieldSchema: Sendable {
  /// The name in the proto file.
  package let name: String
  /// The lowerCamelCase name of the proto3 JSON mapping; protobuf-c keeps no `json_name` option.
  package let jsonName: String
  /// The field number.
  package let number: UInt32
  /// The declared type; of each element when the field is repeated.
  package let kind: FieldKind
  /// Whether the field is a list. A map is a list of its `…Entry` messages.
  package let isRepeated: Bool
  /// Whether the field is a member of a oneof.
  package let isInOneof: Bool
  /// Whether absence differs from the default value: messages, and members of a oneof.
  package let hasPresence: Bool
  /// The message type of a field of kind `message`.
  package let message: MessageDescriptor?
  /// The enum type of a field of kind `enumeration`.
  package let enumeration: EnumDescriptor?

  let offset: Int
  /// Where the count of a repeated field, the case of a oneof or the `has_` flag of a proto2 field is.
  let quantifierOffset: Int
  let elementBytes: Int

  init(_ field: ProtobufCFieldDescriptor) {
    name = String(cString: field.name)
    jsonName = Self.jsonName(name)
    number = field.id
    (kind, elementBytes) = Self.kind(field.type)
    isRepeated = field.label == PROTOBUF_C_LABEL_REPEATED
    isInOneof = field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0
    hasPresence = !isRepeated && (isInOneof || kind == .message)
    message =
      kind == .message
      ? MessageDescriptor(field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)) : nil
    enumeration =
      kind == .enumeration
      ? EnumDescriptor(pointer: field.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)) : nil
    offset = Int(field.offset)
    quantifierOffset = Int(field.quantifier_offset)
  }

  /// protoc's rule: an underscore is dropped and the letter after it becomes a capital.
  private static func jsonName(_ name: String) -> String {
    var result = ""
    var capitalize = false
    for character in name {
      if character == "_" {
        capitalize = true
      } else {
        result += capitalize ? character.uppercased() : String(character)
        capitalize = false
      }
    }
    return result
  }

  private static func kind(_ type: ProtobufCType) -> (FieldKind, Int) {
    switch type {
    case PROTOBUF_C_TYPE_INT32: (.int32, 4)
    case PROTOBUF_C_TYPE_SINT32: (.sint32, 4)
    case PROTOBUF_C_TYPE_SFIXED32: (.sfixed32, 4)
    case PROTOBUF_C_TYPE_INT64: (.int64, 8)
    case PROTOBUF_C_TYPE_SINT64: (.sint64, 8)
    case PROTOBUF_C_TYPE_SFIXED64: (.sfixed64, 8)
    case PROTOBUF_C_TYPE_UINT32: (.uint32, 4)
    case PROTOBUF_C_TYPE_FIXED32: (.fixed32, 4)
    case PROTOBUF_C_TYPE_UINT64: (.uint64, 8)
    case PROTOBUF_C_TYPE_FIXED64: (.fixed64, 8)
    case PROTOBUF_C_TYPE_FLOAT: (.float, 4)
    case PROTOBUF_C_TYPE_DOUBLE: (.double, 8)
    case PROTOBUF_C_TYPE_BOOL: (.bool, MemoryLayout<protobuf_c_boolean>.size)
    case PROTOBUF_C_TYPE_ENUM: (.enumeration, 4)
    case PROTOBUF_C_TYPE_STRING: (.string, MemoryLayout<UnsafeRawPointer>.size)
    case PROTOBUF_C_TYPE_BYTES: (.bytes, MemoryLayout<ProtobufCBinaryData>.size)
    default: (.message, MemoryLayout<UnsafeRawPointer>.size)
    }
  }
}

/// A message type taken apart for code that handles any message, such as the JSON codec; made once per type.
package final class MessageSchema: Sendable {
  /// The full name, such as `handoff.tickets.v1.Ticket`.
  package let fullName: String
  /// The fields in the order of their numbers.
  package let fields: [FieldSchema]
  private let indexByName: [String: Int]

  private init(_ descriptor: MessageDescriptor) {
    fullName = descriptor.fullName
    let message = descriptor.pointer.pointee
    fields = UnsafeBufferPointer(start: message.fields, count: Int(message.n_fields)).map { FieldSchema($0) }
    var indexByName: [String: Int] = [:]
    for (index, field) in fields.enumerated() {
      indexByName[field.name] = index
      indexByName[field.jsonName] = index
    }
    self.indexByName = indexByName
  }

  /// Finds a field by its JSON name or its proto name: JSON readers must take both.
  package func field(named name: String) -> FieldSchema? {
    indexByName[name].map { fields[$0] }
  }

  /// Finds a field by its number.
  package func field(number: UInt32) -> FieldSchema? {
    fields.first { $0.number == number }
  }

  private static let known = Mutex<[MessageDescriptor: MessageSchema]>([:])

  static func of(_ descriptor: MessageDescriptor) -> MessageSchema {
    known.withLock { known in
      if let schema = known[descriptor] { return schema }
      let schema = MessageSchema(descriptor)
      known[descriptor] = schema
      return schema
    }
  }
}
