import CProtobufC

/// Walks a serialized message by its descriptor before protobuf-c may see it.
///
/// protobuf-c recurses as deep as the bytes say, allocates before it has read, checks no UTF-8 and cuts a string at its
/// first NUL. What passes this scan is within the limits and holds only what the C structs can carry.
struct WireScanner {
  typealias Descriptor = UnsafePointer<ProtobufCMessageDescriptor>
  typealias Field = UnsafePointer<ProtobufCFieldDescriptor>

  private let limits: DecodingLimits
  private var elementsLeft: Int

  /// Whether a singular message field occurs more than once, which must be merged before protobuf-c reads it.
  private(set) var needsMerge = false

  init(_ limits: DecodingLimits) {
    self.limits = limits
    elementsLeft = limits.elementsMax
  }

  /// Checks the whole message; an error's path begins with the message's full name.
  mutating func scan(_ bytes: UnsafeRawBufferPointer, _ descriptor: Descriptor) throws(ProtobufError) {
    do throws(ProtobufError) {
      guard bytes.count <= limits.bytesMax else { throw ProtobufError(.tooLarge(bytesMax: limits.bytesMax)) }
      try scan(bytes, descriptor, depth: 1)
    } catch {
      throw error.inside(descriptor.pointee.name)
    }
  }

  private mutating func scan(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: Descriptor, depth: Int
  ) throws(ProtobufError) {
    guard depth <= limits.depthMax else { throw ProtobufError(.tooDeep(max: limits.depthMax)) }
    var cursor = WireCursor(bytes)
    var messagesSeen: UInt64 = 0
    while !cursor.isAtEnd {
      let (number, wireType) = try cursor.tag()
      try count(1)
      guard let field = descriptor.field(number) else {
        try cursor.skipValue(wireType)
        continue
      }
      if field.pointee.type == PROTOBUF_C_TYPE_MESSAGE && field.pointee.label != PROTOBUF_C_LABEL_REPEATED {
        // Fields from the 64th on share a bit: taking a merge for needed when it is not does no harm.
        let bit = UInt64(1) << UInt64(min(field - UnsafePointer(descriptor.pointee.fields), 63))
        if messagesSeen & bit != 0 { needsMerge = true }
        messagesSeen |= bit
      }
      do throws(ProtobufError) {
        try scanValue(&cursor, field, wireType, depth)
      } catch {
        throw error.inside(field.pointee.name)
      }
    }
  }

  private mutating func scanValue(
    _ cursor: inout WireCursor, _ field: Field, _ wireType: UInt8, _ depth: Int
  ) throws(ProtobufError) {
    let expected = wireTypeOf(field.pointee.type)
    guard wireType == expected else {
      guard wireType == WireType.delimited, field.pointee.label == PROTOBUF_C_LABEL_REPEATED else {
        if wireType == WireType.startGroup || wireType == WireType.endGroup {
          throw ProtobufError(.groupNotSupported)
        }
        throw ProtobufError(.wrongWireType)
      }
      return try scanPacked(cursor.delimited(), elementWireType: expected)
    }
    switch field.pointee.type {
    case PROTOBUF_C_TYPE_STRING:
      let text = try cursor.delimited()
      guard let start = text.baseAddress, let fault = textFault(start, count: text.count) else { return }
      throw ProtobufError(fault == .nul ? .nulInString : .invalidUTF8)
    case PROTOBUF_C_TYPE_MESSAGE:
      let message = try cursor.delimited()
      try scan(message, field.pointee.descriptor.assumingMemoryBound(to: Descriptor.Pointee.self), depth: depth + 1)
    default:
      try cursor.skipValue(wireType)
    }
  }

  private mutating func scanPacked(
    _ bytes: UnsafeRawBufferPointer, elementWireType: UInt8
  ) throws(ProtobufError) {
    switch elementWireType {
    case WireType.varint:
      var cursor = WireCursor(bytes)
      while !cursor.isAtEnd {
        try cursor.skipVarint()
        try count(1)
      }
    case WireType.fixed32:
      guard bytes.count % 4 == 0 else { throw ProtobufError(.malformedPackedField) }
      try count(bytes.count / 4)
    default:
      guard bytes.count % 8 == 0 else { throw ProtobufError(.malformedPackedField) }
      try count(bytes.count / 8)
    }
  }

  private mutating func count(_ elements: Int) throws(ProtobufError) {
    elementsLeft -= elements
    guard elementsLeft >= 0 else { throw ProtobufError(.tooManyElements(max: limits.elementsMax)) }
  }
}

/// The wire type a value of this type has when it is not packed.
private func wireTypeOf(_ type: ProtobufCType) -> UInt8 {
  switch type {
  case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: WireType.delimited
  case PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_FLOAT: WireType.fixed32
  case PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_DOUBLE: WireType.fixed64
  default: WireType.varint
  }
}

extension UnsafePointer<ProtobufCMessageDescriptor> {
  /// The field with this number, or nil; the fields are sorted by number, most often 1, 2, 3…
  func field(_ number: UInt32) -> UnsafePointer<ProtobufCFieldDescriptor>? {
    let count = Int(pointee.n_fields)
    guard count > 0, let fields = pointee.fields else { return nil }
    let guess = Int(number) - 1
    if guess < count, fields[guess].id == number { return fields + guess }
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if fields[middle].id < number { low = middle + 1 } else { high = middle }
    }
    return low < count && fields[low].id == number ? fields + low : nil
  }
}
