package import EventLoop
import Synchronization

/// A clock that stands still until it is moved.
package final class ManualClock: Sendable {
  private let time = Mutex(MonotonicTime(nanoseconds: 1_000_000_000_000))

  /// A clock that shows some time.
  package init() {}

  /// What it shows.
  package var now: MonotonicTime { time.withLock { $0 } }

  /// Moves it on.
  package func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}
