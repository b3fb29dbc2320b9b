import EventLoop
import Synchronization
import TicketLedger

/// How many posts go out at a time, so that receivers which are slow or away keep none of the others waiting.
///
/// A receiver that has failed several times in a row is asked by one post at a time, after growing pauses; the others
/// to it are put off without an attempt. What waits for a receiver that has no room, or is away, is put off together:
/// as long as posts to it end, they make the next ones due, so that claims do not look at a backlog in vain.
final class PostPatience: Sendable {
  /// How many places there are, and who may take them.
  struct Places: Sendable {
    /// Posts at a time in one daemon.
    let total: Int
    /// Of these, the posts of one service.
    let service: Int
    /// The posts to one receiver.
    let receiver: Int
    /// The same for one in doubt: its last answer was slow, its last attempt failed, or one under way takes long.
    let doubtful: Int
    /// The posts to all receivers in doubt together; the rest of the places is for those that answer quickly.
    let allDoubtful: Int
  }

  private static let slow: Duration = .seconds(1)
  /// So many failures in a row mean that a receiver is away.
  static let failuresMax = 3
  private static let pauseMin: Duration = .seconds(1)
  private static let pauseMax: Duration = .seconds(60)
  /// How long work is put off when there is no room among what goes quickly.
  private static let crowdedPause: Duration = .milliseconds(100)
  /// How long all that is due to a receiver without room is put off; after so long it is looked at again even if the
  /// posts that were to make it due were lost.
  private static let backlogPause: Duration = .seconds(30)

  /// What becomes of a post.
  enum Turn {
    /// It begins, and ``end(_:isThere:after:)`` ends it.
    case now(Pass)
    /// It is put off for so long, since others go out that are answered quickly.
    case crowded(Duration, others: Duration?)
    /// The receiver is in doubt, and it is put off for so long.
    ///
    /// Here and above, `others` says once in a while for how long all else that is due to the receiver is put off.
    case later(Duration, others: Duration?)
  }

  /// What follows from the end of a post.
  enum Sequel: Equatable {
    /// Nothing.
    case nothing
    /// So many that wait for the receiver can go out; whether any was turned away lately.
    case room(Int, turnedAway: Bool)
    /// The receiver was away, and is there again.
    case back
  }

  /// A post that has begun.
  struct Pass: Sendable {
    let receiver: String
    fileprivate let service: ServiceID
    fileprivate let beginTime: MonotonicTime
  }

  private struct Receiver {
    /// When what is under way began, the oldest first.
    var underway: [MonotonicTime] = []
    var failures = 0
    var isSlow = false
    /// Whether a post found no room since another one ended.
    var hasTurnedAway = false
    /// When one that is away is asked again.
    var probeTime = MonotonicTime(nanoseconds: 0)
    /// Until when whoever comes next need not put off all that is due.
    var movedTime = MonotonicTime(nanoseconds: 0)

    func isDoubtful(at now: MonotonicTime) -> Bool {
      isSlow || failures > 0 || underway.first.map { $0.advanced(by: PostPatience.slow) < now } ?? false
    }
  }

  private struct State {
    var receivers: [String: Receiver] = [:]
    /// How many posts of a service are under way, of those that have some.
    var services: [ServiceID: Int] = [:]
  }

  private let places: Places
  private let clock: @Sendable () -> MonotonicTime
  private let state = Mutex(State())

  init(_ places: Places, clock: @escaping @Sendable () -> MonotonicTime) {
    self.places = places
    self.clock = clock
  }

  /// Begins a post, unless it is put off.
  func begin(_ name: String, of service: ServiceID) -> Turn {
    let now = clock()
    return state.withLock { state in
      var receiver = state.receivers[name] ?? Receiver()
      var wait = pause(of: receiver, among: state, at: now)
      if wait == nil, state.services[service, default: 0] >= places.service { wait = Self.crowdedPause }
      guard let wait else {
        receiver.underway.append(now)
        state.receivers[name] = receiver
        state.services[service, default: 0] += 1
        return .now(Pass(receiver: name, service: service, beginTime: now))
      }
      var others: Duration?
      if now >= receiver.movedTime {
        others = receiver.failures >= Self.failuresMax ? wait : Self.backlogPause
        receiver.movedTime = now.advanced(by: Self.pauseMin)
      }
      receiver.hasTurnedAway = true
      state.receivers[name] = receiver
      return receiver.isDoubtful(at: now) ? .later(wait, others: others) : .crowded(wait, others: others)
    }
  }

  /// Ends a post.
  ///
  /// - Parameter isThere: whether the receiver answered as one that works, if only to refuse; nil: that is not known.
  /// - Returns: what is to be done about those that wait for the receiver.
  func end(_ pass: Pass, isThere: Bool?, after duration: Duration) -> Sequel {
    let now = clock()
    return state.withLock { state in
      let left = state.services[pass.service, default: 1] - 1
      state.services[pass.service] = left == 0 ? nil : left
      guard var receiver = state.receivers[pass.receiver] else { return .nothing }
      if let index = receiver.underway.firstIndex(of: pass.beginTime) { receiver.underway.remove(at: index) }
      let wasAway = receiver.failures >= Self.failuresMax
      switch isThere {
      case true?:
        receiver.failures = 0
        receiver.isSlow = duration > Self.slow
      case false?:
        receiver.failures += 1
        let doublings = min(max(receiver.failures - Self.failuresMax, 0), 10)
        receiver.probeTime = now.advanced(by: min(Self.pauseMin * (1 << doublings), Self.pauseMax))
      case nil: break
      }
      let hasTurnedAway = receiver.hasTurnedAway
      receiver.hasTurnedAway = false
      let isForgettable = receiver.underway.isEmpty && receiver.failures == 0 && !receiver.isSlow
      state.receivers[pass.receiver] = isForgettable ? nil : receiver
      if wasAway { return isThere == true ? .back : .nothing }
      return isThere == false ? .nothing : .room(room(of: receiver, at: now), turnedAway: hasTurnedAway)
    }
  }

  private func room(of receiver: Receiver, at now: MonotonicTime) -> Int {
    max((receiver.isDoubtful(at: now) ? places.doubtful : places.receiver) - receiver.underway.count, 0)
  }

  /// How long a receiver has no room; nil: it has.
  private func pause(of receiver: Receiver, among state: State, at now: MonotonicTime) -> Duration? {
    if receiver.failures >= Self.failuresMax {
      if now < receiver.probeTime { return max(receiver.probeTime.since(now), Self.crowdedPause) }
      if !receiver.underway.isEmpty { return Self.pauseMin }
    }
    guard receiver.isDoubtful(at: now) else {
      return receiver.underway.count < places.receiver ? nil : Self.crowdedPause
    }
    let doubtful = state.receivers.values.reduce(0) { $0 + ($1.isDoubtful(at: now) ? $1.underway.count : 0) }
    return receiver.underway.count < places.doubtful && doubtful < places.allDoubtful ? nil : Self.pauseMin
  }
}
