import Foundation
import HandoffTestKit
import Synchronization

/// Runs blocking work on a thread of its own: the threads that all tests of the process share must not wait.
package func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread { continuation.resume(with: Result { try work() }) }.start()
  }
}

/// Where things are.
package enum Place {
  /// The directory of the executables, in which the test runner lies too.
  package static let products: String = {
    let runner = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(filePath: runner).deletingLastPathComponent().path
  }()

  /// The project's directory.
  package static let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// The stock clients, and what they share.
  package static let clients = "\(project)/Tests/ClusterTests/clients"

  /// The operator's tool.
  package static let handoff = "\(products)/handoff"

  /// What the project's Python environment brings beside Python, such as grpcurl.
  package static func pythonTool(_ name: String) throws -> String {
    URL(filePath: try TestPython.path()).deletingLastPathComponent().appending(path: name).path
  }

  /// This process's environment without what would configure a cluster.
  package static var plainEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HANDOFF_") }
  }
}

/// How a program ended and what it wrote on both streams.
package struct Ended: Sendable {
  /// The exit status.
  package let code: Int32
  /// What it wrote.
  package let output: String
}

/// Runs a program to its end.
///
/// - Parameter seconds: After this long it is killed, and the code is 124, as timeout(1) has it.
package func run(
  _ path: String, _ arguments: [String] = [], environment: [String: String] = Place.plainEnvironment,
  directory: String = "/", within seconds: Int = 600
) async throws -> Ended {
  try await onThread {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=10", "\(seconds)", path] + arguments
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try output.fileHandleForWriting.close()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Ended(code: process.terminationStatus, output: String(decoding: text, as: UTF8.self))
  }
}

/// Runs a script, which ends with its first command that fails.
package func bash(_ script: String, in directory: String) async throws -> Ended {
  try await run("/bin/bash", ["-euo", "pipefail", "-c", script], directory: directory)
}

/// A program that keeps running, and the lines it has written on both streams so far.
package final class RunningProgram: Sendable {
  private struct State {
    var output = ""
    var isOver = false
  }

  /// What was waited for did not come.
  package struct Missed: Error, CustomStringConvertible {
    /// What, and what was there instead.
    package let description: String

    /// An error that says `description`.
    package init(description: String) { self.description = description }
  }

  private let process = Process()
  private let state = Mutex(State())
  private let changed = NSCondition()

  /// Starts a program.
  package init(_ path: String, _ arguments: [String], environment: [String: String]) throws {
    let output = Pipe()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try output.fileHandleForWriting.close()
    Thread { [self] in
      while true {
        let data = output.fileHandleForReading.availableData
        changed.lock()
        state.withLock { state in
          state.output += String(decoding: data, as: UTF8.self)
          state.isOver = data.isEmpty
        }
        changed.broadcast()
        changed.unlock()
        if data.isEmpty { return }
      }
    }.start()
  }

  /// Its process id.
  package var pid: Int32 { process.processIdentifier }

  /// All that was written so far.
  package var output: String { state.withLock { $0.output } }

  /// Waits until `text` has been written after the first `offset` characters; returns everything from there on.
  ///
  /// - Throws: ``Missed`` with the output, when the program ends or `seconds` pass before.
  package func wait(for text: String, from offset: Int = 0, within seconds: Double = 600) async throws -> String {
    try await onThread { [self] in
      let end = Date(timeIntervalSinceNow: seconds)
      changed.lock()
      defer { changed.unlock() }
      while true {
        let (output, isOver) = state.withLock { ($0.output, $0.isOver) }
        let rest = output.dropFirst(offset)
        if rest.contains(text) { return String(rest) }
        guard !isOver, changed.wait(until: end) else {
          throw Missed(description: "\"\(text)\" was not written\(isOver ? " before the end" : ""):\n\(output)")
        }
      }
    }
  }

  /// Sends a signal that ends the program; returns how it ended, minus the signal when that was what ended it.
  package func end(_ signal: Int32 = SIGTERM) async throws -> Ended {
    // One that ended by itself has given its id back, and another program may bear it by now.
    if process.isRunning { kill(pid, signal) }
    return try await onThread { [self] in
      process.waitUntilExit()
      changed.lock()
      defer { changed.unlock() }
      while !state.withLock({ $0.isOver }) { changed.wait() }
      let status = process.terminationStatus
      return Ended(code: process.terminationReason == .exit ? status : -status, output: output)
    }
  }
}
