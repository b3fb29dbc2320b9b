import Foundation

/// A Python process that reads and writes `handoff.test.v1.Everything` with Google's implementation.
///
/// A question is one letter, a length of four bytes and a payload; an answer is one byte (1 = fine), a length and a
/// payload.
final class PythonPeer {
  private let process = Process()
  private let questions = Pipe()
  private let answers = Pipe()

  struct Gone: Error, CustomStringConvertible {
    let description = "the Python peer ended; set HANDOFF_TEST_PYTHON to a Python that has the package protobuf"
  }

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let root = tests.deletingLastPathComponent().deletingLastPathComponent()
    let python = ProcessInfo.processInfo.environment["HANDOFF_TEST_PYTHON"] ?? root.path + "/.venv/bin/python"
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [
      tests.appendingPathComponent("peer.py").path, root.path + "/Tests/TestProtos/descriptors.binpb",
    ]
    process.standardInput = questions
    process.standardOutput = answers
    try process.run()
  }

  deinit {
    try? questions.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// What Python writes for what it read from these bytes, unknown fields left out; nil when it refuses them.
  func rewrite(_ bytes: [UInt8]) throws -> [UInt8]? { try ask("P", bytes) }

  /// A message that Python made up from the seed.
  func generate(seed: UInt64) throws -> [UInt8] {
    let payload = withUnsafeBytes(of: seed.bigEndian) { [UInt8]($0) }
    guard let bytes = try ask("G", payload) else { throw Gone() }
    return bytes
  }

  private func ask(_ operation: Character, _ payload: [UInt8]) throws -> [UInt8]? {
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
