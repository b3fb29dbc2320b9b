internal import CEventLoop
import Glibc
import Synchronization

/// One epoll thread that is also the executor of the tasks and actors living on it.
///
/// A request crosses no thread between its socket and its answer: sockets, timers and Swift jobs of a loop run in turns
/// on one thread. A turn is: poll, deliver events, fire due timers, run jobs, run the end-of-turn hooks. Everything
/// marked loop-confined may be touched only from that thread.
// @unchecked: the mutable state below `inbox` is touched on the loop's thread only, which the entry points check.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  enum Item {
    case job(UnownedJob)
    case work(() -> Void)
  }

  /// Jobs run in one turn before I/O gets its chance again.
  private static let jobsPerTurnMax = 4096
  private static let eventsPerPoll = 256
  private static let wakeupToken = UInt64.max

  // Reached from any thread.
  private let inbox = Mutex<[Item]>([])
  private let stopping = Atomic<Bool>(false)
  private let pollDescriptor: Int32
  private let wakeupDescriptor: Int32

  // Loop-confined from here on.
  var timers = TimerHeap()
  private var queue: [Item] = []
  private var spare: [Item] = []
  private var hooks: [() -> Void] = []
  private var watches: [Watch?] = []
  private var scratch = ByteBuffer()
  private var generation: UInt32 = 0
  private var turnTime = MonotonicTime.current

  /// Makes a loop whose thread the caller starts with ``run()``.
  init() throws(SocketError) {
    let poll = handoff_poll_create()
    guard poll >= 0 else { throw SocketError(operation: "epoll_create1", code: -poll) }
    let wakeup = handoff_wakeup_create(poll, Self.wakeupToken)
    guard wakeup >= 0 else {
      close(poll)
      throw SocketError(operation: "eventfd", code: -wakeup)
    }
    pollDescriptor = poll
    wakeupDescriptor = wakeup
  }

  deinit {
    close(pollDescriptor)
    close(wakeupDescriptor)
  }

  /// The loop on whose thread the caller runs, if any.
  package static var current: EventLoop? {
    guard let pointer = handoff_loop_current() else { return nil }
    return Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// Whether the caller runs on this loop's thread.
  package var isCurrent: Bool { handoff_loop_current() == Unmanaged.passUnretained(self).toOpaque() }

  /// The time: on the loop, as read at the start of this turn; elsewhere, read now.
  package var now: MonotonicTime { isCurrent ? turnTime : .current }

  /// Queues a job of the Swift runtime; lock-free and without a system call from the loop's own thread.
  package func enqueue(_ job: consuming ExecutorJob) { submit(.job(UnownedJob(job))) }

  /// This loop as an actor's executor.
  package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  /// Stops the process when the caller is not on this loop's thread, which makes `assumeIsolated` work on it.
  package func checkIsolated() { precondition(isCurrent, "not on this event loop's thread") }

  /// Whether code on the current thread is isolated to this loop.
  package func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Runs `work` on the loop in this turn or the next; from any thread, in order of submission per thread.
  package func execute(_ work: @escaping @Sendable () -> Void) { submit(.work(work)) }

  /// Runs `work` on the loop later in this turn (or the next when the turn is long). Loop-confined, so nothing needs to
  /// be `Sendable`.
  package func executeLocally(_ work: @escaping () -> Void) {
    checkIsolated()
    queue.append(.work(work))
  }

  private func submit(_ item: sending Item) {
    if isCurrent {
      queue.append(item)
      return
    }
    let handed = Handed(item)
    let wasEmpty = inbox.withLock { items in
      items.append(handed.item)
      return items.count == 1
    }
    if wasEmpty { handoff_wakeup_signal(wakeupDescriptor) }
  }

  /// Reports readiness of `fd` (level-triggered) until the watch is cancelled. Loop-confined.
  ///
  /// The closure is held by the loop; cancel the watch before closing the descriptor.
  package func watch(_ fd: Int32, _ interest: IOInterest, _ ready: @escaping (IOInterest) -> Void) -> Watch {
    checkIsolated()
    precondition(fd >= 0, "watching a closed descriptor")
    generation &+= 1
    if generation == .max { generation = 1 }
    let watch = Watch(fd: fd, generation: generation, interest: interest, loop: self, ready: ready)
    while watches.count <= Int(fd) { watches.append(nil) }
    precondition(watches[Int(fd)] == nil, "descriptor is watched already")
    watches[Int(fd)] = watch
    pollControl(HANDOFF_POLL_ADD, watch)
    return watch
  }

  /// Calls `fire` once, `delay` after the start of this turn (rounded up to a millisecond) at the earliest.
  /// Loop-confined.
  package func schedule(after delay: Duration, _ fire: @escaping () -> Void) -> LoopTimer {
    schedule(at: turnTime.advanced(by: delay), fire)
  }

  /// Calls `fire` once when `time` is reached. Loop-confined.
  package func schedule(at time: MonotonicTime, _ fire: @escaping () -> Void) -> LoopTimer {
    checkIsolated()
    let timer = LoopTimer(self, isReusable: false, fire: fire)
    timer.start(at: time)
    return timer
  }

  /// A timer that can be started many times, with `LoopTimer.start`. Loop-confined.
  package func timer(_ fire: @escaping () -> Void) -> LoopTimer {
    LoopTimer(self, isReusable: true, fire: fire)
  }

  /// Calls `work` once when this turn's events, timers and jobs are done, before the loop polls again: the place to
  /// write out what the turn gathered. Loop-confined. Work added by a hook runs in the same turn.
  package func atEndOfTurn(_ work: @escaping () -> Void) {
    checkIsolated()
    hooks.append(work)
  }

  /// Lends memory for the length of `body`, its content undefined; loop-confined. For reading from sockets, so that an
  /// idle connection needs no buffer of its own.
  package func withScratch<Result>(_ bytes: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    checkIsolated()
    var lent = ByteBuffer()
    swap(&lent, &scratch)
    let result = body(UnsafeMutableRawBufferPointer(rebasing: lent.reserve(bytes)[..<bytes]))
    swap(&lent, &scratch)
    return result
  }

  func pollControl(_ operation: handoff_poll_operation, _ watch: Watch) {
    let code = handoff_poll_control(pollDescriptor, operation, watch.fd, watch.interest.rawValue, watch.token)
    precondition(code == 0 || operation == HANDOFF_POLL_REMOVE, "epoll_ctl failed on a descriptor its owner holds open")
  }

  func forget(_ watch: Watch) {
    pollControl(HANDOFF_POLL_REMOVE, watch)
    if watches[Int(watch.fd)] === watch { watches[Int(watch.fd)] = nil }
  }

  /// Asks the loop to end after the turn in which nothing is queued any more; from any thread.
  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    handoff_wakeup_signal(wakeupDescriptor)
  }

  /// Runs turns on the calling thread until ``stop()``.
  func run() {
    handoff_loop_set_current(Unmanaged.passUnretained(self).toOpaque())
    var events = [handoff_poll_event](repeating: handoff_poll_event(), count: Self.eventsPerPoll)
    while true {
      takeInbox()
      if queue.isEmpty, stopping.load(ordering: .sequentiallyConsistent) { break }
      let count = handoff_poll_wait(pollDescriptor, &events, Int32(Self.eventsPerPoll), pollTimeoutMilliseconds)
      precondition(count >= 0, "epoll_wait failed on the loop's own descriptor")
      turnTime = .current
      for index in 0..<Int(count) { deliver(events[index]) }
      while let timer = timers.popDue(at: turnTime) { timer.fired() }
      takeInbox()
      runJobs()
      runHooks()
    }
    handoff_loop_set_current(nil)
  }

  private var pollTimeoutMilliseconds: Int32 {
    guard queue.isEmpty else { return 0 }
    guard let due = timers.earliest else { return -1 }
    let now = MonotonicTime.current
    guard due > now else { return 0 }
    let wait = due.nanoseconds - now.nanoseconds
    return Int32(clamping: (wait / 1_000_000) + (wait % 1_000_000 == 0 ? 0 : 1))
  }

  private func deliver(_ event: handoff_poll_event) {
    guard event.token != Self.wakeupToken else { return }
    let fd = Int(event.token & 0xFFFF_FFFF)
    guard fd < watches.count, let watch = watches[fd], watch.generation == UInt32(event.token >> 32) else { return }
    var told = IOInterest(rawValue: event.bits).intersection([.read, .write])
    if event.bits & (HANDOFF_POLL_ERROR.rawValue | HANDOFF_POLL_HANGUP.rawValue) != 0 {
      told.formUnion(watch.interest)
      told.insert(.hangup)
    }
    watch.ready?(told)
  }

  private func takeInbox() {
    let handed = inbox.withLock { items -> Handed in
      let taken = Handed(items)
      items.removeAll()
      return taken
    }
    if !handed.items.isEmpty { queue.append(contentsOf: handed.items) }
  }

  private func runJobs() {
    let serial = asUnownedSerialExecutor()
    let task = asUnownedTaskExecutor()
    var budget = Self.jobsPerTurnMax
    while !queue.isEmpty, budget > 0 {
      swap(&queue, &spare)
      for item in spare {
        switch item {
        case .job(let job): job.runSynchronously(isolatedTo: serial, taskExecutor: task)
        case .work(let work): work()
        }
      }
      budget -= spare.count
      spare.removeAll(keepingCapacity: true)
    }
  }

  private func runHooks() {
    var index = 0
    while index < hooks.count {
      let hook = hooks[index]
      hook()
      index += 1
    }
    hooks.removeAll(keepingCapacity: true)
  }
}

/// Carries queue items through the inbox's lock; what they capture is either `Sendable` or the runtime's own.
// @unchecked: an item is handed over whole, its sender keeps no reference.
private struct Handed: @unchecked Sendable {
  let items: [EventLoop.Item]
  var item: EventLoop.Item { items[0] }
  init(_ item: EventLoop.Item) { items = [item] }
  init(_ items: [EventLoop.Item]) { self.items = items }
}
