import EventLoop
import Glibc
import Synchronization
import Testing

@Suite("A pool for blocking work")
struct BlockingPoolTests {
  @Test("returns values and errors of the work")
  func results() async throws {
    let pool = BlockingPool(name: "pool", threads: 2, queueMax: 2)
    #expect(try await pool.run { 41 + 1 } == 42)
    await #expect(throws: Failure.self) { try await pool.run { throw Failure() } }
    await Task.detached { pool.shutdown() }.value
    await #expect(throws: BlockingPool.Refusal.shutDown) { try await pool.run { 1 } }
  }

  @Test("refuses work beyond threads and queue, and drops cancelled work from the queue")
  func bounds() async throws {
    let pool = BlockingPool(name: "pool", threads: 1, queueMax: 1)
    let gate = Gate()
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let running = Task { try await pool.run { gate.passThrough() } }
    while !gate.isEntered { await Task.yield() }
    // One loop runs tasks in order, so the first of these takes the queue's only place.
    let queued = Task(executorPreference: loop) { try await pool.run { Issue.record("cancelled work ran") } }
    let refused = Task(executorPreference: loop) { try await pool.run {} }
    await #expect(throws: BlockingPool.Refusal.queueFull) { try await refused.value }
    queued.cancel()
    await #expect(throws: CancellationError.self) { try await queued.value }
    gate.open()
    try await running.value
    await Task.detached { pool.shutdown() }.value
  }
}

private struct Failure: Error {}

private final class Gate: @unchecked Sendable {
  private let entered = Atomic<Bool>(false)
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  init() { sem_init(semaphore, 0, 0) }
  deinit { semaphore.deallocate() }
  var isEntered: Bool { entered.load(ordering: .sequentiallyConsistent) }
  func passThrough() {
    entered.store(true, ordering: .sequentiallyConsistent)
    sem_wait(semaphore)
  }
  func open() { sem_post(semaphore) }
}
