internal import CEventLoop
import Glibc
import Synchronization

/// The loops of a process, one thread each.
package final class EventLoopGroup: Sendable {
  /// All loops, in a fixed order.
  package let loops: [EventLoop]
  private let threads: [LoopThread]
  private let turn = Atomic<Int>(0)
  private let isShutDown = Atomic<Bool>(false)

  private init(loops: [EventLoop], threads: [LoopThread]) {
    self.loops = loops
    self.threads = threads
  }

  /// Starts loops, by default one per processor this process may use.
  ///
  /// - Throws: ``SocketError`` when the system gives no descriptor or thread.
  package static func start(count: Int? = nil) throws -> EventLoopGroup {
    handoff_memory_keep_freed()
    let wanted = max(1, count ?? sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    var loops: [EventLoop] = []
    var threads: [LoopThread] = []
    do {
      for index in 0..<wanted {
        let loop = try EventLoop()
        threads.append(try LoopThread(name: "loop-\(index)") { loop.run() })
        loops.append(loop)
      }
    } catch {
      for loop in loops { loop.stop() }
      for thread in threads { thread.join() }
      throw error
    }
    return EventLoopGroup(loops: loops, threads: threads)
  }

  /// A loop in turn.
  package func next() -> EventLoop {
    let index = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return loops[Int(UInt(bitPattern: index) % UInt(loops.count))]
  }

  /// The loop the caller runs on when it is one of this group, else one in turn.
  package func currentOrNext() -> EventLoop {
    if let current = EventLoop.current, loops.contains(where: { $0 === current }) { return current }
    return next()
  }

  /// Stops every loop once its queue is empty and waits for the threads, unless called from one of them.
  /// Tasks suspended on a loop must have ended before; repeated calls do nothing.
  package func shutdown() {
    guard !isShutDown.exchange(true, ordering: .sequentiallyConsistent) else { return }
    for loop in loops { loop.stop() }
    for (loop, thread) in zip(loops, threads) {
      if loop.isCurrent { thread.detach() } else { thread.join() }
    }
  }
}

/// A POSIX thread with signals blocked: the main thread alone receives them.
struct LoopThread: Sendable {
  private let handle: pthread_t

  init(name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { raw in
        guard let raw else { return nil }
        let start = Unmanaged<ThreadStart>.fromOpaque(raw).takeRetainedValue()
        handoff_thread_block_signals()
        handoff_thread_set_name(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw SocketError(operation: "pthread_create", code: code)
    }
    self.handle = handle
  }

  func join() { pthread_join(handle, nil) }
  func detach() { pthread_detach(handle) }
}

private final class ThreadStart: Sendable {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}
