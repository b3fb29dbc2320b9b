import EventLoop
import Synchronization

/// How many callbacks go to one receiver at a time, so that one that is slow or away keeps none of the others waiting.
///
/// A receiver that has failed several times in a row is asked by one callback at a time, after growing pauses; the
/// others to it are put off without an attempt.
final class CallbackPatience: Sendable {
  /// Most callbacks to a receiver at a time, unless told otherwise.
  static let underwayMax = 16
  /// The same for one whose last answer was slow.
  static let slowUnderwayMax = 4
  private static let slow: Duration = .seconds(1)
  /// So many failures in a row mean that a receiver is away.
  static let failuresMax = 3
  private static let pauseMin: Duration = .seconds(1)
  private static let pauseMax: Duration = .seconds(60)
  /// How long work is put off when there is no room.
  private static let crowded: Duration = .milliseconds(100)

  /// What becomes of a callback.
  enum Turn {
    /// It begins, and ``end(_:isThere:after:)`` ends it.
    case now
    /// It is put off for so long.
    case later(Duration)
    /// The receiver is away: everything that is due to it is put off for so long. Said once in a while only.
    case allLater(Duration)
  }

  private struct Receiver {
    var underway = 0
    var failures = 0
    var isSlow = false
    /// When one that is away is asked again.
    var probeTime = MonotonicTime(nanoseconds: 0)
    /// Until when whoever comes next need not put off all that is due.
    var movedTime = MonotonicTime(nanoseconds: 0)
  }

  private let receivers = Mutex<[String: Receiver]>([:])
  private let clock: @Sendable () -> MonotonicTime
  private let underwayMax: Int

  init(underwayMax: Int = CallbackPatience.underwayMax, clock: @escaping @Sendable () -> MonotonicTime) {
    self.underwayMax = underwayMax
    self.clock = clock
  }

  /// Begins a callback, unless it is put off.
  func begin(_ destination: String) -> Turn {
    let now = clock()
    return receivers.withLock { receivers in
      var receiver = receivers[destination] ?? Receiver()
      if receiver.failures >= Self.failuresMax {
        let isPausing = now < receiver.probeTime
        if isPausing || receiver.underway > 0 {
          let wait = isPausing ? max(receiver.probeTime.since(now), Self.crowded) : Self.pauseMin
          guard now >= receiver.movedTime else { return .later(wait) }
          receiver.movedTime = now.advanced(by: Self.pauseMin)
          receivers[destination] = receiver
          return .allLater(wait)
        }
      } else if receiver.underway >= (receiver.isSlow ? min(Self.slowUnderwayMax, underwayMax) : underwayMax) {
        return .later(Self.crowded)
      }
      receiver.underway += 1
      receivers[destination] = receiver
      return .now
    }
  }

  /// Ends a callback.
  ///
  /// - Parameter isThere: whether the receiver answered as one that works, if only to refuse; nil: that is not known.
  /// - Returns: whether a receiver that was away is there again.
  func end(_ destination: String, isThere: Bool?, after duration: Duration) -> Bool {
    let now = clock()
    return receivers.withLock { receivers in
      guard var receiver = receivers[destination] else { return false }
      receiver.underway -= 1
      var isBack = false
      switch isThere {
      case true?:
        isBack = receiver.failures >= Self.failuresMax
        receiver.failures = 0
        receiver.isSlow = duration > Self.slow
      case false?:
        receiver.failures += 1
        let doublings = min(max(receiver.failures - Self.failuresMax, 0), 10)
        receiver.probeTime = now.advanced(by: min(Self.pauseMin * (1 << doublings), Self.pauseMax))
      case nil: break
      }
      let isForgettable = receiver.underway == 0 && receiver.failures == 0 && !receiver.isSlow
      receivers[destination] = isForgettable ? nil : receiver
      return isBack
    }
  }
}
