import Glibc
import Synchronization

/// SIGTERM and SIGINT as something to wait for.
///
/// The signals are blocked in every thread and taken by one that does nothing else. A second signal ends the process at
/// once: whoever sends it does not want to wait for the drain.
final class TerminationSignals: Sendable {
  private enum State {
    case waiting(@Sendable (Int32) -> Void)
    case idle
    case came(Int32)
  }

  private let state = Mutex(State.idle)

  /// To be made before any other thread, which then inherits the blocked signals. SIGPIPE is ignored from here on:
  /// writing to a closed socket is an error like others.
  init() {
    signal(SIGPIPE, SIG_IGN)
    var signals = Self.signals
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    // Once `main` awaits, libdispatch parks the main thread in sigsuspend(2) with nothing blocked. What is delivered
    // there is sent again: while this handler runs, the main thread has the signal blocked and the other one takes it.
    for number in [SIGTERM, SIGINT] { signal(number) { kill(getpid(), $0) } }
    let context = Unmanaged.passRetained(self).toOpaque()
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<TerminationSignals>.fromOpaque(context).takeUnretainedValue().run()
        return nil
      }, context)
  }

  /// Calls `action` with the first signal, at once when it has come already.
  func onFirst(_ action: @escaping @Sendable (Int32) -> Void) {
    let came: Int32? = state.withLock { state in
      if case .came(let number) = state { return number }
      state = .waiting(action)
      return nil
    }
    if let came { action(came) }
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    return set
  }

  private func run() {
    var signals = Self.signals
    while true {
      var number: Int32 = 0
      guard sigwait(&signals, &number) == 0 else { continue }
      let action: (@Sendable (Int32) -> Void)? = state.withLock { state in
        switch state {
        case .came: _exit(128 + number)
        case .idle:
          state = .came(number)
          return nil
        case .waiting(let action):
          state = .came(number)
          return action
        }
      }
      action?(number)
    }
  }
}
