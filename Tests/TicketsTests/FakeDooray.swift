import EventLoop
import Foundation
import HandoffTestKit
import MessageJSON
import Outbound

@testable import Tickets

/// A Dooray! as a child process (`scripts/fake-dooray`), called over real HTTP; ends with the object.
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
    var tags: [Tag] = []
    var templates: [Template] = []
  }

  struct Template: Encodable {
    struct Body: Encodable {
      var mimeType = "text/x-markdown"
      var content: String
    }
    struct Tag: Encodable { var id: String }
    struct ID: Encodable { var organizationMemberId: String }
    struct Person: Encodable {
      var type = "member"
      var member: ID
    }
    struct People: Encodable {
      var to: [Person]
      var cc: [Person]
    }

    var id: String
    var templateName: String
    var subject: String
    var body: Body
    var tags: [Tag]
    var users: People
  }

  struct Tag: Encodable {
    var id: String
    var name: String
    var group: Group?
  }

  struct Group: Encodable {
    var id: String
    var name: String
    var mandatory: Bool
    var selectOne: Bool
  }

  struct World: Encodable {
    var members: [Member] = []
    var projects: [Project] = []
  }

  /// How calls fail from now on; see `scripts/fake-dooray`.
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

  /// A task as it is stored there.
  struct Post: Decodable {
    struct Body: Decodable {
      let mimeType: String
      let content: String
    }
    struct People: Decodable {
      let to: [Person]
      let cc: [Person]
    }
    struct Person: Decodable { let member: PersonID }
    struct PersonID: Decodable { let organizationMemberId: String }

    let id: String
    let creator: String
    let subject: String
    let body: Body
    let users: People
    let tagIds: [String]
    let logs: [Log]
    let files: [File]
    let workflow: Workflow

    struct Workflow: Decodable { let `class`: String }
    struct Log: Decodable {
      let id: String
      let body: Body
      let creator: Creator
    }
    struct Creator: Decodable { let member: PersonID }
    struct File: Decodable {
      let id: String
      let name: String
      let size: Int
    }
  }

  private struct Started: Decodable { let port: Int }

  /// The id of the organization that people and projects belong to unless said otherwise.
  static let organization = "1000000000000000009"

  /// - Parameter options: of `scripts/fake-dooray`.
  init(options: [String] = []) throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "scripts/fake-dooray")
    let output = Pipe()
    process.executableURL = URL(filePath: try TestPython.path())
    process.arguments = [script.path] + options
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

  func fail(_ faults: Fault...) async throws { try await fail(faults) }

  func fail(_ faults: [Fault]) async throws { try await control("faults", ["faults": faults]) }

  /// From now on so many calls at once are taken, and so many more each second.
  func limit(capacity: Int, rate: Int) async throws {
    try await control("bucket", ["capacity": capacity, "rate": rate])
  }

  /// What it was asked so far.
  func calls() async throws -> [Call] {
    try JSONDecoder().decode([Call].self, from: Data(try await control("calls", [String: String]())))
  }

  /// The tasks there, the oldest first.
  func posts() async throws -> [Post] {
    try JSONDecoder().decode([Post].self, from: Data(try await control("posts", [String: String]())))
  }

  /// The ids of the tasks there, the oldest first.
  func postIDs() async throws -> [String] {
    struct ID: Decodable { let id: String }
    return try JSONDecoder().decode([ID].self, from: Data(try await control("posts", [String: String]()))).map(\.id)
  }

  /// A person moves a task into a step of a class.
  func move(_ task: String, to step: String, by member: String = "12") async throws {
    try await control("move", ["post": task, "class": step, "member": member])
  }

  /// A person moves a task to another project.
  func relocate(_ task: String, to project: String) async throws {
    try await control("relocate", ["post": task, "project": project])
  }

  /// A person deletes a task.
  func remove(_ task: String) async throws { try await control("remove", ["post": task]) }

  /// A person adds a file to a task.
  func attach(_ name: String, _ text: String, to task: String) async throws {
    try await control("attach", ["post": task, "name": name, "text": text])
  }

  /// A person creates so many tasks.
  func fill(_ project: String, _ count: Int, by member: String = "13") async throws {
    struct Filling: Encodable {
      let project: String
      let member: String
      let count: Int
    }
    try await control("fill", Filling(project: project, member: member, count: count))
  }

  /// A person comments on a task.
  func comment(_ text: String, on task: String, by member: String = "13") async throws {
    try await control("comment", ["post": task, "member": member, "text": text])
  }

  /// What hooks said so far, the oldest first.
  func payloads() async throws -> [[UInt8]] {
    let list = try JSONParser.parse(try await control("payloads", [String: String]()))
    return (list.elements ?? []).map { JSONWriter.bytes(of: $0) }
  }

  /// In which form hooks come: `documented`, or `observed`.
  func useHooks(form: String) async throws { try await control("hooks", ["form": form]) }

  @discardableResult
  private func control(_ name: String, _ body: some Encodable) async throws -> [UInt8] {
    let request = HTTPRequest("POST", "\(url)/_control/\(name)", body: Array(try JSONEncoder().encode(body)))
    let reply = try await HTTPClient(pool: pool).send(request, deadline: TestDatabase.deadline)
    guard reply.status == 200 else { throw Failed() }
    return reply.body
  }
}
