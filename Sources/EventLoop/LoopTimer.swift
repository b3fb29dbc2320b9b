/// A timer of one loop; loop-confined, like the object that holds it.
///
/// One made by `EventLoop.schedule` fires once. One made by `EventLoop.timer` can be started again and again; starting
/// and pausing it costs nothing as a rule, since it stays where it is in the heap until the time that it had there.
package final class LoopTimer {
  /// The time by which the heap orders it; never after ``due`` while it is going to fire.
  fileprivate(set) var key: MonotonicTime
  fileprivate(set) var due: MonotonicTime
  fileprivate(set) var order: UInt64 = 0
  fileprivate(set) var isActive = false
  fileprivate var heapIndex = -1
  private var fire: (() -> Void)?
  private let isReusable: Bool
  private unowned let loop: EventLoop

  init(_ loop: EventLoop, isReusable: Bool, fire: @escaping () -> Void) {
    key = MonotonicTime(nanoseconds: 0)
    due = key
    self.loop = loop
    self.isReusable = isReusable
    self.fire = fire
  }

  /// Starts a timer that does not run, or moves one that does.
  package func start(at time: MonotonicTime) {
    due = time
    isActive = true
    if heapIndex >= 0 {
      if time >= key { return }
      loop.timers.remove(self)
    }
    loop.timers.insert(self)
  }

  /// Prevents a timer from firing until it is started again.
  package func pause() { isActive = false }

  /// Prevents the timer from ever firing again and lets go of its closure; harmless when repeated.
  package func cancel() {
    fire = nil
    isActive = false
    if heapIndex >= 0 { loop.timers.remove(self) }
  }

  /// Whether the timer is still going to fire.
  package var isPending: Bool { isActive }

  func fired() {
    isActive = false
    let fire = self.fire
    if !isReusable { self.fire = nil }
    fire?()
  }
}

/// A binary heap of timers by time, then by order of scheduling; a timer knows its place, so cancelling is O(log n).
struct TimerHeap {
  private var timers: [LoopTimer] = []
  private var scheduled: UInt64 = 0

  var isEmpty: Bool { timers.isEmpty }
  /// When to look next; there may turn out to be nothing to fire then.
  var earliest: MonotonicTime? { timers.first?.key }

  mutating func insert(_ timer: LoopTimer) {
    scheduled &+= 1
    timer.order = scheduled
    timer.key = timer.due
    timer.heapIndex = timers.count
    timers.append(timer)
    siftUp(timer.heapIndex)
  }

  mutating func popDue(at now: MonotonicTime) -> LoopTimer? {
    while let first = timers.first, first.key <= now {
      remove(first)
      guard first.isActive else { continue }
      if first.due <= now { return first }
      insert(first)
    }
    return nil
  }

  mutating func remove(_ timer: LoopTimer) {
    let index = timer.heapIndex
    let last = timers.removeLast()
    timer.heapIndex = -1
    guard last !== timer else { return }
    timers[index] = last
    last.heapIndex = index
    siftUp(index)
    siftDown(last.heapIndex)
  }

  private static func precedes(_ left: LoopTimer, _ right: LoopTimer) -> Bool {
    left.key == right.key ? left.order < right.order : left.key < right.key
  }

  private mutating func siftUp(_ start: Int) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      guard Self.precedes(timers[index], timers[parent]) else { return }
      exchange(index, parent)
      index = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var index = start
    while true {
      var smallest = index
      let left = 2 * index + 1
      let right = left + 1
      if left < timers.count, Self.precedes(timers[left], timers[smallest]) { smallest = left }
      if right < timers.count, Self.precedes(timers[right], timers[smallest]) { smallest = right }
      guard smallest != index else { return }
      exchange(index, smallest)
      index = smallest
    }
  }

  private mutating func exchange(_ left: Int, _ right: Int) {
    timers.swapAt(left, right)
    timers[left].heapIndex = left
    timers[right].heapIndex = right
  }
}
