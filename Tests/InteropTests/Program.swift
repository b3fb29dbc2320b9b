import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

/// A program to be run: one of ours, or a peer's.
struct Program {
  struct Report {
    let status: Int32
    let output: String
  }

  static let here = URL(filePath: #filePath).deletingLastPathComponent()
  static let root = here.deletingLastPathComponent().deletingLastPathComponent()
  private static let cppProducts = URL(filePath: Place.products).appending(path: "interop-peers").path

  let executable: String
  let arguments: [String]

  static func ours(_ name: String, _ arguments: [String]) -> Program {
    Program(executable: "\(Place.products)/\(name)", arguments: arguments)
  }

  static func server(of peer: Peer, _ arguments: [String]) throws -> Program {
    switch peer {
    case .grpcio: try python("interop_server.py", arguments)
    case .cpp: Program(executable: "\(cppProducts)/interop_server", arguments: arguments)
    }
  }

  static func client(of peer: Peer, _ arguments: [String]) throws -> Program {
    switch peer {
    case .grpcio: try python("interop_client.py", arguments)
    case .cpp: Program(executable: "\(cppProducts)/interop_client", arguments: arguments)
    }
  }

  private static func python(_ script: String, _ arguments: [String]) throws -> Program {
    let path = here.appending(path: "peers/\(script)").path
    return Program(executable: try TestPython.path(), arguments: ["-B", path] + arguments)
  }

  /// Builds the peers in gRPC C++.
  static func buildCPP() async throws {
    let built = try await ClusterTestKit.run(
      here.appending(path: "peers/cpp/build").path, [cppProducts],
      environment: ProcessInfo.processInfo.environment, within: 1800)
    try #require(built.code == 0, "scripts/install-packages bench brings gRPC C++: \(built.output)")
  }

  /// Runs the program to its end.
  func run() async throws -> Report {
    let ended = try await ClusterTestKit.run(
      executable, arguments, environment: ProcessInfo.processInfo.environment, within: 1800)
    return Report(status: ended.code, output: ended.output)
  }

  /// Starts a server, whose first line is its port and which ends with its input.
  func serving() async throws -> RunningServer {
    try await onThread {
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
}

/// A server that ``Program`` has started.
struct RunningServer: Sendable {
  fileprivate let process: Process
  fileprivate let input: Pipe
  fileprivate let output: Pipe
  let port: String

  /// Lets it end; it has nothing to finish, so nobody waits for it.
  func stop() { try? input.fileHandleForWriting.close() }
}
