import Foundation
import Testing

/// A program to be run: one of ours, or a peer in Python.
struct Program {
  struct Report {
    let status: Int32
    let output: String
  }

  static let here = URL(filePath: #filePath).deletingLastPathComponent()
  static let root = here.deletingLastPathComponent().deletingLastPathComponent()

  let executable: String
  let arguments: [String]

  static func ours(_ name: String, _ arguments: [String]) throws -> Program {
    let products = try #require(Bundle.main.executableURL).deletingLastPathComponent()
    return Program(executable: products.appending(path: name).path, arguments: arguments)
  }

  static func python(_ script: String, _ arguments: [String] = []) throws -> Program {
    let python =
      ProcessInfo.processInfo.environment["HANDOFF_TEST_PYTHON"] ?? root.appending(path: ".venv/bin/python").path
    try #require(
      FileManager.default.isExecutableFile(atPath: python),
      "\(python) is missing; scripts/test makes it, or set HANDOFF_TEST_PYTHON to a Python that has the package grpcio")
    let path = here.appending(path: "peers/\(script)").path
    return Program(executable: python, arguments: ["-B", path] + arguments)
  }

  /// Runs the program to its end, without blocking the thread.
  func run() async throws -> Report {
    let place = FileManager.default.temporaryDirectory.appending(path: "interop-\(UUID().uuidString)")
    try Data().write(to: place)
    defer { try? FileManager.default.removeItem(at: place) }
    let process = Process()
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: place)
    process.standardInput = FileHandle.nullDevice
    try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in ended.resume() }
      do { try process.run() } catch { ended.resume(throwing: error) }
    }
    return Report(
      status: process.terminationStatus, output: String(decoding: try Data(contentsOf: place), as: UTF8.self))
  }

  /// Starts a server, whose first line is its port and which ends with its input.
  func serving() throws -> RunningServer {
    let process = Process()
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    let input = Pipe()
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { break }
      line += more
    }
    let port = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    try #require(UInt16(port) != nil, "\(executable) did not print its port but \(port)")
    return RunningServer(process: process, input: input, output: output, port: port)
  }
}

/// A server that ``Program`` has started.
struct RunningServer {
  fileprivate let process: Process
  fileprivate let input: Pipe
  fileprivate let output: Pipe
  let port: String

  func stop() {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}
