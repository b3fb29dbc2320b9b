import Foundation
import Testing

@Suite("A stock gRPC client")
struct WireTests {
  @Test("finds in rpc-echo the server it expects", .timeLimit(.minutes(5)))
  func pythonClient() throws {
    let here = URL(filePath: #filePath).deletingLastPathComponent()
    let root = here.deletingLastPathComponent().deletingLastPathComponent()
    let python =
      ProcessInfo.processInfo.environment["HANDOFF_TEST_PYTHON"] ?? root.appending(path: ".venv/bin/python").path
    try #require(
      FileManager.default.isExecutableFile(atPath: python),
      "\(python) is missing; scripts/test makes it, or set HANDOFF_TEST_PYTHON to a Python that has the package grpcio")
    let products = try #require(Bundle.main.executableURL).deletingLastPathComponent()
    let process = Process()
    process.executableURL = URL(filePath: python)
    process.arguments = [here.appending(path: "wire_test.py").path, products.appending(path: "rpc-echo").path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let report = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(String(decoding: report, as: UTF8.self))")
  }
}
