import Glibc
// Names the same C headers: the compiler ascribes `timespec` to whichever of the two it loads first.
import SwiftOverlayShims

/// A point on the machine's monotonic clock: it never jumps, and means nothing to another machine.
package struct MonotonicTime: Comparable, Hashable, Sendable {
  /// Nanoseconds since the clock's own epoch (about boot).
  package let nanoseconds: UInt64

  /// Makes a time from a reading of `CLOCK_MONOTONIC` in nanoseconds.
  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// Reads the clock; on a loop, ``EventLoop/now`` is cheaper.
  package static var current: MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }

  /// Orders by time.
  package static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }

  /// The time `duration` later; saturates instead of overflowing, and a negative duration counts as zero.
  package func advanced(by duration: Duration) -> MonotonicTime {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    return MonotonicTime(nanoseconds: overflow ? .max : sum)
  }

  /// How long after `earlier` this is; zero when it is not after.
  package func since(_ earlier: MonotonicTime) -> Duration {
    .nanoseconds(Int64(clamping: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0))
  }
}

/// The moment at which a wait gives up: every wait has one, and each hop of a call hands a shortened one on.
package struct Deadline: Comparable, Hashable, Sendable {
  /// The monotonic time of expiry; `UInt64.max` nanoseconds stands for never.
  package let time: MonotonicTime

  /// Expires at a given monotonic time.
  package init(at time: MonotonicTime) { self.time = time }

  /// A deadline that never passes.
  package static let never = Deadline(at: MonotonicTime(nanoseconds: .max))

  /// Expires `duration` from now; a negative duration has passed already.
  package static func after(_ duration: Duration) -> Deadline {
    Deadline(at: MonotonicTime.current.advanced(by: duration))
  }

  /// Whether this is ``never``.
  package var isNever: Bool { time.nanoseconds == .max }

  /// Time left, zero when passed; for ``never`` it is about 292 years.
  package var remaining: Duration { time.since(.current) }

  /// Whether the moment is reached.
  package var hasPassed: Bool { !isNever && time <= .current }

  /// The same deadline moved nearer, so that a caller keeps time to report a callee's expiry.
  package func shortened(by duration: Duration) -> Deadline {
    guard !isNever else { return self }
    let less = duration.wholeNanoseconds
    return Deadline(at: MonotonicTime(nanoseconds: time.nanoseconds > less ? time.nanoseconds - less : 0))
  }

  /// Orders by moment; ``never`` is last.
  package static func < (left: Deadline, right: Deadline) -> Bool { left.time < right.time }
}

extension Duration {
  /// The duration in nanoseconds, clamped to 0…`UInt64.max`.
  package var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (scaled, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return .max }
    let (sum, carry) = scaled.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
    return carry ? .max : sum
  }
}
