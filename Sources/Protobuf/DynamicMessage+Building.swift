import CProtobufC

/// Building. Each `put` sets a field, appends to a repeated one, or makes a oneof hold this member and no other.
extension DynamicMessage {
  /// Puts a whole number into any integer field or an enum field, whose unknown numbers are kept.
  ///
  /// - Throws: `outOfRange` when the field's type cannot hold it.
  package func put(_ value: Int64, in field: FieldSchema) throws(ProtobufError) {
    switch field.kind {
    case .int32, .sint32, .sfixed32, .enumeration: try store(Int32(exactly: value), field)
    case .int64, .sint64, .sfixed64: try store(value, field)
    case .uint32, .fixed32: try store(UInt32(exactly: value), field)
    case .uint64, .fixed64: try store(UInt64(exactly: value), field)
    default: preconditionFailure("\(field.name) is no integer")
    }
  }

  /// Puts a whole number into any integer field.
  ///
  /// - Throws: `outOfRange` when the field's type cannot hold it.
  package func put(_ value: UInt64, in field: FieldSchema) throws(ProtobufError) {
    switch field.kind {
    case .uint64, .fixed64: try store(value, field)
    default:
      guard let signed = Int64(exactly: value) else { throw ProtobufError(.outOfRange, path: field.name) }
      try put(signed, in: field)
    }
  }

  /// Puts a number into a `double` or `float` field.
  ///
  /// - Throws: `outOfRange` when a finite number is too large for a `float`.
  package func put(_ value: Double, in field: FieldSchema) throws(ProtobufError) {
    switch field.kind {
    case .double: try store(value, field)
    case .float:
      let narrow = Float(value)
      try store(value.isFinite && !narrow.isFinite ? nil : narrow, field)
    default: preconditionFailure("\(field.name) is no float or double")
    }
  }

  /// Puts a truth value into a `bool` field.
  package func put(_ value: Bool, in field: FieldSchema) {
    precondition(field.kind == .bool, "\(field.name) is no bool")
    slot(field).storeBytes(of: value ? 1 : 0, as: protobuf_c_boolean.self)
  }

  /// Puts text into a string field.
  ///
  /// - Throws: the text holds a NUL character.
  package func put(_ value: String, in field: FieldSchema) throws(ProtobufError) {
    precondition(field.kind == .string, "\(field.name) is no string")
    try store(arena.copyText(value), field, else: .nulInString)
  }

  /// Puts text into a string field.
  ///
  /// - Throws: the text is not UTF-8 or holds a NUL character.
  package func put(utf8 text: UnsafeRawBufferPointer, in field: FieldSchema) throws(ProtobufError) {
    precondition(field.kind == .string, "\(field.name) is no string")
    if let start = text.baseAddress, let fault = textFault(start, count: text.count) {
      throw ProtobufError(fault == .nul ? .nulInString : .invalidUTF8, path: field.name)
    }
    let copy = arena.allocate(byteCount: text.count + 1)
    UnsafeMutableRawBufferPointer(start: copy, count: text.count).copyMemory(from: text)
    copy.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
    slot(field).storeBytes(of: copy, as: UnsafeMutableRawPointer.self)
  }

  /// Puts bytes into a bytes field.
  package func put(bytes value: [UInt8], in field: FieldSchema) {
    precondition(field.kind == .bytes, "\(field.name) is no bytes field")
    slot(field).storeBytes(of: arena.bytes(value), as: ProtobufCBinaryData.self)
  }

  /// Makes an empty message in the field and returns it, to put fields into.
  package func putMessage(in field: FieldSchema) -> DynamicMessage {
    guard let type = field.message else { preconditionFailure("\(field.name) is no message") }
    let message = DynamicMessage(type, in: arena)
    slot(field).storeBytes(of: message.base, as: UnsafeMutableRawPointer.self)
    return message
  }

  /// The message with these fields alone, named as in the proto file; to be read only. It shares what they point to.
  package func keeping(only names: Set<String>) -> DynamicMessage {
    let kept = DynamicMessage(descriptor, in: arena)
    for field in descriptor.schema.fields where names.contains(field.name) {
      guard field.isRepeated || field.isInOneof else {
        (kept.base + field.offset).copyMemory(from: base + field.offset, byteCount: field.elementBytes)
        continue
      }
      if field.isInOneof, oneofCase(field) != field.number { continue }
      // Of a list, the struct has the address and the count.
      let valueBytes = field.isRepeated ? MemoryLayout<UnsafeRawPointer>.size : field.elementBytes
      let quantifierBytes = field.isRepeated ? MemoryLayout<Int>.size : MemoryLayout<UInt32>.size
      (kept.base + field.offset).copyMemory(from: base + field.offset, byteCount: valueBytes)
      (kept.base + field.quantifierOffset).copyMemory(from: base + field.quantifierOffset, byteCount: quantifierBytes)
    }
    return DynamicMessage(descriptor, kept.base, arena, isBuilt: false)
  }

  private func store<Value>(
    _ value: Value?, _ field: FieldSchema, else reason: ProtobufError.Reason = .outOfRange
  ) throws(ProtobufError) {
    guard let value else { throw ProtobufError(reason, path: field.name) }
    slot(field).storeBytes(of: value, as: Value.self)
  }

  /// Where the field's value, or its next element, belongs.
  private func slot(_ field: FieldSchema) -> UnsafeMutableRawPointer {
    precondition(isBuilt, "a message that was read cannot be changed")
    let member = base + field.offset
    let quantifier = base + field.quantifierOffset
    if field.isInOneof { quantifier.storeBytes(of: field.number, as: UInt32.self) }
    guard field.isRepeated else { return member }
    let count = quantifier.load(as: Int.self)
    quantifier.storeBytes(of: count + 1, as: Int.self)
    let old = member.load(as: UnsafeMutableRawPointer?.self)
    // There is room for 4, 8, 16 … elements: at these counts the array is full.
    if let old, count < 4 || count & (count - 1) != 0 { return old + count * field.elementBytes }
    let elements = arena.allocate(byteCount: max(4, count * 2) * field.elementBytes)
    if let old { elements.copyMemory(from: old, byteCount: count * field.elementBytes) }
    member.storeBytes(of: elements, as: UnsafeMutableRawPointer.self)
    return elements + count * field.elementBytes
  }
}
