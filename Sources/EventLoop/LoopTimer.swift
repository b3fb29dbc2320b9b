/// A single-shot timer of one loop; loop-confined, like the object that holds it.
package final class LoopTimer {
  let due: MonotonicTime
  let order: UInt64
  var fire: (() -> Void)?
  var heapIndex = -1
  private unowned let loop: EventLoop

  init(due: MonotonicTime, order: UInt64, loop: EventLoop, fire: @escaping () -> Void) {
    self.due = due
    self.order = order
    self.loop = loop
    self.fire = fire
  }

  /// Prevents the timer from firing and lets go of its closure; harmless when it fired or was cancelled before.
  package func cancel() {
    fire = nil
    guard heapIndex >= 0 else { return }
    loop.timers.remove(self)
  }

  /// Whether the timer is still going to fire.
  package var isPending: Bool { heapIndex >= 0 }
}

/// A binary heap of timers by due time, then by order of scheduling; a timer knows its place, so cancelling is
/// O(log n).
struct TimerHeap {
  private var timers: [LoopTimer] = []
  private var scheduled: UInt64 = 0

  var isEmpty: Bool { timers.isEmpty }
  var earliest: MonotonicTime? { timers.first?.due }

  mutating func nextOrder() -> UInt64 {
    scheduled &+= 1
    return scheduled
  }

  mutating func insert(_ timer: LoopTimer) {
    timer.heapIndex = timers.count
    timers.append(timer)
    siftUp(timer.heapIndex)
  }

  mutating func popDue(at now: MonotonicTime) -> LoopTimer? {
    guard let first = timers.first, first.due <= now else { return nil }
    remove(first)
    return first
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
    left.due == right.due ? left.order < right.order : left.due < right.due
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
