import EventLoop
import Glibc
import Synchronization
import Testing

@Suite("An event loop")
struct EventLoopTests {
  @Test("runs tasks that prefer it, and resumes them there after every await")
  func tasksStay() async throws {
    let group = try EventLoopGroup.start(count: 2)
    defer { group.shutdown() }
    for loop in group.loops {
      let stayed = await Task(executorPreference: loop) {
        var onLoop = [loop.isCurrent]
        await Task.yield()
        onLoop.append(loop.isCurrent)
        await suspendOnce()
        onLoop.append(EventLoop.current === loop)
        return onLoop
      }.value
      #expect(stayed == [true, true, true])
    }
  }

  @Test("is an actor's executor: isolation can be assumed on its thread")
  func actorIsolation() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let counter = Counter(group.loops[0])
    await counter.add(2)
    let seen = await Task(executorPreference: group.loops[0]) { counter.totalAssumingIsolation() }.value
    #expect(seen == 2)
  }

  @Test("fires timers in order of due time, then of scheduling, and never a cancelled one")
  func timersInOrder() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let order = await Task(executorPreference: loop) {
      await withUnsafeContinuation { (done: UnsafeContinuation<[Int], Never>) in
        let log = Log()
        let delays = [30, 10, 20, 10, 0, 30, 20]
        var timers: [LoopTimer] = []
        for (index, delay) in delays.enumerated() {
          timers.append(loop.schedule(after: .milliseconds(delay)) { log.entries.append(index) })
        }
        timers[2].cancel()
        timers[2].cancel()
        _ = loop.schedule(after: .milliseconds(30)) { done.resume(returning: log.entries) }
      }
    }.value
    #expect(order == [4, 1, 3, 6, 0, 5])
  }

  @Test("starts a timer again and again, earlier or later, and does not fire it while it is paused")
  func timersAgain() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let fired = await Task(executorPreference: loop) {
      await withUnsafeContinuation { (done: UnsafeContinuation<[Int], Never>) in
        let log = Log()
        let begin = loop.now
        func after(_ milliseconds: Int) -> MonotonicTime { begin.advanced(by: .milliseconds(milliseconds)) }
        let paused = loop.timer { log.entries.append(-1) }
        paused.start(at: after(1))
        paused.pause()
        let again = loop.timer { log.entries.append(loop.now >= after(5 + 5 * log.entries.count) ? 1 : -2) }
        again.start(at: after(40))
        again.start(at: after(5))
        // Where it then stands in the heap is before its new time.
        _ = loop.schedule(at: after(5)) { again.start(at: after(10)) }
        _ = loop.schedule(at: after(30)) {
          again.cancel()
          done.resume(returning: log.entries)
        }
      }
    }.value
    #expect(fired == [1, 1])
  }

  @Test("keeps the timer heap whole whatever is cancelled", arguments: [1, 7, 64, 333])
  func timerHeap(count: Int) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let fired = await Task(executorPreference: loop) {
      await withUnsafeContinuation { (done: UnsafeContinuation<[Int], Never>) in
        let log = Log()
        let timers = (0..<count).map { index in
          let due = (index * 7919) % count
          return loop.schedule(at: loop.now.advanced(by: .nanoseconds(due))) { log.entries.append(due) }
        }
        for index in stride(from: 0, to: count, by: 3) { timers[index].cancel() }
        _ = loop.schedule(after: .milliseconds(1)) { done.resume(returning: log.entries) }
      }
    }.value
    #expect(fired == fired.sorted())
    #expect(fired.count == count - (count + 2) / 3)
  }

  @Test("runs end-of-turn hooks once, after the jobs of the turn")
  func hooksLast() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let order = await Task(executorPreference: loop) {
      await withUnsafeContinuation { (done: UnsafeContinuation<[Int], Never>) in
        let log = Log()
        loop.atEndOfTurn {
          log.entries.append(3)
          loop.executeLocally { done.resume(returning: log.entries) }
        }
        log.entries.append(1)
        loop.executeLocally { log.entries.append(2) }
      }
    }.value
    #expect(order == [1, 2, 3])
  }

  @Test("takes work from many threads, each thread's in order")
  func executeFromThreads() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let pool = BlockingPool(name: "senders", threads: 4, queueMax: 4)
    let received = LoopBound(Received(), loop)
    try await withThrowingTaskGroup { tasks in
      for sender in 0..<4 {
        tasks.addTask {
          try await pool.run {
            for value in 0..<1000 { loop.execute { received.value.bySender[sender].append(value) } }
          }
        }
      }
      try await tasks.waitForAll()
    }
    let lists = await Task(executorPreference: loop) { received.value.bySender }.value
    for list in lists { #expect(list == Array(0..<1000)) }
    await Task.detached { pool.shutdown() }.value
  }

  @Test("a sleep ends with a cancellation error when its task is cancelled")
  func sleepCancels() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let sleeper = Task { try await loop.sleep(for: .seconds(3600)) }
    sleeper.cancel()
    await #expect(throws: CancellationError.self) { try await sleeper.value }
    try await loop.sleep(for: .milliseconds(1))
  }

  private func suspendOnce() async {
    await withUnsafeContinuation { (resume: UnsafeContinuation<Void, Never>) in
      Task.detached { resume.resume() }
    }
  }
}

@Suite("Deadlines and times")
struct DeadlineTests {
  @Test("never is last, does not pass and cannot be shortened")
  func never() {
    #expect(Deadline.after(.seconds(1_000_000)) < .never)
    #expect(!Deadline.never.hasPassed)
    #expect(Deadline.never.shortened(by: .seconds(5)) == .never)
  }

  @Test("a deadline in the past has passed and has nothing left")
  func past() {
    let deadline = Deadline.after(.zero)
    #expect(deadline.hasPassed)
    #expect(deadline.remaining == .zero)
    #expect(Deadline.after(.seconds(-3)).hasPassed)
  }

  @Test("shortening moves the moment nearer and stops at the clock's start")
  func shortened() {
    let deadline = Deadline(at: MonotonicTime(nanoseconds: 100))
    #expect(deadline.shortened(by: .nanoseconds(40)).time.nanoseconds == 60)
    #expect(deadline.shortened(by: .seconds(40)).time.nanoseconds == 0)
  }

  @Test(
    "durations in nanoseconds are clamped",
    arguments: [
      (Duration.seconds(-1), UInt64(0)), (.zero, 0), (.nanoseconds(7), 7), (.milliseconds(3), 3_000_000),
      (.seconds(Int64.max), .max),
    ])
  func nanoseconds(duration: Duration, expected: UInt64) { #expect(duration.wholeNanoseconds == expected) }
}

private actor Counter {
  nonisolated let loop: EventLoop
  var total = 0
  init(_ loop: EventLoop) { self.loop = loop }
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  nonisolated func totalAssumingIsolation() -> Int { assumeIsolated { $0.total } }
  func add(_ amount: Int) {
    loop.checkIsolated()
    total += amount
  }
}

private final class Log { var entries: [Int] = [] }
private final class Received { var bySender: [[Int]] = Array(repeating: [], count: 4) }
