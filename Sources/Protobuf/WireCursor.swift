/// The wire types of proto3; 3 and 4 were groups.
enum WireType {
  static let varint: UInt8 = 0
  static let fixed64: UInt8 = 1
  static let delimited: UInt8 = 2
  static let startGroup: UInt8 = 3
  static let endGroup: UInt8 = 4
  static let fixed32: UInt8 = 5
}

/// A reader of tags, numbers and lengths that never passes the end of its bytes.
struct WireCursor {
  var next: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>

  init(_ bytes: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; any other will do, since it is never read.
    let start = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped
    next = start.assumingMemoryBound(to: UInt8.self)
    end = next + bytes.count
  }

  var isAtEnd: Bool { next == end }
  var remaining: Int { end - next }

  /// Reads a tag of at most five bytes, the most that protobuf-c reads.
  mutating func tag() throws(ProtobufError) -> (field: UInt32, wireType: UInt8) {
    let first = next.pointee
    if first < 0x80 {
      guard first >= 8 else { throw ProtobufError(.malformedTag) }
      next += 1
      return (UInt32(first >> 3), first & 7)
    }
    var value: UInt64 = 0
    for index in 0..<5 {
      guard index < remaining else { throw ProtobufError(.truncated) }
      let byte = next[index]
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 {
        guard value <= UInt64(UInt32.max), value >= 8, first & 0xF8 != 0 else { throw ProtobufError(.malformedTag) }
        next += index + 1
        return (UInt32(value >> 3), UInt8(value & 7))
      }
    }
    throw ProtobufError(.malformedTag)
  }

  mutating func varint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<10 {
      guard index < remaining else { throw ProtobufError(.truncated) }
      let byte = next[index]
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 {
        next += index + 1
        return value
      }
    }
    throw ProtobufError(.malformedVarint)
  }

  mutating func skipVarint() throws(ProtobufError) {
    for index in 0..<10 {
      guard index < remaining else { throw ProtobufError(.truncated) }
      if next[index] < 0x80 {
        next += index + 1
        return
      }
    }
    throw ProtobufError(.malformedVarint)
  }

  mutating func skip(_ count: Int) throws(ProtobufError) {
    guard count <= remaining else { throw ProtobufError(.truncated) }
    next += count
  }

  /// Reads a length of at most five bytes and the bytes it announces.
  mutating func delimited() throws(ProtobufError) -> UnsafeRawBufferPointer {
    var length = 0
    for index in 0..<5 {
      guard index < remaining else { throw ProtobufError(.truncated) }
      let byte = next[index]
      length |= Int(byte & 0x7F) << (7 * index)
      if byte < 0x80 {
        next += index + 1
        guard length <= remaining else { throw ProtobufError(.truncated) }
        let bytes = UnsafeRawBufferPointer(start: next, count: length)
        next += length
        return bytes
      }
    }
    throw ProtobufError(.malformedVarint)
  }

  /// Passes over the value of a field with this wire type.
  mutating func skipValue(_ wireType: UInt8) throws(ProtobufError) {
    switch wireType {
    case WireType.varint: try skipVarint()
    case WireType.fixed64: try skip(8)
    case WireType.delimited: _ = try delimited()
    case WireType.fixed32: try skip(4)
    case WireType.startGroup, WireType.endGroup: throw ProtobufError(.groupNotSupported)
    default: throw ProtobufError(.malformedTag)
    }
  }
}
