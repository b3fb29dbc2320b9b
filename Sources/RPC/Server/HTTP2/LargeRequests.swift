/// The requests of one connection that want more than a stream's window while much is held for the connection: one of
/// them goes on, the others wait for it, the oldest first. Loop-confined.
///
/// So any number of large messages come through without holding them all, and none is refused. Small requests never
/// wait: they fit into the window that each stream begins with.
struct LargeRequests {
  private var going: ServedStream?
  private var waiting: [ServedStream] = []

  /// Nobody is held up.
  var isEmpty: Bool { going == nil }

  /// Whether a stream may ask its client for more; if not, it is among the waiting now.
  mutating func mayAsk(_ stream: ServedStream) -> Bool {
    if going == nil { going = stream }
    if going === stream { return true }
    if !waiting.contains(where: { $0 === stream }) { waiting.append(stream) }
    return false
  }

  /// A request is complete or over.
  mutating func remove(_ stream: ServedStream) {
    if going === stream { going = nil } else { waiting.removeAll { $0 === stream } }
  }

  /// A stream that may ask for more now, if there is one.
  ///
  /// - Parameter holdsMuch: still; if not, nobody has to wait any more.
  mutating func next(holdsMuch: Bool) -> ServedStream? {
    guard !waiting.isEmpty, !holdsMuch || going == nil else {
      if !holdsMuch { going = nil }
      return nil
    }
    let next = waiting.removeFirst()
    going = next
    return next
  }
}
