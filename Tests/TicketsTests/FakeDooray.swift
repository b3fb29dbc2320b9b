import EventLoop
import Foundation
import HandoffTestKit
import Outbound

/// A Dooray! as a child process (`fake_dooray.py`), called over real HTTP; ends with the object.
final class FakeDooray {
  /// Its port on 127.0.0.1.
  let port: Int
  private let process = Process()
  private let input = Pipe()
  private let pool = BlockingPool(name: "fake-dooray", threads: 1, queueMax: 8)

  /// It did not start, or did not take a command.
  struct Failed: Error {}

  struct Member: Encodable {
    var id: String
    var name = "Member"
    var email: String
    var organization = FakeDooray.organization
    var token: String
  }

  struct Project: Encodable {
    var id: String
    var code = "HELP"
    var organization = FakeDooray.organization
    var members: [String] = []
  }

  struct World: Encodable {
    var members: [Member] = []
    var projects: [Project] = []
  }

  /// How calls fail from now on; see `fake_dooray.py`.
  struct Fault: Encodable {
    var method = "GET"
    var path: String
    var kind: String
    var times = 1
    var status = 500
    var seconds = 0.0
  }

  struct Call: Decodable, Equatable {
    let method: String
    let path: String
    let authorization: String
  }

  private struct Started: Decodable { let port: Int }

  /// The id of the organization that people and projects belong to unless said otherwise.
  static let organization = "1000000000000000009"

  init() throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Support/fake_dooray.py")
    let output = Pipe()
    process.executableURL = URL(filePath: try TestPython.path())
    process.arguments = [script.path]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try output.fileHandleForWriting.close()
    let line = output.fileHandleForReading.availableData
    port = try JSONDecoder().decode(Started.self, from: line).port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    pool.shutdown()
  }

  var url: String { "http://127.0.0.1:\(port)" }

  func load(_ world: World) async throws { try await control("world", world) }

  func fail(_ faults: Fault...) async throws { try await control("faults", ["faults": faults]) }

  /// From now on so many calls at once are taken, and so many more each second.
  func limit(capacity: Int, rate: Int) async throws {
    try await control("bucket", ["capacity": capacity, "rate": rate])
  }

  /// What it was asked so far.
  func calls() async throws -> [Call] {
    try JSONDecoder().decode([Call].self, from: Data(try await control("calls", [String: String]())))
  }

  @discardableResult
  private func control(_ name: String, _ body: some Encodable) async throws -> [UInt8] {
    let request = HTTPRequest("POST", "\(url)/_control/\(name)", body: Array(try JSONEncoder().encode(body)))
    let reply = try await HTTPClient(pool: pool).send(request, deadline: TestDatabase.deadline)
    guard reply.status == 200 else { throw Failed() }
    return reply.body
  }
}
