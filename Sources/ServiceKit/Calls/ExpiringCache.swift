package import EventLoop
import Synchronization

/// Values kept for a short while, each loaded by one caller at a time while the others wait for it.
///
/// The first caller who misses loads the value itself, within its own deadline; if that fails, one of those waiting
/// takes over. A value is as old as the moment its load began, so what was changed before that is never missed; and
/// whoever asks after ``forget(_:)`` gets nothing whose load began before it.
package final class ExpiringCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private typealias LoadID = UInt64

  private enum Slot {
    case value(Value, loadedAt: MonotonicTime)
    case loading(LoadID)
  }

  private enum Step {
    case have(Value)
    case load(LoadID)
    case wait(LoadID)
  }

  private struct State {
    var slots: [Key: Slot] = [:]
    /// Who waits for each load under way, also for one that was forgotten meanwhile.
    var loads: [LoadID: [CheckedContinuation<Value?, Never>]] = [:]
    var nextID: LoadID = 0
  }

  private let lifetime: Duration
  private let entriesMax: Int
  private let clock: @Sendable () -> MonotonicTime
  private let state = Mutex(State())

  /// Keeps at most about `entriesMax` values, each for `lifetime` by the clock.
  package init(lifetime: Duration, entriesMax: Int, clock: @escaping @Sendable () -> MonotonicTime) {
    self.lifetime = lifetime
    self.entriesMax = entriesMax
    self.clock = clock
  }

  /// The value of a key, from the cache or loaded now.
  ///
  /// - Throws: what this caller's own load throws; `CancellationError` when the caller is cancelled before it begins.
  package func value(_ key: Key, load: () async throws -> Value) async throws -> Value {
    while true {
      switch step(key) {
      case .have(let value): return value
      case .load(let id): return try await lead(key, id, load)
      case .wait(let id):
        try Task.checkCancellation()
        // The leader is bounded by its deadline, and so is this wait.
        if let value = await follow(id) { return value }
      }
    }
  }

  /// Has the value of a key loaded anew by whoever asks next. A load under way goes on for those who wait for it, and
  /// is not kept.
  package func forget(_ key: Key) { state.withLock { $0.slots[key] = nil } }

  private func step(_ key: Key) -> Step {
    let now = clock()
    return state.withLock { state in
      switch state.slots[key] {
      case .value(let value, let loadedAt) where now.since(loadedAt) < lifetime: return .have(value)
      case .loading(let id): return .wait(id)
      default:
        if state.slots.count >= entriesMax { evict(&state.slots, now) }
        state.nextID += 1
        state.slots[key] = .loading(state.nextID)
        state.loads[state.nextID] = []
        return .load(state.nextID)
      }
    }
  }

  private func lead(_ key: Key, _ id: LoadID, _ load: () async throws -> Value) async throws -> Value {
    let began = clock()
    do {
      let value = try await load()
      settle(key, id, .value(value, loadedAt: began), value)
      return value
    } catch {
      settle(key, id, nil, nil)
      throw error
    }
  }

  private func follow(_ id: LoadID) async -> Value? {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard state.loads[id] != nil else { return true }
        state.loads[id]?.append(continuation)
        return false
      }
      if isOver { continuation.resume(returning: nil) }
    }
  }

  private func settle(_ key: Key, _ id: LoadID, _ slot: Slot?, _ value: Value?) {
    let waiting = state.withLock { state in
      if case .loading(id) = state.slots[key] { state.slots[key] = slot }
      return state.loads.removeValue(forKey: id) ?? []
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }

  // Loads under way stay: somebody waits for them.
  private func evict(_ slots: inout [Key: Slot], _ now: MonotonicTime) {
    slots = slots.filter { _, slot in
      switch slot {
      case .loading: true
      case .value(_, let loadedAt): now.since(loadedAt) < lifetime
      }
    }
    guard slots.count >= entriesMax else { return }
    slots = slots.filter { _, slot in
      if case .loading = slot { true } else { false }
    }
  }
}
