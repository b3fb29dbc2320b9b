import HandoffTestKit
import Protobuf
import TestProtos
import Testing

/// The error that reading these bytes ends in.
private func failure(_ bytes: [UInt8], _ limits: DecodingLimits = .default) -> ProtobufError? {
  do {
    _ = try Everything(serialized: bytes, limits: limits)
    return nil
  } catch {
    return error
  }
}

@Suite("Hostile bytes")
struct HostileBytesTests {
  @Test("malformed bytes are refused with the reason and the path of the field", arguments: Row.malformed)
  func malformed(_ row: Row) {
    let error = failure(row.bytes)
    #expect(error?.reason == row.reason)
    #expect(error?.path == "handoff.test.v1.Everything" + row.path)
  }

  @Test(
    "a string that is not UTF-8 is refused wherever it stands",
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xEF, 0xBF],
      [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE4, 0xBD, 0x61],
    ] as [[UInt8]])
  func invalidUTF8(_ text: [UInt8]) {
    let fields: [([UInt8], String)] = [([0x72], "string_value"), ([0x92, 2], "strings"), ([0xCA, 2], "choice_text")]
    for prefix in [0, 1, 7, 8, 9, 16] {
      let padded = [UInt8](repeating: 0x61, count: prefix) + text
      for (tag, path) in fields {
        let error = failure(tag + [UInt8(padded.count)] + padded)
        #expect(error == ProtobufError(.invalidUTF8, path: "handoff.test.v1.Everything.\(path)"))
      }
    }
  }

  @Test("every UTF-8 length at its edges is accepted")
  func validUTF8() throws {
    for text in [
      "\u{7F}", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}",
    ] {
      let message = Everything(stringValue: "1234567" + text + "x")
      #expect(try Everything(serialized: try message.serialized()) == message)
    }
  }

  @Test("a NUL is refused when writing, too, with the field's name")
  func nulWhenWriting() {
    #expect(throws: ProtobufError(.nulInString, path: "handoff.test.v1.Everything.string_value")) {
      try Everything(stringValue: "a\0b").serialized()
    }
    #expect(throws: ProtobufError(.nulInString, path: "handoff.test.v1.Everything.Inner.label")) {
      try Everything(inners: [.init(), .init(label: "\0")]).serialized()
    }
  }

  @Test("a message cut at any length is an error or a shorter message, never a crash")
  func truncations() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<10 {
      let bytes = try Everything.random(&generator).serialized()
      for length in 0..<min(bytes.count, 3000) {
        if let error = failure(Array(bytes[..<length])) { #expect(error.reason == .truncated) }
      }
    }
  }

  @Test("what is read from damaged bytes is what Python reads from them")
  func damage() async throws {
    let peer = try PythonPeer()
    var generator = SeededGenerator(seed: TestScale.seed &+ 2)
    var accepted = 0
    for await round in TestScale.rounds(usual: 1500, all: 100_000) {
      var message = Everything.random(&generator, depth: 2)
      message.removeMaps()
      var bytes = try message.serialized()
      for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
        bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
      }
      guard let read = try? Everything(serialized: bytes) else { continue }
      var withoutMaps = read
      withoutMaps.removeMaps()
      guard withoutMaps == read else { continue }
      accepted += 1
      let python = try #require(try peer.rewrite(bytes), "\(TestScale.place(round))")
      // Written once more, since Python writes a −0.0 that came by accident.
      let again = try Everything(serialized: python).serialized()
      let same = try read.serialized() == again
      try #require(same, "\(TestScale.place(round))")
    }
    #expect(accepted > 100)
  }
}

/// Malformed bytes, the reason for which they are refused, and the path below the outermost message.
struct Row: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let bytes: [UInt8]
  let reason: ProtobufError.Reason
  let path: String

  static let malformed: [Row] = [
    row("a tag that ends early", [0x80], .truncated),
    row("a tag of six bytes", [0x88, 0x80, 0x80, 0x80, 0x80, 0], .malformedTag),
    row("a tag of more than 32 bits", [0x88, 0x80, 0x80, 0x80, 0x7F], .malformedTag),
    row("field number 0", [0x00, 0x01], .malformedTag),
    row("field number 0 in two bytes", [0x80, 0x00, 0x01], .malformedTag),
    row("a number that ends early", [0x18, 0x80], .truncated, ".int32_value"),
    row(
      "a number of eleven bytes", [0x18] + [UInt8](repeating: 0x80, count: 10) + [1], .malformedVarint, ".int32_value"),
    row("a fixed64 of seven bytes", [0x51] + [UInt8](repeating: 0, count: 7), .truncated, ".fixed64_value"),
    row("a fixed32 of three bytes", [0x4D, 0, 0, 0], .truncated, ".fixed32_value"),
    row("a string longer than the message", [0x72, 5, 0x61], .truncated, ".string_value"),
    row("a string of 2 GiB", [0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x61], .truncated, ".string_value"),
    row("a length of 32 GiB", [0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x61], .truncated, ".string_value"),
    row("a length of six bytes", [0x72, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 0x61], .malformedVarint, ".string_value"),
    row("a string as a number", [0x70, 1], .wrongWireType, ".string_value"),
    row("a number as a string", [0x1A, 1, 1], .wrongWireType, ".int32_value"),
    row("a message as a fixed32", [0x8D, 1, 0, 0, 0, 0], .wrongWireType, ".inner"),
    row("a list of strings as numbers", [0x90, 2, 1], .wrongWireType, ".strings"),
    row("a group", [0x1B, 0x1C], .groupNotSupported, ".int32_value"),
    row("an unknown group", [0xC3, 0x3E, 0xC4, 0x3E], .groupNotSupported),
    row("wire type 6", [0x1E], .wrongWireType, ".int32_value"),
    row("an unknown field with wire type 7", [0xC7, 0x3E], .malformedTag),
    row("a packed number that ends early", [0xBA, 1, 2, 1, 0x80], .truncated, ".int32s"),
    row("packed fixed32 of five bytes", [0xEA, 1, 5, 0, 0, 0, 0, 0], .malformedPackedField, ".fixed32s"),
    row(
      "packed doubles of nine bytes", [0xAA, 1, 9] + [UInt8](repeating: 0, count: 9), .malformedPackedField,
      ".doubles"),
    row("a NUL in a string", [0x72, 3, 0x61, 0, 0x62], .nulInString, ".string_value"),
    row(
      "a NUL late in a string", [0x72, 12] + [UInt8](repeating: 0x61, count: 11) + [0], .nulInString, ".string_value"),
    row("a fault two messages deep", [0x8A, 1, 4, 0x12, 2, 0x0A, 0x80], .wrongWireType, ".inner.innermost.depth"),
  ]

  private static func row(
    _ name: String, _ bytes: [UInt8], _ reason: ProtobufError.Reason, _ path: String = ""
  ) -> Row {
    Row(testDescription: name, bytes: bytes, reason: reason, path: path)
  }
}
