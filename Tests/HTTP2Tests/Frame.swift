/// Frames written byte by byte, for peers that no library would play.
enum Frame {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func raw(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    let count = UInt32(payload.count)
    return [UInt8(count >> 16), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags] + be(stream) + payload
  }

  static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
    raw(4, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xff)] + be($0.1) })
  }

  static func headers(_ stream: UInt32, _ block: [UInt8], endStream: Bool, endHeaders: Bool = true) -> [UInt8] {
    raw(1, flags: (endStream ? 1 : 0) | (endHeaders ? 4 : 0), stream: stream, block)
  }

  static func continuation(_ stream: UInt32, _ block: [UInt8], endHeaders: Bool) -> [UInt8] {
    raw(9, flags: endHeaders ? 4 : 0, stream: stream, block)
  }

  static func data(_ stream: UInt32, _ bytes: [UInt8], endStream: Bool = false) -> [UInt8] {
    raw(0, flags: endStream ? 1 : 0, stream: stream, bytes)
  }

  static func ping(_ payload: UInt8 = 0) -> [UInt8] { raw(6, [UInt8](repeating: payload, count: 8)) }

  static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
    raw(8, stream: stream, be(increment))
  }

  static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> [UInt8] { raw(3, stream: stream, be(code)) }

  static func priority(_ stream: UInt32) -> [UInt8] { raw(2, stream: stream, be(0) + [1]) }

  /// `:method POST, :scheme http, :path /, :authority a`, as static indexes and one literal.
  static let request: [UInt8] = [0x83, 0x86, 0x84, 0x01, 1, UInt8(ascii: "a")]

  static func be(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
