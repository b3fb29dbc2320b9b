import CSpawn
import EventLoop
import Glibc

/// SIGINT, SIGTERM and SIGHUP as something to wait for.
final class StopSignals: Sendable {
  private let descriptor: Int32

  /// From here on the signals do not end the process. To be made once.
  init() throws(OperatorError) {
    descriptor = handoff_stop_signals()
    guard descriptor >= 0 else { throw OperatorError("no signal handlers: \(errorText(-descriptor))") }
  }

  /// Calls `received` on the loop with the count of signals so far, 1 for the first.
  func deliver(on loop: EventLoop, _ received: @escaping @Sendable (Int) -> Void) {
    loop.execute { [descriptor] in
      var count = 0
      _ = loop.watch(descriptor, .read) { _ in
        while handoff_stop_signal_next(descriptor) != 0 {
          count += 1
          received(count)
        }
      }
    }
  }
}
