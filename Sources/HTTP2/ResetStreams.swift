/// Remembers streams that we have reset, on which the peer may still send what was under way (RFC 9113 §5.1): to tell
/// that from frames on a stream that both sides had ended or the peer itself had reset, which break the protocol.
///
/// libnghttp2 itself forgets closed streams, as it is told to, and ignores all frames on them.
struct ResetStreams {
  // Of a peer that makes us reset more streams than this, frames on older ones are ignored, as the library does.
  private static let rememberedMax = 128
  private var remembered: [Int32] = []
  private var next = 0
  private var forgottenUpTo: Int32 = 0

  mutating func add(_ id: Int32) {
    if remembered.count < Self.rememberedMax { return remembered.append(id) }
    forgottenUpTo = max(forgottenUpTo, remembered[next])
    remembered[next] = id
    next = (next + 1) % Self.rememberedMax
  }

  /// Whether a frame on this stream may have been under way when we reset it.
  func mayHave(_ id: Int32) -> Bool { id <= forgottenUpTo || remembered.contains(id) }
}
