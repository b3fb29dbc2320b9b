import HandoffTestKit
import Protobuf
import RPCProtos
import TestProtos
import Testing

/// The limits of the tests that feed random bytes: nothing to trip over by accident.
private let wide = DecodingLimits(elementsMax: 1 << 24, memoryBytesMax: 1 << 30)

@Suite("Messages on the wire")
struct RoundTripTests {
  @Test("random messages are written byte for byte as Python writes them, and read back equal")
  func swiftToPython() async throws {
    let peer = try PythonPeer()
    var generator = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 400, all: 20_000) {
      let message = Everything.random(&generator)
      let bytes = try message.serialized()
      let isEqual = try Everything(serialized: bytes, limits: wide) == message
      try #require(isEqual, "\(TestScale.place(round))")
      let same = try peer.rewrite(bytes) == bytes
      try #require(same, "\(TestScale.place(round))")
    }
  }

  @Test("random messages of Python are written again byte for byte")
  func pythonToSwift() async throws {
    let peer = try PythonPeer()
    for await round in TestScale.rounds(usual: 200, all: 20_000) {
      let bytes = try peer.generate(seed: TestScale.seed &+ UInt64(round))
      let same = try Everything(serialized: bytes, limits: wide).serialized() == bytes
      try #require(same, "\(TestScale.place(round))")
    }
  }

  @Test("two messages in a row are merged as Python merges them")
  func merge() async throws {
    let peer = try PythonPeer()
    var generator = SeededGenerator(seed: TestScale.seed &+ 1)
    for await round in TestScale.rounds(usual: 200, all: 20_000) {
      var (first, second) = (Everything.random(&generator), Everything.random(&generator))
      // A map merges by key in Python; here it is a list.
      first.removeMaps()
      second.removeMaps()
      let bytes = try first.serialized() + second.serialized()
      let python = try #require(try peer.rewrite(bytes))
      let same = try Everything(serialized: bytes, limits: wide).serialized() == python
      try #require(same, "\(TestScale.place(round))")
    }
  }

  @Test("packed lists may come unpacked and the other way round, even both in one message")
  func packedAndUnpacked() throws {
    // int32s = 23 is packed, unpacked = 38 is not.
    let bytes: [UInt8] = [0xB8, 1, 1, 0xBA, 1, 2, 2, 3, 0xB8, 1, 4, 0xB2, 2, 2, 5, 6, 0xB0, 2, 7]
    let message = try Everything(serialized: bytes)
    #expect(message.int32s == [1, 2, 3, 4])
    #expect(message.unpacked == [5, 6, 7])
  }

  @Test("unknown fields are dropped, unknown numbers of an enum are kept")
  func unknown() throws {
    var message = Everything(stringValue: "kept", color: Everything.Color(rawValue: 77))
    message.parent = Everything(int32Value: 5)
    let bytes = try message.serialized()
    #expect(try EverythingBefore(serialized: bytes) == EverythingBefore(stringValue: "kept"))
    #expect(try Everything(serialized: bytes).color.rawValue == 77)
    #expect(Everything.Color(rawValue: 77).protoName == nil)
    #expect("\(Everything.Color(rawValue: 77))" == "77")
  }

  @Test("NaN keeps its bits, and so does −0.0 inside a list")
  func specialNumbers() throws {
    let nan = Double(bitPattern: 0x7FF8_0000_0000_1234)
    let message = Everything(doubleValue: nan, doubles: [-0.0, nan])
    let again = try Everything(serialized: try message.serialized())
    #expect(again.doubleValue.bitPattern == nan.bitPattern)
    #expect(again.doubles.map(\.bitPattern) == [(-0.0).bitPattern, nan.bitPattern])
  }

  @Test("an empty message is no bytes, and a set member of a oneof is written even if it is the default")
  func presence() throws {
    #expect(try Everything().serialized().isEmpty)
    #expect(try Everything(serialized: []) == Everything())
    for choice in [Everything.Choice.choiceText(""), .choiceBytes([]), .choiceNumber(0), .choiceFlag(false)] {
      let message = Everything(choice: choice)
      #expect(try Everything(serialized: try message.serialized()) == message)
    }
    let inner = Everything(inner: .init())
    #expect(try Everything(serialized: try inner.serialized()).inner == Everything.Inner())
  }

  @Test("a message knows its size before it is written, and two can be prepared at a time")
  func prepared() throws {
    let (first, second) = (Everything(stringValue: "first"), Everything(stringValue: "the second"))
    let firstPrepared = try first.prepared()
    let secondPrepared = try second.prepared()
    #expect(secondPrepared.byteCount == firstPrepared.byteCount + 5)
    var bytes = [UInt8](repeating: 0xFF, count: 40)
    bytes.withUnsafeMutableBytes { secondPrepared.write(to: $0) }
    #expect(try Everything(serialized: Array(bytes[..<secondPrepared.byteCount])) == second)
    bytes.withUnsafeMutableBytes { firstPrepared.write(to: $0) }
    #expect(try Everything(serialized: Array(bytes[..<firstPrepared.byteCount])) == first)
  }

  @Test("large messages use more memory than an arena begins with")
  func large() throws {
    let message = Everything(
      bytesValue: [UInt8](repeating: 7, count: 3_000_000),
      strings: (0..<5000).map { "string \($0)" }, inners: (0..<5000).map { .init(label: "inner \($0)") })
    #expect(try Everything(serialized: try message.serialized()) == message)
  }
}
