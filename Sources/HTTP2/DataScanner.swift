/// Follows the frames in a client's bytes to find DATA before libnghttp2 reads it, which ignores it without a word on
/// streams that have closed.
struct DataScanner {
  private static let prefaceBytes = 24
  private static let headerBytes = 9

  /// Bytes to pass over: the preface, then the rest of a frame's payload.
  private var skip = prefaceBytes
  private var headerCount = 0
  private var length = 0
  private var type: UInt8 = 0
  private var id: UInt32 = 0

  /// The next DATA header that ends in `bytes` at or behind `place`, which is moved behind it.
  ///
  /// - Returns: the stream; nil when the bytes are used up.
  mutating func next(in bytes: UnsafeRawBufferPointer, at place: inout Int) -> Int32? {
    while place < bytes.count {
      if skip > 0 {
        let passed = min(skip, bytes.count - place)
        skip -= passed
        place += passed
        continue
      }
      if headerCount == 0, bytes.count - place >= Self.headerBytes {
        length = Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
        type = bytes[place + 3]
        id = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: place + 5, as: UInt32.self))
        place += Self.headerBytes
      } else {
        add(bytes[place])
        place += 1
        if headerCount > 0 { continue }
      }
      skip = length
      if type == HTTP2FrameType.data.rawValue { return Int32(bitPattern: id & 0x7fff_ffff) }
    }
    return nil
  }

  /// Takes one byte of a header that came in pieces; the count is zero again behind the last.
  private mutating func add(_ byte: UInt8) {
    switch headerCount {
    case 0: length = Int(byte) << 16
    case 1: length |= Int(byte) << 8
    case 2: length |= Int(byte)
    case 3: type = byte
    case 4: id = 0
    default: id = id << 8 | UInt32(byte)
    }
    headerCount = headerCount == Self.headerBytes - 1 ? 0 : headerCount + 1
  }
}
