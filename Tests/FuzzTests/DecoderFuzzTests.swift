import HandoffAPI
import HandoffTestKit
import Protobuf
import Testing

@Suite("Every generated decoder, whatever it reads", .timeLimit(.minutes(60)))
struct DecoderFuzzTests {
  @Test("refuses it, or reads a message that is written and read again alike")
  func messages() throws {
    var run = FuzzRun(salt: 13, usual: 40)
    var accepted = 0
    while run.next() {
      for type in HandoffAPI.types {
        let bytes = run.damage(run.wire(of: type.descriptor.schema, depth: 3))
        if try Self.check(type, bytes, run.round) { accepted += 1 }
      }
    }
    run.report("bytes into \(HandoffAPI.types.count) decoders", "\(accepted) accepted")
    #expect(HandoffAPI.types.count > 100)
    #expect(accepted > run.round * HandoffAPI.types.count / 20)
  }

  private static func check<Read: Message>(_ type: Read.Type, _ bytes: [UInt8], _ round: Int) throws -> Bool {
    guard let message = try? Read(serialized: bytes) else { return false }
    let written = try message.serialized()
    let again = try Read(serialized: written).serialized()
    try #require(written == again, "\(type.descriptor.fullName), \(TestScale.place(round))")
    return true
  }
}

extension FuzzRun {
  /// The wire form of a message with random fields of a type.
  mutating func wire(of schema: MessageSchema, depth: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<number(0...6) where !schema.fields.isEmpty {
      let field = schema.fields[number(0...schema.fields.count - 1)]
      switch field.kind {
      case .fixed64, .sfixed64, .double: bytes += tag(field.number, 1) + self.bytes(8...8)
      case .fixed32, .sfixed32, .float: bytes += tag(field.number, 5) + self.bytes(4...4)
      case .string: bytes += tag(field.number, 2) + delimited((0..<number(0...20)).map { _ in UInt8(number(1...127)) })
      case .bytes: bytes += tag(field.number, 2) + delimited(self.bytes(0...20))
      case .message:
        guard depth > 0, let message = field.message else { continue }
        bytes += tag(field.number, 2) + delimited(wire(of: message.schema, depth: depth - 1))
      default: bytes += tag(field.number, 0) + varint(random.next() >> UInt64(number(0...63)))
      }
    }
    return bytes
  }

  private func tag(_ number: UInt32, _ wireType: UInt64) -> [UInt8] { varint(UInt64(number) << 3 | wireType) }

  private func delimited(_ bytes: [UInt8]) -> [UInt8] { varint(UInt64(bytes.count)) + bytes }

  private func varint(_ value: UInt64) -> [UInt8] {
    value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7)
  }
}
