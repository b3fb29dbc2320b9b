import CProtobufC
import Glibc

/// A message of any type, reached through its schema instead of generated code; what the JSON codec reads and builds.
///
/// It is a C struct in an arena and valid until that arena is reset. A repeated field is read by index and grows by
/// `put`. A field asked for with an accessor of another kind is a fault of the program and stops it.
package struct DynamicMessage {
  /// The type of the message.
  package let descriptor: MessageDescriptor
  /// Holds the message and everything it points to.
  package let arena: Arena
  let base: UnsafeMutableRawPointer
  /// Whether arrays have the room that `put` expects; those that protobuf-c unpacked do not.
  let isBuilt: Bool

  init(_ descriptor: MessageDescriptor, _ base: UnsafeMutableRawPointer, _ arena: Arena, isBuilt: Bool) {
    self.descriptor = descriptor
    self.base = base
    self.arena = arena
    self.isBuilt = isBuilt
  }

  /// Makes an empty message to `put` fields into.
  package init(_ descriptor: MessageDescriptor, in arena: Arena) {
    let base = arena.allocate(byteCount: Int(descriptor.pointer.pointee.sizeof_message))
    protobuf_c_message_init(descriptor.pointer, base)
    self.init(descriptor, base, arena, isBuilt: true)
  }

  /// Reads a serialized message, to be read only.
  ///
  /// - Throws: a limit is passed, the bytes are malformed, or a string field is not UTF-8 or holds a NUL.
  package init(
    serialized bytes: UnsafeRawBufferPointer, as descriptor: MessageDescriptor, limits: DecodingLimits = .default,
    in arena: Arena
  ) throws(ProtobufError) {
    let message = try unpack(bytes, descriptor.pointer, limits, arena)
    self.init(descriptor, UnsafeMutableRawPointer(message), arena, isBuilt: false)
  }

  /// Reads a serialized message, to be read only; see `init(serialized:as:limits:in:)` of a buffer.
  package init(
    serialized bytes: [UInt8], as descriptor: MessageDescriptor, limits: DecodingLimits = .default, in arena: Arena
  ) throws(ProtobufError) {
    self = try bytes.withTypedThrows { (bytes) throws(ProtobufError) in
      try DynamicMessage(serialized: bytes, as: descriptor, limits: limits, in: arena)
    }
  }

  /// Takes a generated message, to be read only.
  ///
  /// - Throws: a string field holds a NUL character.
  package init<Generated: Message>(_ message: Generated, in arena: Arena) throws(ProtobufError) {
    self.init(Generated.descriptor, try message.makeCMessage(arena), arena, isBuilt: false)
  }

  /// The generated message with the same content; its type must be the one of `descriptor`.
  package func generated<Generated: Message>(as type: Generated.Type) -> Generated {
    precondition(type.descriptor == descriptor, "\(descriptor.fullName) is not a \(type)")
    return Generated(cMessage: base)
  }

  /// The serialized message.
  package func serialized() -> [UInt8] {
    let message = base.assumingMemoryBound(to: ProtobufCMessage.self)
    return [UInt8](unsafeUninitializedCapacity: protobuf_c_message_get_packed_size(message)) { buffer, count in
      count = buffer.baseAddress.map { protobuf_c_message_pack(message, $0) } ?? 0
    }
  }
}

/// Reading.
extension DynamicMessage {
  /// Whether the field would be written: a set message or oneof member, a list with elements, a value other than the
  /// default.
  package func isPresent(_ field: FieldSchema) -> Bool {
    if field.isRepeated { return count(field) > 0 }
    if field.isInOneof { return oneofCase(field) == field.number }
    let member = base + field.offset
    switch field.kind {
    case .message: return member.load(as: UnsafeRawPointer?.self) != nil
    case .string: return member.load(as: UnsafePointer<CChar>?.self).map { $0.pointee != 0 } ?? false
    case .bytes: return member.load(as: ProtobufCBinaryData.self).len > 0
    case .float: return member.load(as: Float.self) != 0
    case .double: return member.load(as: Double.self) != 0
    default:
      return field.elementBytes == 8 ? member.load(as: UInt64.self) != 0 : member.load(as: UInt32.self) != 0
    }
  }

