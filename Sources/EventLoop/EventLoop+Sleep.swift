extension EventLoop {
  /// Suspends the caller for `duration`: by the timer of its loop, or by the system's when it is on none.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  package static func pause(for duration: Duration) async throws {
    if let current { try await current.sleep(for: duration) } else { try await Task.sleep(for: duration) }
  }

  /// Suspends the caller for `duration`; from any thread.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  package func sleep(for duration: Duration) async throws {
    let sleeper = Sleeper(self)
    try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        execute { sleeper.begin(continuation, duration) }
      }
    } onCancel: {
      execute { sleeper.cancel() }
    }
  }
}

/// One sleep: its timer races with the task's cancellation, on the loop.
// @unchecked: its methods run on the loop only.
private final class Sleeper: @unchecked Sendable {
  private let loop: EventLoop
  private var continuation: UnsafeContinuation<Void, any Error>?
  private var timer: LoopTimer?
  private var isCancelled = false

  init(_ loop: EventLoop) { self.loop = loop }

  func begin(_ continuation: UnsafeContinuation<Void, any Error>, _ duration: Duration) {
    guard !isCancelled else { return continuation.resume(throwing: CancellationError()) }
    self.continuation = continuation
    timer = loop.schedule(after: duration) { self.finish(.success(())) }
  }

  func cancel() {
    isCancelled = true
    finish(.failure(CancellationError()))
  }

  private func finish(_ result: Result<Void, any Error>) {
    timer?.cancel()
    timer = nil
    continuation?.resume(with: result)
    continuation = nil
  }
}
