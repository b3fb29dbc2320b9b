package import Foundation

/// A Python process that answers questions one after the other on its standard input and output.
///
/// A question is one letter, a length of four bytes (the most significant first) and a payload; an answer is one byte
/// (1 = fine), a length and a payload. For one task at a time.
package final class FramedPython {
  private let process = Process()
  private let questions = Pipe()
  private let answers = Pipe()

  /// It ended, or does not speak as it should.
  package struct Gone: Error, CustomStringConvertible {
    /// What to do.
    package let description =
      "the Python peer ended; run the tests through scripts/test, or name in"
      + " HANDOFF_TEST_PYTHON a Python that has the package protobuf"

    /// The error.
    package init() {}
  }

  /// Starts a script.
  ///
  /// - Throws: ``TestPython/Missing``, or what the system says.
  package init(script: URL, arguments: [String]) throws {
    process.executableURL = URL(filePath: try TestPython.path())
    process.arguments = [script.path] + arguments
    process.standardInput = questions
    process.standardOutput = answers
    try process.run()
  }

  deinit {
    try? questions.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// Asks and waits for the answer; nil when the script refuses.
  ///
  /// - Throws: ``Gone``.
  package func ask(_ operation: Character, _ payload: [UInt8]) throws -> [UInt8]? {
    var question = Data(String(operation).utf8)
    withUnsafeBytes(of: UInt32(payload.count).bigEndian) { question.append(contentsOf: $0) }
    question.append(contentsOf: payload)
    try questions.fileHandleForWriting.write(contentsOf: question)
    let head = try read(5)
    let length = head[1...].reduce(0) { $0 << 8 | Int($1) }
    let body = try read(length)
    return head[0] == 1 ? body : nil
  }

  private func read(_ count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard let more = try answers.fileHandleForReading.read(upToCount: count - bytes.count), !more.isEmpty else {
        throw Gone()
      }
      bytes.append(contentsOf: more)
    }
    return bytes
  }
}
