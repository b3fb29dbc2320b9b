import EventLoop

/// The tasks of one loop in which handlers run. Loop-confined.
///
/// Making a task, waking it and freeing it costs as much as all the rest of a small call. So handlers wait in a queue,
/// and one task runs them one after the other; only when a handler suspends does another task take the next. Tasks that
/// have nothing to do wait for more. A task that was cancelled, since its client left or its deadline passed, ends with
/// its handler.
final class HandlerTasks {
  // What a burst leaves behind is bounded; a waiting task holds about 2 KB.
  private static let idleMax = 256
  private let loop: EventLoop
  private var idle: [HandlerTask] = []
  private var waiting: [ServedStream] = []
  private var waitingHead = 0
  private var isRunning = false

  init(_ loop: EventLoop) { self.loop = loop }

  deinit { endIdle() }

  /// Ends the tasks that have nothing to do.
  func endIdle() {
    for task in idle { task.wake(nil) }
    idle = []
  }

  /// Has the handler of a stream run by a task, later in this turn.
  func run(_ stream: ServedStream) {
    waiting.append(stream)
    guard !isRunning else { return }
    isRunning = true
    runWaiting()
  }

  // A task takes what waits until its handler suspends. Then this loop is looked after again, behind it in the queue.
  private func runWaiting() {
    guard waitingHead < waiting.count else {
      isRunning = false
      return
    }
    if let task = idle.popLast() { task.wake(self) } else { HandlerTask.start(self, on: loop) }
    loop.executeLocally { self.runWaiting() }
  }

  fileprivate func next() -> ServedStream? {
    guard waitingHead < waiting.count else { return nil }
    let stream = waiting[waitingHead]
    waitingHead += 1
    if waitingHead == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      waitingHead = 0
    }
    return stream
  }

  /// Takes back a task that has nothing to do; false when enough of them wait.
  fileprivate func takeBack(_ task: HandlerTask) -> Bool {
    guard idle.count < Self.idleMax else { return false }
    idle.append(task)
    return true
  }
}

/// One task of ``HandlerTasks``.
// @unchecked: loop-confined; its task runs on the loop, too.
final class HandlerTask: @unchecked Sendable {
  /// Nil while the task waits, so that tasks that wait do not keep the streams' core alive.
  private var tasks: HandlerTasks?
  private var task: Task<Void, Never>?
  private var waiter: UnsafeContinuation<Void, Never>?

  private init(_ tasks: HandlerTasks) { self.tasks = tasks }

  fileprivate static func start(_ tasks: HandlerTasks, on loop: EventLoop) {
    let new = HandlerTask(tasks)
    new.task = Task(executorPreference: loop) {
      while await new.serve() { await withUnsafeContinuation { new.waiter = $0 } }
      new.task = nil
    }
  }

  /// Cancels the task, and with it the handler that it runs.
  func cancel() { task?.cancel() }

  /// Ends the wait; with nil, the task too.
  fileprivate func wake(_ tasks: HandlerTasks?) {
    self.tasks = tasks
    waiter?.resume()
    waiter = nil
  }

  /// Runs handlers while some wait; false when the task is to end. A function of its own, so that a task that waits
  /// holds nothing of the calls before.
  private func serve() async -> Bool {
    guard let tasks else { return false }
    self.tasks = nil
    while let stream = tasks.next() {
      stream.begin(in: self)
      await stream.serve()
      stream.served()
      if Task.isCancelled { return false }
    }
    return tasks.takeBack(self)
  }
}
