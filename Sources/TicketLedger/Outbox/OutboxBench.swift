import Synchronization

/// What a running worker has under way, shared by its tasks.
final class OutboxBench: Sendable {
  private struct State {
    var underway: [Int64: OutboxItem] = [:]
    var finished: [(OutboxItem, OutboxVerdict)] = []
    /// Whether there may be work that was not claimed.
    var isWoken = false
  }

  /// One element after each change; changes that come while nobody looks are one.
  let signals: AsyncStream<Void>
  private let signal: AsyncStream<Void>.Continuation
  private let state = Mutex(State())
  private let endsMakeReady: Bool
  private let placesMax: Int

  /// - Parameters:
  ///   - endsMakeReady: whether the end of a piece can make others ready to be claimed.
  ///   - placesMax: how many pieces can be under way.
  init(endsMakeReady: Bool, placesMax: Int) {
    self.endsMakeReady = endsMakeReady
    self.placesMax = placesMax
    (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// There may be work.
  func wake() {
    state.withLock { $0.isWoken = true }
    signal.yield()
  }

  /// There are no further signals.
  func close() { signal.finish() }

  /// How many pieces can be claimed at once, when there may be work; 0: none.
  func takeRoom() -> Int {
    state.withLock { state in
      let room = min(placesMax - state.underway.count, Outbox.claimMax)
      guard state.isWoken, room > 0 else { return 0 }
      state.isWoken = false
      return room
    }
  }

  /// Pieces were claimed; returns those to begin. One that is under way here, because its lease was not renewed in
  /// time, is not begun a second time.
  func begin(_ items: [OutboxItem], mayBeMore: Bool) -> [OutboxItem] {
    let (new, hasRoom) = state.withLock { state in
      let new = items.filter { state.underway[$0.id] == nil }
      for item in new { state.underway[item.id] = item }
      if mayBeMore { state.isWoken = true }
      return (new, state.underway.count < placesMax)
    }
    if mayBeMore, hasRoom { signal.yield() }
    return new
  }

  /// A piece is over, and is to be settled.
  func finish(_ item: OutboxItem, _ verdict: OutboxVerdict) {
    state.withLock { state in
      state.underway[item.id] = nil
      state.finished.append((item, verdict))
      if endsMakeReady { state.isWoken = true }
    }
    signal.yield()
  }

  /// What is over and was not taken yet.
  func takeFinished() -> [(OutboxItem, OutboxVerdict)] {
    state.withLock { state in
      defer { state.finished = [] }
      return state.finished
    }
  }

  /// What is under way.
  var underway: [OutboxItem] { state.withLock { Array($0.underway.values) } }
}
