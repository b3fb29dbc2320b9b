import Foundation
import Testing

/// Real executables, a real PostgreSQL and a real nghttpx, started the way a person starts them.
@Suite("A whole cluster", .serialized, .timeLimit(.minutes(10)))
struct ClusterTests {
  private let scratch: Scratch
  private var data: String { "\(scratch.path)/data" }

  init() throws { scratch = try Scratch() }

  private func up() async throws -> RunningProgram {
    let cluster = try RunningProgram("handoff", ["up", "--data", data, "--port", "0"])
    try await cluster.wait(for: "Handoff is running")
    return cluster
  }

  private func handoff(_ command: String) async throws -> (code: Int32, output: String) {
    try await RunningProgram.run("handoff", [command, "--data", data])
  }

  /// Waits until no process of the cluster is left.
  private func waitUntilGone() async {
    while !processes(of: data).isEmpty { await Task.yield() }
  }

  @Test("starts from nothing, tells the demo's story, stops without a trace, and keeps its data")
  func story() async throws {
    let cluster = try await up()
    try await cluster.wait(for: "Stop: Ctrl-C")
    #expect(cluster.output.contains("jihye.yoon@example.com"))

    let demo = try await handoff("demo")
    #expect(demo.code == 0, "\(demo.output)")
    #expect(demo.output.contains("Every step was as promised."))
    let doctor = try await handoff("doctor")
    #expect(doctor.code == 0, "\(doctor.output)")
    let second = try await handoff("up")
    #expect(second.code == 1)
    #expect(second.output.contains("is run by process \(cluster.pid) already"))

    cluster.signal(SIGINT)
    #expect(await cluster.end() == 0)
    #expect(cluster.output.contains("Everything is stopped"))
    let stopped = cluster.output.split(separator: "\n").compactMap { $0.split(separator: "Stopping ").last }
    #expect(stopped.suffix(8).prefix(7) == ["edge", "gateway", "tickets", "assignment", "mail", "masking", "postgres"])
    #expect(processes(of: data).isEmpty)
    #expect(try await handoff("demo").output.contains("no cluster runs"))

    let again = try await up()
    try await again.wait(for: "Stop: Ctrl-C")
    #expect(!again.output.contains("Demo tickets"))
    #expect(try await handoff("demo").code == 0)
    again.signal(SIGTERM)
    #expect(await again.end() == 0)
    #expect(processes(of: data).isEmpty)
  }

  @Test("a killed daemon is started again and said so; a killed `handoff up` takes everything with it")
  func kills() async throws {
    let cluster = try await up()
    for name in ["tickets", "edge", "postgres"] {
      let pid = try #require(try self.pid(of: name), "\(name) has no process")
      kill(pid, SIGKILL)
      try await cluster.wait(for: "\(name) was ended by signal 9")
      try await cluster.wait(for: "\(name) is started again")
    }
    var demo = try await handoff("demo")
    while demo.code != 0, demo.output.contains("step 1 ") { demo = try await handoff("demo") }
    #expect(demo.code == 0, "\(demo.output)")

    cluster.signal(SIGKILL)
    #expect(await cluster.end() == -SIGKILL)
    await waitUntilGone()

    let again = try await up()
    #expect(try await handoff("demo").code == 0)
    again.signal(SIGHUP)
    #expect(await again.end() == 0)
    #expect(processes(of: data).isEmpty)
  }

  /// The process of one of the cluster's parts, by its executable.
  private func pid(of name: String) throws -> pid_t? {
    let executable = ["edge": "nghttpx", "postgres": "postgres"][name] ?? "handoff-\(name)"
    return processes(of: data).first { pid in
      let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      // A backend of PostgreSQL shows a title in the place of its command line.
      return words.first.map { $0.hasSuffix("/\(executable)") } ?? false
    }
  }

  @Test("what is missing is named, with what to do")
  func friendlyErrors() async throws {
    for (arguments, words) in [
      (["demo", "--data", data], "handoff up"), (["up", "--prot", "1"], "--port PORT"), ([], "Usage: handoff COMMAND"),
      (["version"], "handoff 0."), (["up", "--help"], "HANDOFF_DATABASE_URL"),
    ] {
      let result = try await RunningProgram.run("handoff", arguments)
      #expect(result.output.contains(words), "\(arguments): \(result.output)")
    }
  }
}

/// A directory that the cluster's user can reach; gone when the test ends.
private final class Scratch {
  let path: String

  init() throws {
    var template = Array("/tmp/handoff-cluster-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    chmod(path, 0o755)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
