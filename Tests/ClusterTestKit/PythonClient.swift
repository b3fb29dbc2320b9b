import Foundation
import HandoffTestKit
package import Testing

/// The stock clients in `clients/`, which report one line for each thing they tried.
package enum PythonClient {
  /// Something a client tried.
  package struct Row: Sendable {
    /// What was tried.
    package let name: String
    /// Why it failed; nil when it did not.
    package let problem: String?
  }

  /// What a client reported.
  package struct Report: Sendable {
    /// One row for each thing that it tried.
    package let rows: [Row]
    /// All that it wrote.
    package let output: String
  }

  /// The environment of a client: it finds what the clients share.
  package static var environment: [String: String] {
    Place.plainEnvironment.merging(["PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": Place.clients]) { $1 }
  }

  /// Runs a client against a cluster and returns its rows.
  ///
  /// - Throws: ``RunningProgram/Missed`` with the output, when the client itself fails.
  package static func rows(
    _ client: String, _ cluster: TestCluster, _ arguments: [String] = []
  ) async throws -> [Row] {
    try await report("\(Place.clients)/\(client).py", cluster, arguments).rows
  }

  /// Runs a client, which may lie anywhere, against a cluster.
  ///
  /// - Parameter seconds: after this long it is killed, which is an error.
  /// - Throws: ``RunningProgram/Missed`` with the output, when the client itself fails.
  package static func report(
    _ path: String, _ cluster: TestCluster, _ arguments: [String], within seconds: Int = 600
  ) async throws -> Report {
    let ended = try await run(
      try TestPython.path(), [path, cluster.data] + arguments, environment: environment, within: seconds)
    guard ended.code == 0 else {
      throw RunningProgram.Missed(description: "\(path) ended with \(ended.code):\n\(ended.output)")
    }
    return Report(rows: rows(ended.output), output: ended.output)
  }

  /// Records an issue for each row that failed, or when there are fewer than `least`.
  package static func expect(
    _ client: String, _ cluster: TestCluster, _ arguments: [String] = [], rows least: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let rows = try await rows(client, cluster, arguments)
    record(rows, sourceLocation: sourceLocation)
    #expect(rows.count >= least, "\(client).py reported \(rows.count) rows", sourceLocation: sourceLocation)
  }

  /// Records an issue for each row that failed.
  package static func record(_ rows: [Row], sourceLocation: SourceLocation = #_sourceLocation) {
    for row in rows {
      if let problem = row.problem {
        Issue.record("\(row.name):\n\(problem)", sourceLocation: sourceLocation)
      }
    }
  }

  private static func rows(_ output: String) -> [Row] {
    var rows: [Row] = []
    for line in output.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("ok ") {
        rows.append(Row(name: String(line.dropFirst(3)), problem: nil))
      } else if line.hasPrefix("not ok ") {
        rows.append(Row(name: String(line.dropFirst(7)), problem: ""))
      } else if line.hasPrefix("    "), let last = rows.popLast() {
        rows.append(Row(name: last.name, problem: (last.problem ?? "") + line.dropFirst(4) + "\n"))
      }
    }
    return rows
  }
}
