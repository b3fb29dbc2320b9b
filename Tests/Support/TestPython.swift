package import Foundation

/// The Python interpreter with the foreign libraries that tests check against.
package enum TestPython {
  /// There is none.
  package struct Missing: Error, CustomStringConvertible {
    /// What to do.
    package let description =
      "these tests need Python with its packages: run them through scripts/test, or name the interpreter in"
      + " HANDOFF_TEST_PYTHON"
  }

  /// A script ended with an error.
  package struct Failed: Error {
    /// Its exit status.
    package let status: Int32
  }

  /// The interpreter: what `HANDOFF_TEST_PYTHON` names, else that of `.venv` in the project.
  ///
  /// - Throws: ``Missing``.
  package static func path() throws -> String {
    let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path =
      ProcessInfo.processInfo.environment["HANDOFF_TEST_PYTHON"]
      ?? project.appending(path: ".venv/bin/python").path
    guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing() }
    return path
  }

  /// Runs a script with the input on its standard input and returns its standard output.
  ///
  /// - Throws: ``Missing``, ``Failed``.
  package static func run(_ script: String, input: [UInt8]) throws -> Data {
    let process = Process()
    process.executableURL = URL(filePath: try path())
    process.arguments = ["-c", script]
    let (standardInput, standardOutput) = (Pipe(), Pipe())
    process.standardInput = standardInput
    process.standardOutput = standardOutput
    try process.run()
    try standardInput.fileHandleForWriting.write(contentsOf: Data(input))
    try standardInput.fileHandleForWriting.close()
    let output = try standardOutput.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(status: process.terminationStatus) }
    return output
  }
}
