import Synchronization

/// Bounds the memory of mails that are on their way here.
final class InboundBudget: Sendable {
  /// Bytes of all of them together.
  static let bytesMax = 160 << 20
  private let taken = Mutex(0)

  /// What one mail takes.
  struct Share: ~Copyable {
    private let budget: InboundBudget
    private var bytes = 0

    fileprivate init(_ budget: InboundBudget) { self.budget = budget }

    /// False when there is no room for so many bytes more.
    mutating func take(_ count: Int) -> Bool {
      let isTaken = budget.taken.withLock { taken in
        guard taken + count <= InboundBudget.bytesMax else { return false }
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
