import EventLoop
import Foundation
import HandoffTestKit
import MessageJSON
import Outbound
import Testing

@testable import Tickets

@Suite("The fake Dooray!", .timeLimit(.minutes(5)))
struct FakeDoorayTests {
  /// How many changes come at once.
  private static let changes = TestScale.count(usual: 60, all: 600)
  private let pool = BlockingPool(name: "fake-dooray-tests", threads: 8, queueMax: changes)

  private func ask(_ method: String, _ url: String, _ headers: [String] = [], _ body: String = "{}") async throws -> Int
  {
    try await HTTPClient(pool: pool).send(
      HTTPRequest(method, url, headers: headers, body: method == "GET" ? [] : Array(body.utf8)),
      deadline: TestDatabase.deadline
    ).status
  }

  @Test("is driven by who calls it by its name, and by no page of another site")
  func pages() async throws {
    let fake = try FakeDooray()
    defer { pool.shutdown() }
    let control = "\(fake.url)/_control/hooks"
    #expect(try await ask("POST", control) == 200)
    #expect(try await ask("POST", control, ["origin: \(fake.url)"]) == 200)
    #expect(try await ask("GET", "\(fake.url)/") == 200)
    for headers in [
      ["host: evil.example:\(fake.port)"], ["origin: http://evil.example"], ["origin: null"],
      ["host: evil.example:\(fake.port)", "origin: http://evil.example:\(fake.port)"],
      ["origin: http://127.0.0.1:\(fake.port == 80 ? 81 : fake.port - 1)"],
    ] {
      #expect(try await ask("POST", control, headers) == 403, "\(headers)")
      #expect(try await ask("POST", "\(fake.url)/", headers, "post=1&class=closed&member=1") == 403, "\(headers)")
    }
    #expect(try await ask("GET", "\(fake.url)/", ["host: evil.example"]) == 403)
    #expect(try await ask("GET", "\(fake.url)/_control/calls") == 404, "a picture's address drives nothing")
    for name in ["server", "world_", "__init__", "nothing"] {
      #expect(try await ask("POST", "\(fake.url)/_control/\(name)") == 404, "\(name)")
    }
  }

  @Test("remembers the newest calls only")
  func calls() async throws {
    let fake = try FakeDooray(options: ["--remembered", "3"])
    defer { pool.shutdown() }
    for number in 1...5 { #expect(try await ask("GET", "\(fake.url)/number/\(number)") == 401) }
    #expect(try await fake.calls().map(\.path) == ["/number/3", "/number/4", "/number/5"])
  }

  @Test("keeps what there is after the last of many changes at once")
  func state() async throws {
    let scratch = FileManager.default.temporaryDirectory.appending(path: "fake-dooray-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer {
      try? FileManager.default.removeItem(at: scratch)
      pool.shutdown()
    }
    let file = scratch.appending(path: "state.json")
    let fake = try FakeDooray(options: ["--state", file.path])
    try await fake.load(
      .init(
        members: [.init(id: "12", email: "kim@example.com", token: "kims-key")],
        projects: [.init(id: "501", members: ["12"])]))
    let url = "\(fake.url)/_control/fill"
    let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<Self.changes {
        let body = #"{"project": "501", "member": "12", "count": \#(1 + number % 3)}"#
        group.addTask { try await ask("POST", url, [], body) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses == Array(repeating: 200, count: Self.changes))
    let there = try await fake.postIDs()
    // It is written after the answer.
    let (loop, deadline) = (TestLoops.group.next(), Deadline.after(.seconds(60)))
    while try ids(in: file) != there, !deadline.hasPassed { try await loop.sleep(for: .milliseconds(20)) }
    #expect(try ids(in: file) == there && !there.isEmpty)
  }

  private func ids(in file: URL) throws -> [String] {
    guard let data = try? Data(contentsOf: file) else { return [] }
    return if case .object(let posts)? = try JSONParser.parse(Array(data))["posts"] { posts.map(\.name) } else { [] }
  }
}
