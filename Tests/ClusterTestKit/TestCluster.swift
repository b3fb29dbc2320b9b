import Foundation
import HandoffTestKit
import Synchronization

/// A cluster of the real executables, run by `handoff up` in a temporary directory.
///
/// A watchdog outlives the test process and takes the cluster and its data away, however the process ends.
package final class TestCluster: Sendable {
  /// Its data directory.
  package let data: String
  private let environment: [String: String]
  private let running = Mutex<RunningProgram?>(nil)
  private let watchdog: Watchdog

  private static let counter = Mutex(0)
  private static let first = Mutex<Task<TestCluster, any Error>?>(nil)

  /// The origin whose web pages may call the shared cluster.
  package static let origin = "https://desk.example.com"

  /// The cluster that most tests share, started by the first of them: with a spool for mails.
  package static func shared() async throws -> TestCluster {
    let task = first.withLock { task in
      if let task { return task }
      let made = Task {
        let cluster = try TestCluster(environment: ["HANDOFF_CORS_ORIGINS": origin])
        _ = try await cluster.up()
        return cluster
      }
      task = made
      return made
    }
    return try await task.value
  }

  /// A cluster with its own data; not started yet.
  ///
  /// - Parameter megabytes: gives the data a file system of this size; only root can.
  package init(environment: [String: String] = [:], megabytes: Int? = nil) throws {
    let number = Self.counter.withLock { number in
      number += 1
      return number
    }
    let base = "/tmp/handoff-cluster-\(getpid())-\(number)"
    try FileManager.default.createDirectory(
      atPath: base, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    if let megabytes {
      let mount = Process()
      mount.executableURL = URL(filePath: "/bin/mount")
      mount.arguments = ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0755", "tmpfs", base]
      try mount.run()
      mount.waitUntilExit()
      guard mount.terminationStatus == 0 else { throw RunningProgram.Missed(description: "\(base) is not mounted") }
    }
    data = "\(base)/data"
    // Nobody listens there: no test calls the Dooray! of the world.
    self.environment = Place.plainEnvironment.merging(["HANDOFF_DOORAY_URL": "http://127.0.0.1:9"]) { $1 }
      .merging(environment) { $1 }
    watchdog = try Watchdog(data: data, base: base)
  }

  /// Starts it, and waits until it is running; returns what it printed on the way.
  ///
  /// - Parameters:
  ///   - options: of `handoff up`, beside its data and any free ports.
  ///   - variables: of its environment, beside those of the cluster.
  package func up(_ options: [String] = [], environment variables: [String: String] = [:]) async throws -> String {
    let program = try RunningProgram(
      Place.handoff, ["up", "--data", data, "--port", "0"] + options,
      environment: environment.merging(variables) { $1 })
    try watchdog.watch(program.pid)
    running.withLock { $0 = program }
    return try await program.wait(for: "Stop: Ctrl-C")
  }

  /// `handoff up` of the last start.
  package var program: RunningProgram {
    get throws {
      guard let program = running.withLock({ $0 }) else { throw RunningProgram.Missed(description: "not started") }
      return program
    }
  }

  /// Runs a command of `handoff` for this cluster.
  package func handoff(_ command: String, _ arguments: [String] = []) async throws -> Ended {
    try await run(Place.handoff, [command, "--data", data] + arguments, environment: environment)
  }

  /// The text of a file of the data directory.
  package func read(_ name: String) throws -> String { try String(contentsOfFile: "\(data)/\(name)", encoding: .utf8) }

  /// The address of `name` in the cluster: `edge`, `gateway`, `tickets-admin` …
  package func address(_ name: String) throws -> String {
    for line in try read("addresses").split(separator: "\n") where line.hasPrefix("\(name) ") {
      return String(line.dropFirst(name.count + 1))
    }
    throw RunningProgram.Missed(description: "there is no address of \(name)")
  }

  /// The daemons and the edge by name, with their process ids; of the edge's two processes the first.
  package var processes: [String: Int32] {
    var found: [String: Int32] = [:]
    for (name, pid) in everyProcess where name.hasPrefix("handoff-") || name == "nghttpx" {
      found[name] = min(pid, found[name] ?? pid)
    }
    return found
  }

  /// Every process that works in the data directory, PostgreSQL's included.
  package var everyProcess: [(name: String, pid: Int32)] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap { Int32($0) }.compactMap { pid in
      guard let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd"),
        place == data || place.hasPrefix("\(data)/"),
        let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")
      else { return nil }
      return (URL(filePath: program).lastPathComponent, pid)
    }
  }
}

/// A shell that waits for the end of the test process, then stops what is left of a cluster and removes its files.
private final class Watchdog: Sendable {
  private let lifeline = Pipe()

  init(data: String, base: String) throws {
    let process = Process()
    // A session of its own: an interrupt from the terminal must not reach it before it has cleaned up.
    process.executableURL = URL(filePath: "/usr/bin/setsid")
    process.arguments = ["/bin/sh", "-c", Self.script, "handoff-test-watchdog", data, base]
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    // Nobody else may inherit the lifeline: it is to break when this process ends.
    _ = fcntl(lifeline.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
  }

  /// Names the process to stop, in place of an earlier one.
  func watch(_ pid: Int32) throws { try lifeline.fileHandleForWriting.write(contentsOf: Data("\(pid)\n".utf8)) }

  // $1 data directory, $2 what to remove. A process that does not name the data directory is not ours any more.
  private static let script = """
    pid=
    while read -r next; do pid=$next; done
    if [ -n "$pid" ] && grep -qsF "$1" "/proc/$pid/cmdline"; then
      kill -TERM "$pid"
      timeout 60 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
    fi
    umount -q "$1/mail" "$2"
    rm -rf "$2"
    """
}
