import CDescriptorProtos

/// The Swift code of one field: its type and how it travels to and from the C struct.
struct FieldCode {
  let field: ProtoField
  /// The field's property or oneof case.
  let name: String
  /// The type of one element.
  let elementType: String
  /// Whether the property is kept in a `Box`.
  let isBoxed: Bool

  private enum Shape {
    case number, bool, enumeration, string, bytes, message
  }

  private let shape: Shape
  private let path: String

  init(_ field: ProtoField, in message: ProtoMessage, _ types: TypeIndex) throws {
    self.field = field
    name = SwiftName.property(field.name)
    path = "\(message.fullName).\(field.name)"
    isBoxed = types.isRecursive(field, in: message)
    switch field.kind {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM:
      (shape, elementType) = (.enumeration, try types.swiftType(field.typeName))
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE:
      (shape, elementType) = (.message, try types.swiftType(field.typeName))
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING: (shape, elementType) = (.string, "String")
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES: (shape, elementType) = (.bytes, "[UInt8]")
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL: (shape, elementType) = (.bool, "Bool")
    default: (shape, elementType) = (.number, try Self.numberType(field.kind, path))
    }
  }

  private static func numberType(_ kind: ProtoField.Kind, _ path: String) throws -> String {
    switch kind {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32:
      return "Int32"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64:
      return "Int64"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32:
      return "UInt32"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64:
      return "UInt64"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT: return "Float"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE: return "Double"
    default: throw GeneratorError("\(path): groups are not part of proto3")
    }
  }

  /// The type of the property outside a oneof.
  var propertyType: String {
    if field.isRepeated { return "[\(elementType)]" }
    return shape == .message ? elementType + "?" : elementType
  }

  /// The default of the property outside a oneof.
  var defaultValue: String {
    if field.isRepeated { return "[]" }
    switch shape {
    case .number: return "0"
    case .bool: return "false"
    case .enumeration: return "\(elementType)()"
    case .string: return "\"\""
    case .bytes: return "[]"
    case .message: return "nil"
    }
  }

  private var member: String {
    let name = CName.member(field.name)
    // Behind a dot, these two alone mean something else without backticks.
    return "c.pointee." + (name == "init" || name == "self" ? "`\(name)`" : name)
  }
  private var countMember: String { "c.pointee.n_\(CName.member(field.name))" }

  /// The expression that reads the property, or the value of the oneof case, from the C struct `c`.
  var read: String {
    guard !field.isRepeated else {
      switch shape {
      case .number: return "CFields.numbers(\(member), \(countMember))"
      case .bool: return "CFields.bools(\(member), \(countMember))"
      case .enumeration: return "CFields.enums(\(member), \(countMember))"
      case .string: return "CFields.strings(\(member), \(countMember))"
      case .bytes: return "CFields.byteArrays(\(member), \(countMember))"
      case .message: return "CFields.messages(\(member), \(countMember))"
      }
    }
    switch shape {
    case .number: return member
    case .bool: return "\(member) != 0"
    case .enumeration: return "\(elementType)(rawValue: Int32(truncatingIfNeeded: \(member).rawValue))"
    case .string: return "CFields.string(\(member))"
    case .bytes: return "CFields.bytes(\(member))"
    case .message:
      return field.oneofIndex == nil ? "CFields.message(\(member))" : "CFields.message(\(member)) ?? \(elementType)()"
    }
  }

  /// The lines that write a value into the C struct `c`, for the value named `value`.
  func write(_ value: String) -> [String] {
    let cType = CName.type(field.typeName)
    guard !field.isRepeated else {
      let pointer: String
      switch shape {
      case .number: pointer = "arena.numbers(\(value))"
      case .bool: pointer = "arena.bools(\(value))"
      case .enumeration: pointer = "arena.enums(\(value)).assumingMemoryBound(to: \(cType).self)"
      case .string: pointer = "try arena.strings(\(value), \"\(path)\")"
      case .bytes: pointer = "arena.byteArrays(\(value))"
      case .message:
        pointer = "try arena.messages(\(value)).assumingMemoryBound(to: UnsafeMutablePointer<\(cType)>?.self)"
      }
      return ["\(countMember) = \(value).count", "\(member) = \(pointer)"]
    }
    switch shape {
    case .number: return ["\(member) = \(value)"]
    case .bool: return ["\(member) = \(value) ? 1 : 0"]
    case .enumeration: return ["\(member) = .init(rawValue: .init(truncatingIfNeeded: \(value).rawValue))"]
    case .string: return ["\(member) = try arena.string(\(value), \"\(path)\")"]
    case .bytes: return ["\(member) = arena.bytes(\(value))"]
    case .message:
      return ["\(member) = try \(value).makeCMessage(arena).assumingMemoryBound(to: \(cType).self)"]
    }
  }

  /// The condition under which a property outside a oneof is written at all, or nil for always.
  var writeCondition: String? {
    if field.isRepeated || shape == .string { return "!\(name).isEmpty" }
    return shape == .message ? "let \(name)" : nil
  }
}
