import Foundation
import HandoffTestKit

/// How long a fuzz test goes on, and its random numbers: some rounds as a rule, or as many as there is time for when
/// `HANDOFF_FUZZ_SECONDS` is set.
struct FuzzRun {
  private(set) var round = 0
  var random: SeededGenerator
  private let rounds: Int
  private let end: Date?

  /// - Parameter salt: keeps the numbers of one test from being those of another.
  init(salt: UInt64, usual: Int) {
    random = SeededGenerator(seed: TestScale.seed &+ salt)
    let seconds = ProcessInfo.processInfo.environment["HANDOFF_FUZZ_SECONDS"].flatMap { Double($0) }
    end = seconds.map { Date(timeIntervalSinceNow: $0) }
    rounds = TestScale.count(usual: usual, all: usual * 20)
  }

  /// Begins the next round; false when it was the last.
  mutating func next() -> Bool {
    if let end { if Date() >= end { return false } } else if round >= rounds { return false }
    round += 1
    return true
  }

  /// Says how far it came, for the note of a long run.
  func report(_ what: String, _ more: String = "") {
    print("fuzz: \(what): \(round) rounds, HANDOFF_TEST_SEED=\(TestScale.seed) \(more)")
  }

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

  mutating func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
    (0..<number(range)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  /// Changes, drops, doubles or inserts some bytes.
  mutating func damage(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<number(0...4) where !bytes.isEmpty {
      let place = number(0...bytes.count - 1)
      switch number(0...4) {
      case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
      case 1: bytes[place] ^= 1 << UInt8(number(0...7))
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + number(1...8)))
      case 3: bytes.insert(contentsOf: self.bytes(1...8), at: place)
      default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + number(1...40))], at: place)
      }
    }
    return bytes
  }
}

/// HTTP/2 frames that are right more often than not.
extension FuzzRun {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let headersType: UInt8 = 1

  static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
    var head: [UInt8] = [UInt8(payload.count >> 16 & 255), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255)]
    head += [type, flags]
    withUnsafeBytes(of: stream.bigEndian) { head += $0 }
    return head + payload
  }

  /// Literal fields without Huffman codes.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    var block: [UInt8] = []
    for (name, value) in fields {
      block.append(0)
      block.append(UInt8(name.utf8.count))
      block.append(contentsOf: name.utf8)
      block.append(UInt8(value.utf8.count))
      block.append(contentsOf: value.utf8)
    }
    return block
  }

  /// A gRPC message, sometimes with a wrong prefix.
  mutating func message() -> [UInt8] {
    let body = bytes(0...60)
    let length = UInt32(chance(90) ? body.count : number(0...1 << 30))
    var message: [UInt8] = [chance(90) ? 0 : UInt8(number(0...3))]
    withUnsafeBytes(of: length.bigEndian) { message += $0 }
    return message + body
  }

  /// Any frame on a stream with a low number; a header block is one of `blocks`, more often than not whole.
  mutating func anyFrame(_ blocks: [[UInt8]], lastStream: inout UInt32) -> [UInt8] {
    if chance(40) { lastStream += 2 }
    let stream = chance(80) ? lastStream : UInt32(number(0...9))
    let whole = blocks[number(0...blocks.count - 1)]
    let block = chance(70) ? whole : damage(whole)
    switch number(0...11) {
    case 0...3: return Self.frame(1, chance(60) ? 0x5 : UInt8(number(0...255)), stream, block)
    case 4...6: return Self.frame(0, chance(60) ? UInt8(number(0...1)) : UInt8(number(0...255)), stream, message())
    case 7: return Self.frame(9, UInt8(chance(50) ? 4 : 0), stream, block)
    case 8: return Self.frame(8, 0, chance(50) ? 0 : stream, bytes(4...4))
    case 9: return Self.frame(4, UInt8(chance(20) ? 1 : 0), 0, chance(80) ? setting() : bytes(0...20))
    case 10: return Self.frame(UInt8([2, 3, 6, 7][number(0...3)]), UInt8(number(0...1)), stream, bytes(4...9))
    default: return Self.frame(UInt8(number(0...255)), UInt8(number(0...255)), stream, bytes(0...30))
    }
  }

  private mutating func setting() -> [UInt8] {
    var setting: [UInt8] = [0, UInt8(number(1...6))]
    withUnsafeBytes(of: UInt32(number(0...70_000)).bigEndian) { setting += $0 }
    return setting
  }
}
