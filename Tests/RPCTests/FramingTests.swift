import Testing

@testable import RPC

@Suite("Messages in the bytes of a stream")
struct FramingTests {
  static let messages: [(bytes: [UInt8], isCompressed: Bool)] = [
    ([], false), ([1], false), ([UInt8](repeating: 2, count: 300), true), ([], true), ([3, 4], false),
  ]

  static func wire() throws -> [UInt8] {
    var wire: [UInt8] = []
    for (bytes, isCompressed) in messages {
      let payload = isCompressed ? try bytes.withUnsafeBytes { try Gzip.deflate($0) } : bytes
      var prefix = [UInt8](repeating: 0, count: MessageDeframer.prefixBytes)
      prefix.withUnsafeMutableBytes {
        MessageDeframer.writePrefix(payload.count, isCompressed: isCompressed, to: $0)
      }
      wire += prefix + payload
    }
    return wire
  }

  /// What comes out when the bytes come in pieces.
  static func read(_ pieces: [ArraySlice<UInt8>]) throws -> [(bytes: [UInt8], isCompressed: Bool)] {
    var deframer = MessageDeframer(messageBytesMax: 1000, encoding: .gzip)
    var read: [(bytes: [UInt8], isCompressed: Bool)] = []
    for piece in pieces {
      try piece.withUnsafeBytes { try deframer.append($0) }
      while let message = try deframer.next() { read.append((message, deframer.lastWasCompressed)) }
    }
    #expect(deframer.count == 0)
    return read
  }

  @Test("come out whole, wherever frames cut them, and however many are in one")
  func cuts() throws {
    let wire = try Self.wire()
    let cuts = (0...wire.count).map { [wire[..<$0], wire[$0...]] } + [wire.indices.map { wire[$0...$0] }]
    for pieces in cuts {
      let read = try Self.read(pieces)
      #expect(read.map(\.bytes) == Self.messages.map(\.bytes))
      #expect(read.map(\.isCompressed) == Self.messages.map(\.isCompressed))
    }
  }

  @Test("over the limit are refused when their length is known, before they have come")
  func limit() throws {
    var deframer = MessageDeframer(messageBytesMax: 1000)
    let error = #expect(throws: RPCError.self) {
      try ([0, 0, 0, 0x03, 0xe9] as [UInt8]).withUnsafeBytes { try deframer.append($0) }
    }
    #expect(error?.code == .resourceExhausted)
  }
}
