import Crypto
package import EventLoop
import Synchronization

/// Seals that did not open: they are tried again, since a lost key may come back, but later and later.
package final class LostSeals: Sendable {
  /// Until a seal is tried for the second time.
  package static let waitMin: Duration = .seconds(3_600)
  /// Between two later tries at most.
  package static let waitMax: Duration = .seconds(86_400)
  private static let sealsMax = 10_000

  private struct Wait {
    var until: MonotonicTime
    var length: Duration
  }

  private let clock: @Sendable () -> MonotonicTime
  private let waits = Mutex<[[UInt8]: Wait]>([:])

  /// Remembers nothing yet.
  package init(clock: @escaping @Sendable () -> MonotonicTime = { EventLoop.current?.now ?? MonotonicTime.current }) {
    self.clock = clock
  }

  /// Whether a seal is worth a try now.
  package func mayTry(_ sealed: [UInt8]) -> Bool {
    let now = clock()
    let id = SHA256.hash(sealed)
    return waits.withLock { waits in waits[id].map { now >= $0.until } ?? true }
  }

  /// A seal was tried and did not open.
  package func failed(_ sealed: [UInt8]) {
    let now = clock()
    let id = SHA256.hash(sealed)
    waits.withLock { waits in
      let length = waits[id].map { min($0.length * 2, Self.waitMax) } ?? Self.waitMin
      // Bounded memory goes before few tries.
      if waits.count >= Self.sealsMax, waits[id] == nil { waits = [:] }
      waits[id] = Wait(until: now.advanced(by: length), length: length)
    }
  }
}
