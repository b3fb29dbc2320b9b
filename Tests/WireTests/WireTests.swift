import Foundation
import HandoffTestKit
import Testing

@Suite("rpc-echo, a server of this library in a process of its own")
struct WireTests {
  @Test("is what a stock gRPC client expects of a server", .timeLimit(.minutes(10)))
  func pythonClient() throws { try Self.run("wire_test") }

  @Test("holds the cases of h2spec, written over raw frames", .timeLimit(.minutes(10)))
  func conformance() throws {
    let report = try Self.run("conformance")
    #expect(report.contains("146 of 147 cases hold"), "\(report)")
  }

  @Test("survives peers that mean harm, within bounds, and goes on to answer others", .timeLimit(.minutes(30)))
  func hostile() throws {
    let report = try Self.run("hostile")
    #expect(report.contains("every reaction is as wanted"), "\(report)")
  }

  /// Runs a script of this directory against rpc-echo and returns what it prints, which is printed here, too.
  @discardableResult
  private static func run(_ script: String) throws -> String {
    let here = URL(filePath: #filePath).deletingLastPathComponent()
    let products = try #require(Bundle.main.executableURL).deletingLastPathComponent()
    let process = Process()
    process.executableURL = URL(filePath: try TestPython.path())
    process.arguments = [here.appending(path: "\(script).py").path, products.appending(path: "rpc-echo").path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let report = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    print(report)
    #expect(process.terminationStatus == 0, "\(report)")
    return report
  }
}
