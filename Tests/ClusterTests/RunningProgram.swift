import Foundation
import Synchronization
import Testing

/// The lines of a program, gathered by the thread that reads them.
private final class Said: Sendable {
  let lines = Mutex<[String]>([])
}

/// One of the products under test, as a process of its own whose lines can be waited for.
final class RunningProgram: Sendable {
  let pid: pid_t
  private let process: Process
  private let said = Said()
  private let lines: AsyncStream<String>

  /// Starts a product; standard output and error are read together.
  init(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    let products = try #require(Bundle.main.executableURL).deletingLastPathComponent()
    let process = Process()
    process.executableURL = products.appending(path: name)
    process.arguments = arguments
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    process.environment = ["PATH": path].merging(environment) { $1 }
    let output = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    let (lines, teller) = AsyncStream.makeStream(of: String.self)
    self.lines = lines
    self.process = process
    try process.run()
    pid = process.processIdentifier
    Thread.detachNewThread { [said] in
      var rest = Data()
      while case let data = output.fileHandleForReading.availableData, !data.isEmpty {
        rest += data
        while let end = rest.firstIndex(of: 0x0a) {
          let line = String(decoding: rest[..<end], as: UTF8.self)
          rest = Data(rest[rest.index(after: end)...])
          said.lines.withLock { $0.append(line) }
          teller.yield(line)
        }
      }
      teller.finish()
    }
  }

  /// Everything that was said so far.
  var output: String { said.lines.withLock { $0.joined(separator: "\n") } }

  /// Waits until a line holds `words`; fails when the program ends without.
  func wait(for words: String) async throws {
    for await line in lines where line.contains(words) { return }
    Issue.record("the program ended without saying \"\(words)\":\n\(output)")
    throw CancellationError()
  }

  /// Sends a signal.
  func signal(_ number: Int32) { kill(pid, number) }

  /// Waits for the end and returns the exit code, or minus the signal.
  func end() async -> Int32 {
    for await _ in lines {}
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
  }

  /// Runs a product to its end.
  static func run(_ name: String, _ arguments: [String]) async throws -> (code: Int32, output: String) {
    let program = try RunningProgram(name, arguments)
    let code = await program.end()
    return (code, program.output)
  }
}

/// The processes that name `path` in their command line or environment, or work there: those of one data directory.
func processes(of path: String) -> [pid_t] {
  let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return entries.compactMap { pid_t($0) }.filter { pid in
    guard pid != getpid() else { return false }
    let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")
    if place?.hasPrefix(path) == true { return true }
    return ["cmdline", "environ"].contains { file in
      guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") else { return false }
      return String(decoding: data, as: UTF8.self).contains(path)
    }
  }
}
