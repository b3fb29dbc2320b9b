import EventLoop
import Glibc

/// The supervisor's state: loop-confined.
final class SupervisedChildren {
  private static let delayMin = Duration.milliseconds(500)
  /// An attempt costs a tenth of a second of one core, so there is no need to be rarer; and whatever kept a child from
  /// starting, the cluster serves soon after that is over.
  private static let delayMax = Duration.seconds(2)
  private static let lastLinesMax = 12

  private final class Child {
    let program: SupervisedProgram
    let log: LogFile
    var process: ChildProcess?
    var watches: [Watch] = []
    var output: Int32 = -1
    var startTime = MonotonicTime.current
    var delay = SupervisedChildren.delayMin
    var timer: LoopTimer?
    var isStopping = false
    var stopped: (() -> Void)?
    var death: ExitStatus?
    var lastLines: [String] = []
    var partialLine: [UInt8] = []

    init(_ program: SupervisedProgram, log: LogFile) {
      self.program = program
      self.log = log
    }
  }

  var keepsRunning = false
  private let loop: EventLoop
  private let logs: String
  private let owner: ServiceUser
  private let stableAfter: Duration
  private let notify: @Sendable (SupervisorNotice) -> Void
  private var children: [Child] = []

  init(
    loop: EventLoop, logs: String, owner: ServiceUser, stableAfter: Duration,
    notify: @escaping @Sendable (SupervisorNotice) -> Void
  ) {
    self.loop = loop
    self.logs = logs
    self.owner = owner
    self.stableAfter = stableAfter
    self.notify = notify
  }

  func start(_ program: SupervisedProgram) throws(OperatorError) {
    let child = Child(program, log: LogFile(path: "\(logs)/\(program.name).log", owner: owner))
    try launch(child)
    children.append(child)
  }

  func death(of name: String) -> (status: ExitStatus, lastLines: [String])? {
    guard let child = child(name), let status = child.death else { return nil }
    return (status, child.lastLines)
  }

  func pid(of name: String) -> pid_t? { child(name)?.process?.pid }

  /// No child is restarted from now on; the names in the order of their start.
  func beginStopping() -> [String] {
    keepsRunning = false
    for child in children {
      child.isStopping = true
      child.timer?.cancel()
    }
    return children.map(\.program.name)
  }

  func stop(_ name: String, _ stopped: @escaping () -> Void) {
    guard let child = child(name), let process = child.process else { return stopped() }
    child.isStopping = true
    child.stopped = stopped
    process.signal(child.program.stopSignal)
    child.timer = loop.schedule(after: child.program.stopWithin) { [notify] in
      notify(.killed(name: name))
      process.signal(SIGKILL)
    }
  }

  func killAll() {
    for child in children {
      child.isStopping = true
      child.timer?.cancel()
      child.process?.signal(SIGKILL)
    }
  }

  private func child(_ name: String) -> Child? { children.first { $0.program.name == name } }

  private func launch(_ child: Child) throws(OperatorError) {
    let pipe = try Pipe()
    defer { close(pipe.writeEnd) }
    let process: ChildProcess
    do throws(OperatorError) {
      process = try child.program.program.start(output: pipe.writeEnd)
    } catch {
      close(pipe.readEnd)
      throw error
    }
    _ = fcntl(pipe.readEnd, F_SETFL, O_NONBLOCK)
    child.process = process
    child.output = pipe.readEnd
    child.startTime = loop.now
    child.death = nil
    child.watches = [
      loop.watch(pipe.readEnd, .read) { [unowned self, unowned child] _ in
        if !drain(child) { child.watches.first?.cancel() }
      },
      loop.watch(process.descriptor, .read) { [unowned self, unowned child] _ in ended(child) },
    ]
  }

  /// Moves what the child wrote into its log; false at the end of the pipe.
  private func drain(_ child: Child) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let got = read(child.output, &chunk, chunk.count)
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return got < 0 && errno == EAGAIN }
      child.log.append(chunk[..<got])
      remember(chunk[..<got], child)
    }
  }

  private func remember(_ bytes: ArraySlice<UInt8>, _ child: Child) {
    child.partialLine += bytes
    var lines = child.partialLine.split(separator: 0x0a, omittingEmptySubsequences: false)
    child.partialLine = Array(lines.removeLast().suffix(2048))
    child.lastLines += lines.suffix(Self.lastLinesMax).map { String(decoding: $0.prefix(2048), as: UTF8.self) }
    child.lastLines = child.lastLines.suffix(Self.lastLinesMax)
  }

  private func ended(_ child: Child) {
    guard let process = child.process else { return }
    _ = drain(child)
    for watch in child.watches { watch.cancel() }
    child.watches = []
    close(child.output)
    child.timer?.cancel()
    child.process = nil
    let status = process.reap()
    child.death = status
    if child.isStopping {
      child.log.closeFile()
      child.stopped?()
      child.stopped = nil
    } else if keepsRunning {
      if loop.now.since(child.startTime) >= stableAfter { child.delay = Self.delayMin }
      restartLater(child) { .died(name: child.program.name, status: status, delay: $0) }
    }
  }

  private func restartLater(_ child: Child, _ notice: (Duration) -> SupervisorNotice) {
    let delay = child.delay
    child.delay = min(delay * 2, Self.delayMax)
    notify(notice(delay))
    child.timer = loop.schedule(after: delay) { [unowned self, unowned child] in
      do throws(OperatorError) {
        try launch(child)
        notify(.restarted(name: child.program.name))
      } catch {
        restartLater(child) { .restartFailed(name: child.program.name, message: error.message, delay: $0) }
      }
    }
  }
}