  /// The number of elements of a repeated field.
  package func count(_ field: FieldSchema) -> Int {
    (base + field.quantifierOffset).load(as: Int.self)
  }

  /// The number of the member that is set in the field's oneof, or 0.
  package func oneofCase(_ field: FieldSchema) -> UInt32 {
    (base + field.quantifierOffset).load(as: UInt32.self)
  }

  /// A signed number of 32 or 64 bits, or the number of an enum value.
  package func int64(_ field: FieldSchema, at index: Int = 0) -> Int64 {
    switch field.kind {
    case .int32, .sint32, .sfixed32, .enumeration: Int64(element(field, index).load(as: Int32.self))
    case .int64, .sint64, .sfixed64: element(field, index).load(as: Int64.self)
    default: preconditionFailure("\(field.name) is no signed number")
    }
  }

  /// An unsigned number of 32 or 64 bits.
  package func uint64(_ field: FieldSchema, at index: Int = 0) -> UInt64 {
    switch field.kind {
    case .uint32, .fixed32: UInt64(element(field, index).load(as: UInt32.self))
    case .uint64, .fixed64: element(field, index).load(as: UInt64.self)
    default: preconditionFailure("\(field.name) is no unsigned number")
    }
  }

  /// A `double`.
  package func double(_ field: FieldSchema, at index: Int = 0) -> Double {
    precondition(field.kind == .double, "\(field.name) is no double")
    return element(field, index).load(as: Double.self)
  }

  /// A `float`.
  package func float(_ field: FieldSchema, at index: Int = 0) -> Float {
    precondition(field.kind == .float, "\(field.name) is no float")
    return element(field, index).load(as: Float.self)
  }

  /// A `bool`.
  package func bool(_ field: FieldSchema, at index: Int = 0) -> Bool {
    precondition(field.kind == .bool, "\(field.name) is no bool")
    return element(field, index).load(as: protobuf_c_boolean.self) != 0
  }

  /// The UTF-8 of a string; valid as long as the arena's content.
  package func utf8(_ field: FieldSchema, at index: Int = 0) -> UnsafeRawBufferPointer {
    precondition(field.kind == .string, "\(field.name) is no string")
    guard let text = element(field, index).load(as: UnsafePointer<CChar>?.self) else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(start: text, count: strlen(text))
  }

  /// A string.
  package func string(_ field: FieldSchema, at index: Int = 0) -> String {
    String(decoding: utf8(field, at: index), as: UTF8.self)
  }

  /// A bytes field; valid as long as the arena's content.
  package func bytes(_ field: FieldSchema, at index: Int = 0) -> UnsafeRawBufferPointer {
    precondition(field.kind == .bytes, "\(field.name) is no bytes field")
    let data = element(field, index).load(as: ProtobufCBinaryData.self)
    return UnsafeRawBufferPointer(start: data.data, count: data.len)
  }

  /// A message, or nil when the field is not set.
  package func message(_ field: FieldSchema, at index: Int = 0) -> DynamicMessage? {
    guard let type = field.message else { preconditionFailure("\(field.name) is no message") }
    guard let value = element(field, index).load(as: UnsafeMutableRawPointer?.self) else { return nil }
    return DynamicMessage(type, value, arena, isBuilt: isBuilt)
  }

  private func element(_ field: FieldSchema, _ index: Int) -> UnsafeMutableRawPointer {
    let member = base + field.offset
    guard field.isRepeated else { return member }
    precondition(index >= 0 && index < count(field), "\(field.name) has no element \(index)")
    guard let elements = member.load(as: UnsafeMutableRawPointer?.self) else {
      preconditionFailure("\(field.name) has a count but no elements")
    }
    return elements + index * field.elementBytes
  }
}
