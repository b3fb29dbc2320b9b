import EventLoop
import Glibc

/// A program that `handoff up` keeps running.
struct SupervisedProgram: Sendable {
  /// The short name people know it by; also the name of its log.
  var name: String
  /// What to start.
  var program: Program
  /// Asks it to stop.
  var stopSignal: Int32
  /// How long it may take to stop before it is killed.
  var stopWithin: Duration

  /// A program that stops within `stopWithin` of `stopSignal`.
  init(name: String, program: Program, stopSignal: Int32 = SIGTERM, stopWithin: Duration = .seconds(15)) {
    self.name = name
    self.program = program
    self.stopSignal = stopSignal
    self.stopWithin = stopWithin
  }
}

/// Something the person at the terminal should hear about a child.
enum SupervisorNotice: Sendable, Equatable {
  /// It died by itself and is started again after `delay`.
  case died(name: String, status: ExitStatus, delay: Duration)
  /// It was started again.
  case restarted(name: String)
  /// It could not even be started; tried again after `delay`.
  case restartFailed(name: String, message: String, delay: Duration)
  /// It did not stop in time and was killed.
  case killed(name: String)
}

/// Starts the cluster's processes, writes their logs, restarts those that die, and stops them in reverse order.
///
/// Everything happens on one event loop, whose thread lives as long as the process: the kernel ends a child when the
/// thread that started it ends (see `Program.start`), so even a SIGKILL of `handoff up` leaves nothing behind.
final class Supervisor: Sendable {
  private let loop: EventLoop
  private let state: LoopBound<SupervisedChildren>

  /// A supervisor on `loop` that writes `<name>.log` files into the directory `logs`, owned by `owner`.
  ///
  /// - Parameter stableAfter: a child that lived this long is no child that cannot start: when it dies, it starts over
  ///   with the shortest delay. Every daemon serves, or has given up, long before.
  init(
    loop: EventLoop, logs: String, owner: ServiceUser, stableAfter: Duration = .seconds(5),
    notify: @escaping @Sendable (SupervisorNotice) -> Void
  ) {
    self.loop = loop
    let children = SupervisedChildren(
      loop: loop, logs: logs, owner: owner, stableAfter: stableAfter, notify: notify)
    state = LoopBound(children, loop)
  }

  /// Starts a program as the last of the row. Its death counts as a failure until `keepRunning()` is called.
  func start(_ program: SupervisedProgram) async throws(OperatorError) {
    try await onLoop { children throws(OperatorError) in try children.start(program) }
  }

  /// From now on children that die are started again, with a growing delay.
  func keepRunning() async { await onLoop { $0.keepsRunning = true } }

  /// How `name` ended and its last words, if it died while the cluster was starting; else nil.
  func death(of name: String) async -> (status: ExitStatus, lastLines: [String])? {
    await onLoop { $0.death(of: name) }
  }

  /// The process id of `name` while it runs.
  func pid(of name: String) async -> pid_t? { await onLoop { $0.pid(of: name) } }

  /// Stops all children, the last started first, and waits until none is left.
  func stopAll(beforeEach announce: @escaping @Sendable (String) -> Void = { _ in }) async {
    let names = await onLoop { $0.beginStopping() }
    for name in names.reversed() {
      announce(name)
      await withCheckedContinuation { continuation in
        loop.execute { [state] in state.value.stop(name) { continuation.resume() } }
      }
    }
  }

  /// Kills every child now; for a person who does not want to wait.
  func killAll() { loop.execute { [state] in state.value.killAll() } }

  private func onLoop<Value: Sendable, Failure>(
    _ work: @escaping @Sendable (SupervisedChildren) throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
      loop.execute { [state] in
        do throws(Failure) {
          continuation.resume(returning: .success(try work(state.value)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }
}
