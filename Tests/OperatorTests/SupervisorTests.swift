import EventLoop
import Foundation
import Synchronization
import Testing

@testable import Operator

/// Hears what a supervisor says.
private final class Notices: Sendable {
  let stream: AsyncStream<SupervisorNotice>
  private let continuation: AsyncStream<SupervisorNotice>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func hear(_ notice: SupervisorNotice) { continuation.yield(notice) }
}

@Suite("Supervision")
struct SupervisorTests {
  private let group: EventLoopGroup
  private let scratch: Scratch
  private let notices = Notices()
  private let supervisor: Supervisor

  init() throws {
    group = try EventLoopGroup.start(count: 1)
    scratch = try Scratch()
    // Longer than any child here lives, however slow the machine.
    supervisor = Supervisor(
      loop: group.next(), logs: scratch.path, owner: .current, stableAfter: .seconds(3600), notify: notices.hear)
  }

  private func shell(_ name: String, _ script: String, stopWithin: Duration = .seconds(10)) -> SupervisedProgram {
    SupervisedProgram(name: name, program: Program("/bin/sh", ["-c", script]), stopWithin: stopWithin)
  }

  @Test("children stop in the reverse order of their start, and none is left")
  func stopOrder() async throws {
    for name in ["first", "second", "third"] { try await supervisor.start(shell(name, "exec sleep 1000")) }
    var pids: [pid_t] = []
    for name in ["first", "second", "third"] { pids.append(try #require(await supervisor.pid(of: name))) }
    let order = Mutex<[String]>([])
    await supervisor.stopAll { name in order.withLock { $0.append(name) } }
    #expect(order.withLock { $0 } == ["third", "second", "first"])
    for pid in pids { #expect(kill(pid, 0) == -1 && errno == ESRCH) }
  }

  @Test("a child that dies is started again after a growing delay, and it is said")
  func restarts() async throws {
    await supervisor.keepRunning()
    try await supervisor.start(shell("fragile", "echo started; exit 3"))
    var heard: [SupervisorNotice] = []
    for await notice in notices.stream {
      heard.append(notice)
      if heard.count == 3 { break }
    }
    await supervisor.stopAll()
    #expect(
      heard == [
        .died(name: "fragile", status: .exited(3), delay: .milliseconds(500)), .restarted(name: "fragile"),
        .died(name: "fragile", status: .exited(3), delay: .seconds(1)),
      ])
    let log = try String(contentsOfFile: "\(scratch.path)/fragile.log", encoding: .utf8)
    #expect(log.hasPrefix("started\nstarted\n"))
  }

  @Test("a child that has lived for a while starts over with the shortest delay, however often it died before")
  func stable() async throws {
    let supervisor = Supervisor(
      loop: group.next(), logs: scratch.path, owner: .current, stableAfter: .milliseconds(100), notify: notices.hear)
    await supervisor.keepRunning()
    try await supervisor.start(shell("settled", "sleep 0.2; exit 3"))
    var delays: [Duration] = []
    for await notice in notices.stream {
      if case .died(_, _, let delay) = notice { delays.append(delay) }
      if delays.count == 3 { break }
    }
    await supervisor.stopAll()
    #expect(delays == [.milliseconds(500), .milliseconds(500), .milliseconds(500)])
  }

  @Test("a child that dies while the cluster starts is not restarted; its end and last words are kept")
  func deathAtStart() async throws {
    try await supervisor.start(shell("broken", "echo one; echo two >&2; kill -9 $$"))
    while await supervisor.death(of: "broken") == nil { await Task.yield() }
    let death = try #require(await supervisor.death(of: "broken"))
    #expect(death.status == .killed(9))
    #expect(death.lastLines == ["one", "two"])
  }

  @Test("a child that does not stop is killed, and it is said")
  func stubborn() async throws {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    try await supervisor.start(shell("stubborn", script, stopWithin: .milliseconds(300)))
    while (try? String(contentsOfFile: "\(scratch.path)/stubborn.log", encoding: .utf8)) != "ready\n" {
      await Task.yield()
    }
    await supervisor.stopAll()
    var iterator = notices.stream.makeAsyncIterator()
    #expect(await iterator.next() == .killed(name: "stubborn"))
  }

  @Test("a program that is not there is an error that names it")
  func missing() async throws {
    let program = SupervisedProgram(name: "none", program: Program("/nonexistent/program"))
    let error = await #expect(throws: OperatorError.self) { try await supervisor.start(program) }
    #expect(error?.message.contains("/nonexistent/program") == true)
  }

  @Test(
    "a child ends with the thread that started it, as another user and with a signal of its choice",
    .enabled(if: geteuid() == 0, "only root starts programs as somebody else"))
  func parentDeath() async throws {
    let nobody = try #require(ServiceUser(named: "nobody"))
    let started = Mutex<Result<ChildProcess, OperatorError>?>(nil)
    let sleeper = Program("/bin/sleep", ["1000"], user: nobody, deathSignal: SIGINT)
    Thread.detachNewThread {
      let result = Result { () throws(OperatorError) in try sleeper.start() }
      started.withLock { $0 = result }
    }
    while started.withLock({ $0 }) == nil { await Task.yield() }
    let child = try #require(started.withLock { $0 }).get()
    var wait = pollfd(fd: child.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&wait, 1, 60_000) == 1)
    #expect(child.reap() == .killed(SIGINT))
  }

  @Test("a command's output and end are reported, and it runs as the user asked for")
  func commands() throws {
    let user = ServiceUser(named: "nobody").flatMap { geteuid() == 0 ? $0 : nil } ?? .current
    let result = try Program("/bin/sh", ["-c", "id -u; cat; exit 7"], user: user).run(
      input: "given\n", timeout: .seconds(20))
    #expect(result.status == .exited(7))
    #expect(result.output == "\(user.uid)\ngiven\n")
    let error = #expect(throws: OperatorError.self) {
      try Program("/bin/sleep", ["1000"]).run(timeout: .milliseconds(50))
    }
    #expect(error?.message.contains("did not end") == true)
  }

  @Test("a log is bounded: a full one becomes its only predecessor")
  func rotation() throws {
    let log = LogFile(path: "\(scratch.path)/big.log", owner: .current)
    let chunk = [UInt8](repeating: 0x61, count: LogFile.bytesMax / 4)
    for _ in 0..<11 { log.append(chunk[...]) }
    log.closeFile()
    func size(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    }
    #expect(try size("\(scratch.path)/big.log") == 3 * chunk.count)
    #expect(try size("\(scratch.path)/big.log.1") == 4 * chunk.count)
    #expect(scratch.mode(of: "\(scratch.path)/big.log") == 0o600)
  }
}
