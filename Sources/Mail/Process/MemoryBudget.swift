import Synchronization

/// Bounds the memory of mails that are on their way.
final class MemoryBudget: Sendable {
  /// Bytes of all of them together.
  let bytesMax: Int
  private let taken = Mutex(0)

  /// - Parameter bytesMax: bytes of all mails together.
  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// What one mail takes.
  struct Share: ~Copyable {
    private let budget: MemoryBudget
    private var bytes = 0

    fileprivate init(_ budget: MemoryBudget) { self.budget = budget }

    /// False when there is no room for so many bytes more.
    mutating func take(_ count: Int) -> Bool {
      let isTaken = budget.taken.withLock { taken in
        guard taken + count <= budget.bytesMax else { return false }
        taken += count
        return true
      }
      if isTaken { bytes += count }
      return isTaken
    }

    /// Gives everything back.
    mutating func end() {
      let bytes = bytes
      budget.taken.withLock { $0 -= bytes }
      self.bytes = 0
    }
  }

  /// Begins a mail.
  func begin() -> Share { Share(self) }
}
