import Protobuf
import TestProtos
import Testing

@Suite("Limits of a message")
struct LimitTests {
  /// `parent` (field 51) inside `parent`, so many levels in all.
  private func nested(_ levels: Int) throws -> [UInt8] {
    var message = Everything()
    for _ in 1..<levels { message = Everything(parent: message) }
    return try message.serialized()
  }

  @Test("64 levels are read, 65 are not")
  func depth() throws {
    #expect(throws: Never.self) { try Everything(serialized: try nested(64)) }
    let error = #expect(throws: ProtobufError.self) { try Everything(serialized: try nested(65)) }
    #expect(error?.reason == .tooDeep(max: 64))
  }

  @Test("a bomb of a million levels is refused at the limit")
  func depthBomb() throws {
    let levels = 1_000_000
    var bytes: [UInt8] = []
    for level in 1...levels {
      let length = (levels - level) * 6
      let septets = [0, 7, 14].map { UInt8(length >> $0 & 0x7F | 0x80) } + [UInt8(length >> 21)]
      bytes += [0x9A, 3] + septets
    }
    let limits = DecodingLimits(bytesMax: 8 << 20)
    let error = #expect(throws: ProtobufError.self) { try Everything(serialized: bytes, limits: limits) }
    #expect(error?.reason == .tooDeep(max: 64))
  }

  @Test("more bytes than the limit are not even looked at")
  func size() throws {
    let limits = DecodingLimits(bytesMax: 100)
    let error = ProtobufError(.tooLarge(bytesMax: 100), path: "handoff.test.v1.Everything")
    #expect(throws: error) {
      try Everything(serialized: [UInt8](repeating: 0xFF, count: 101), limits: limits)
    }
    let message = Everything(bytesValue: [UInt8](repeating: 1, count: 98))
    #expect(try Everything(serialized: try message.serialized(), limits: limits) == message)
  }

  @Test("elements are counted whether packed, repeated, unknown or the same field again and again")
  func elements() throws {
    let limits = DecodingLimits(elementsMax: 1000)
    let rows: [[UInt8]] = [
      // A thousand packed numbers: the tag counts, too.
      [0xBA, 1, 0xE8, 7] + [UInt8](repeating: 1, count: 1000),
      [0xAA, 1, 0xC0, 0x3E] + [UInt8](repeating: 0, count: 8000),
      // Empty children, unknown fields, one number over and over.
      Array([[UInt8]](repeating: [0xA2, 3, 0], count: 1001).joined()),
      Array([[UInt8]](repeating: [0xC0, 0x3E, 0], count: 1001).joined()),
      Array([[UInt8]](repeating: [0x18, 1], count: 1001).joined()),
    ]
    for bytes in rows {
      let error = #expect(throws: ProtobufError.self) { try Everything(serialized: bytes, limits: limits) }
      #expect(error?.reason == .tooManyElements(max: 1000))
    }
    #expect(throws: Never.self) {
      try Everything(serialized: Array([[UInt8]](repeating: [0xA2, 3, 0], count: 1000).joined()), limits: limits)
    }
  }

  @Test("two bytes a child cannot make gigabytes of memory")
  func memory() throws {
    let bytes = Array([[UInt8]](repeating: [0xA2, 3, 0], count: 200_000).joined())
    let limits = DecodingLimits(memoryBytesMax: 1 << 20)
    let error = #expect(throws: ProtobufError.self) { try Everything(serialized: bytes, limits: limits) }
    #expect(error?.reason == .tooMuchMemory(bytesMax: 1 << 20))
    // The thread's arena is as good as new afterwards.
    #expect(try Everything(serialized: try Everything(stringValue: "x").serialized()).stringValue == "x")
  }
}
