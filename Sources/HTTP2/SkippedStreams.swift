/// Remembers the stream ids that the peer passed over, to tell a HEADERS that opens one of them too late (a connection
/// error, RFC 9113 §5.1.1) from one for a stream that has been closed (to be ignored).
///
/// libnghttp2 ignores both. Clients use their ids one after the other, so there is nothing to remember as a rule.
struct SkippedStreams {
  private(set) var highest: Int32 = 0
  private var gaps: [ClosedRange<Int32>] = []

  // A peer that makes more gaps than this is no longer told about the oldest.
  private static let gapsMax = 16

  enum Verdict { case opens, known, outOfOrder }

  mutating func headers(_ id: Int32) -> Verdict {
    // libnghttp2 itself closes on an even id from a client.
    guard id & 1 == 1 else { return .known }
    guard id > highest else { return gaps.contains { $0.contains(id) } ? .outOfOrder : .known }
    let expected = highest == 0 ? 1 : highest + 2
    if id > expected {
      if gaps.count == Self.gapsMax { gaps.removeFirst() }
      gaps.append(expected...id - 2)
    }
    highest = id
    return .opens
  }
}
