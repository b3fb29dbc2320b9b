import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

@Suite("A server of this library in a process of its own")
struct WireTests {
  @Test("is what a stock gRPC client expects of a server", .timeLimit(.minutes(10)))
  func pythonClient() async throws { try await Self.run("wire_test") }

  @Test("holds the cases of h2spec, written over raw frames", .timeLimit(.minutes(10)))
  func conformance() async throws {
    let report = try await Self.run("conformance")
    #expect(report.contains("146 of 147 cases hold"), "\(report)")
  }

  @Test("follows OpenSSL's client and server when they change their keys", .timeLimit(.minutes(10)))
  func keyUpdate() async throws { try await Self.run("tls_test", on: Place.products) }

  @Test("survives peers that mean harm, within bounds, and goes on to answer others", .timeLimit(.minutes(30)))
  func hostile() async throws {
    let report = try await Self.run("hostile")
    #expect(report.contains("every reaction is as wanted"), "\(report)")
  }

  /// Runs a script of this directory against rpc-echo, or what else it wants, and returns what it prints, which is
  /// printed here, too.
  @discardableResult
  private static func run(
    _ script: String, on subject: String = "\(Place.products)/rpc-echo"
  ) async throws -> String {
    let here = URL(filePath: #filePath).deletingLastPathComponent()
    let ended = try await ClusterTestKit.run(
      try TestPython.path(), [here.appending(path: "\(script).py").path, subject],
      environment: ProcessInfo.processInfo.environment, within: 1800)
    print(ended.output)
    #expect(ended.code == 0, "\(ended.output)")
    return ended.output
  }
}
