import Glibc
import Synchronization

/// Threads for work that blocks (name resolution, libcurl, scrypt), with a bounded queue before them.
///
/// Threads start when there is work and stay; a task cancelled while its work is queued leaves the queue at once, work
/// that has begun runs to its end.
package final class BlockingPool: Sendable {
  /// Why work was not taken.
  package enum Refusal: Error, Equatable {
    /// As many pieces of work wait as the pool allows.
    case queueFull
    /// The pool was shut down.
    case shutDown
  }

  private struct State {
    var waiting: [Piece] = []
    var threads: [LoopThread] = []
    var busy = 0
    var isShutDown = false
  }

  private let name: String
  private let threadsMax: Int
  private let queueMax: Int
  private let state = Mutex(State())
  private let available = Semaphore()

  /// Makes a pool of at most `threads` threads before which at most `queueMax` pieces of work wait.
  package init(name: String, threads: Int, queueMax: Int) {
    self.name = name
    threadsMax = max(1, threads)
    self.queueMax = queueMax
  }

  /// Runs `work` on a thread of the pool and resumes the caller on its own executor.
  ///
  /// - Throws: ``Refusal`` when the queue is full or the pool shut down, `CancellationError` when the task was
  ///   cancelled before the work began, or what `work` throws.
  package func run<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    let piece = Piece()
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<T, any Error>) in
        piece.prepare { isCancelled in
          guard !isCancelled else { return continuation.resume(throwing: CancellationError()) }
          continuation.resume(with: Result { try work() })
        }
        do { try submit(piece) } catch {
          if piece.take() != nil { continuation.resume(throwing: error) }
        }
      }
    } onCancel: {
      piece.cancel()
    }
  }

  /// Takes no more work, lets the queue run out and waits for the threads; blocks, so never on a loop.
  package func shutdown() {
    let threads = state.withLock { state in
      state.isShutDown = true
      defer { state.threads = [] }
      return state.threads
    }
    for _ in threads { available.signal() }
    for thread in threads { thread.join() }
  }

  private func submit(_ piece: Piece) throws {
    try state.withLock { state in
      guard !state.isShutDown else { throw Refusal.shutDown }
      if state.busy + state.waiting.count >= threadsMax + queueMax { state.waiting.removeAll { $0.isTaken } }
      let load = state.busy + state.waiting.count
      guard load < threadsMax + queueMax else { throw Refusal.queueFull }
      if load >= state.threads.count, state.threads.count < threadsMax {
        let thread = try LoopThread(name: "\(name)-\(state.threads.count)") { [self] in serve() }
        state.threads.append(thread)
      }
      state.waiting.append(piece)
    }
    available.signal()
  }

  private func serve() {
    while true {
      available.wait()
      let (piece, ends) = state.withLock { state -> (Piece?, Bool) in
        guard !state.waiting.isEmpty else { return (nil, state.isShutDown) }
        state.busy += 1
        return (state.waiting.removeFirst(), false)
      }
      if ends { return }
      guard let piece else { continue }
      piece.take()?(false)
      state.withLock { $0.busy -= 1 }
    }
  }
}

/// Work in the queue; whoever takes it first (a thread, or the task's cancellation) runs it.
private final class Piece: Sendable {
  typealias Work = @Sendable (_ isCancelled: Bool) -> Void
  private enum Phase {
    case new
    case cancelledEarly
    case ready(Work)
    case taken
  }
  private let phase = Mutex(Phase.new)

  var isTaken: Bool {
    phase.withLock { if case .taken = $0 { true } else { false } }
  }

  func prepare(_ work: @escaping Work) {
    let wasCancelled = phase.withLock { phase in
      if case .cancelledEarly = phase {
        phase = .taken
        return true
      }
      phase = .ready(work)
      return false
    }
    if wasCancelled { work(true) }
  }

  func take() -> Work? {
    phase.withLock { phase in
      guard case .ready(let work) = phase else { return nil }
      phase = .taken
      return work
    }
  }

  func cancel() {
    let work: Work? = phase.withLock { phase in
      switch phase {
      case .ready(let work):
        phase = .taken
        return work
      case .new:
        phase = .cancelledEarly
        return nil
      case .cancelledEarly, .taken:
        return nil
      }
    }
    work?(true)
  }
}

/// A counting semaphore; POSIX's needs a stable address, which a class gives.
// @unchecked: `sem_t` is made for use by many threads.
private final class Semaphore: @unchecked Sendable {
  private let pointer = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  init() { sem_init(pointer, 0, 0) }
  deinit {
    sem_destroy(pointer)
    pointer.deallocate()
  }
  func signal() { sem_post(pointer) }
  func wait() { while sem_wait(pointer) != 0 {} }
}
