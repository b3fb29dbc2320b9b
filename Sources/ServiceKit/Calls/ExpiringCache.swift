package import EventLoop
import Synchronization

/// Values kept for a short while, each loaded by one caller at a time while the others wait for it.
///
/// The first caller who misses loads the value itself, within its own deadline; if that fails, one of those waiting
/// takes over. A value is as old as the moment its load began, so what was changed before that is never missed.
package final class ExpiringCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private enum Slot {
    case value(Value, loadedAt: MonotonicTime)
    case loading([CheckedContinuation<Value?, Never>])
  }

  private enum Step {
    case have(Value)
    case load
    case wait
  }

  private let lifetime: Duration
  private let entriesMax: Int
  private let clock: @Sendable () -> MonotonicTime
  private let slots = Mutex<[Key: Slot]>([:])

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
      case .load: return try await lead(key, load)
      case .wait:
        try Task.checkCancellation()
        // The leader is bounded by its deadline, and so is this wait.
        if let value = await follow(key) { return value }
      }
    }
  }

  /// Has the value of a key loaded anew by whoever asks next; a load under way goes on.
  package func forget(_ key: Key) {
    slots.withLock { slots in
      if case .value = slots[key] { slots[key] = nil }
    }
  }

  private func step(_ key: Key) -> Step {
    let now = clock()
    return slots.withLock { slots in
      switch slots[key] {
      case .value(let value, let loadedAt) where now.since(loadedAt) < lifetime: return .have(value)
      case .loading: return .wait
      default:
        if slots.count >= entriesMax { evict(&slots, now) }
        slots[key] = .loading([])
        return .load
      }
    }
  }

  private func lead(_ key: Key, _ load: () async throws -> Value) async throws -> Value {
    let began = clock()
    do {
      let value = try await load()
      settle(key, .value(value, loadedAt: began), value)
      return value
    } catch {
      settle(key, nil, nil)
      throw error
    }
  }

  private func follow(_ key: Key) async -> Value? {
    await withCheckedContinuation { continuation in
      let isOver = slots.withLock { slots in
        guard case .loading(var waiting) = slots[key] else { return true }
        waiting.append(continuation)
        slots[key] = .loading(waiting)
        return false
      }
      if isOver { continuation.resume(returning: nil) }
    }
  }

  private func settle(_ key: Key, _ slot: Slot?, _ value: Value?) {
    let waiting = slots.withLock { slots in
      guard case .loading(let waiting) = slots[key] else { return [] as [CheckedContinuation<Value?, Never>] }
      slots[key] = slot
      return waiting
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
