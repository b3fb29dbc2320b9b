import Foundation
import HandoffTestKit
import Testing

/// The stock clients in `clients/`, which report one line for each thing they tried.
enum PythonClient {
  /// Something a client tried.
  struct Row: Sendable {
    let name: String
    /// Why it failed; nil when it did not.
    let problem: String?
  }

  /// Runs a client against a cluster and returns its rows.
  ///
  /// - Throws: ``RunningProgram/Missed`` with the output, when the client itself fails.
  static func rows(_ client: String, _ cluster: TestCluster, _ arguments: [String] = []) async throws -> [Row] {
    let environment = Place.plainEnvironment.merging(["PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
    let ended = try await run(
      try TestPython.path(), ["\(Place.clients)/\(client).py", cluster.data] + arguments, environment: environment)
    guard ended.code == 0 else {
      throw RunningProgram.Missed(description: "\(client).py ended with \(ended.code):\n\(ended.output)")
    }
    return rows(ended.output)
  }

  /// Records an issue for each row that failed, or when there are fewer than `least`.
  static func expect(
    _ client: String, _ cluster: TestCluster, _ arguments: [String] = [], rows least: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let rows = try await rows(client, cluster, arguments)
    for row in rows {
      if let problem = row.problem {
        Issue.record("\(row.name):\n\(problem)", sourceLocation: sourceLocation)
      }
    }
    #expect(rows.count >= least, "\(client).py reported \(rows.count) rows", sourceLocation: sourceLocation)
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
