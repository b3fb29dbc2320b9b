import Foundation
import HandoffTestKit

/// A Python process that reads and writes `handoff.test.v1.Everything` with Google's implementation.
final class PythonPeer {
  private let python: FramedPython

  init() throws {
    let tests = URL(filePath: #filePath).deletingLastPathComponent()
    let descriptors = tests.deletingLastPathComponent().appending(path: "CTestProtos/descriptors.binpb")
    python = try FramedPython(script: tests.appending(path: "peer.py"), arguments: [descriptors.path])
  }

  /// What Python writes for what it read from these bytes, unknown fields left out; nil when it refuses them.
  func rewrite(_ bytes: [UInt8]) throws -> [UInt8]? { try python.ask("P", bytes) }

  /// A message that Python made up from the seed.
  func generate(seed: UInt64) throws -> [UInt8] {
    let payload = withUnsafeBytes(of: seed.bigEndian) { [UInt8]($0) }
    guard let bytes = try python.ask("G", payload) else { throw FramedPython.Gone() }
    return bytes
  }
}
