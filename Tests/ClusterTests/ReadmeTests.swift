import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("the README's commands, exactly as written")
  struct Readme {
    @Test(
      "work in the project's directory while the cluster runs",
      arguments: [
        ("story", ["PROCESSING", "RESOLVED", "agents/2"]),
        ("grpcurl", ["handoff.gateway.v1.SessionService", "rpc ListTickets", "services/care"]),
        ("python", ["services/care"]),
      ])
    func block(name: String, words: [String]) async throws {
      let place = try Checkout(of: try await .shared())
      defer { place.remove() }
      let ended = try await Self.run(name, in: place)
      for word in words { #expect(ended.output.contains(word), "\(word) is not in:\n\(ended.output)") }
    }

    @Test("a backup of the database and the keys brings everything back in another installation")
    func backup() async throws {
      let source = try await TestCluster.shared()
      #expect(try await source.handoff("demo").code == 0, "the demo leaves masks behind")
      let originals = try await PythonClient.rows("reveal_everything", source).map(\.name)
      #expect(originals.count > 2)
      let place = try Checkout(of: source)
      defer { place.remove() }
      try await Self.run("backup", in: place)

      let target = try TestCluster()
      try FileManager.default.createDirectory(atPath: target.data, withIntermediateDirectories: false)
      try place.link("restored", to: target.data)
      try await Self.run("restore", in: place)
      _ = try await target.up()
      #expect(try await PythonClient.rows("reveal_everything", target).map(\.name) == originals)
      #expect(try await target.program.end().code == 0)

      // Neither command overwrites anything.
      for block in ["backup", "restore"] {
        let again = try await bash(try Self.block(block), in: place.path)
        #expect(again.code == 1 && again.output.contains("already"), "\(block): \(again.output)")
      }
    }

    @Test(
      "the first steps with the API work in every language",
      arguments: [
        ("curl", "sh", "bash -euo pipefail -c \"$block\""), ("urllib", "python", ".venv/bin/python -c \"$block\""),
        ("foundation", "swift", "echo \"$block\" >steps.swift; swiftc -o steps steps.swift; ./steps"),
        ("handoff", "sh", "bash -euo pipefail -c \"$block\""),
      ])
    func firstSteps(name: String, language: String, command: String) async throws {
      let place = try Checkout(of: try await .shared())
      defer { place.remove() }
      let block = try Self.block(name, language, in: "docs/api.md").replacing("'", with: "'\\''")
      let ended = try await bash("block='\(block)'\n\(command)", in: place.path)
      #expect(ended.code == 0, "\(ended.output)")
      #expect(ended.output.contains(name == "handoff" ? "Signed out." : "services/care/tickets/"), "\(ended.output)")
    }

    @discardableResult
    private static func run(_ block: String, in place: Checkout) async throws -> Ended {
      let ended = try await bash(try self.block(block), in: place.path)
      #expect(ended.code == 0, "\(block): \(ended.output)")
      return ended
    }

    /// The block below the comment `<!-- tested: name -->`.
    static func block(_ name: String, _ language: String = "sh", in file: String = "README.md") throws -> String {
      let text = try String(contentsOfFile: "\(Place.project)/\(file)", encoding: .utf8)
      let parts = text.components(separatedBy: "<!-- tested: \(name) -->\n```\(language)\n")
      let end = try #require(parts.count == 2 ? parts[1].range(of: "\n```\n") : nil, "\(file) has no block \(name)")
      return String(parts[1][..<end.lowerBound])
    }
  }
}

/// A directory that looks like the project's own with a cluster running in `.handoff`.
struct Checkout {
  let path: String

  init(of cluster: TestCluster) throws {
    path = "\(URL(filePath: cluster.data).deletingLastPathComponent().path)/checkout-\(UUID().uuidString)"
    let files = FileManager.default
    try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    try link(".handoff", to: cluster.data)
    try files.createDirectory(atPath: "\(path)/.build/release", withIntermediateDirectories: true)
    try link(".build/release/handoff", to: Place.handoff)
    try link("protos", to: "\(Place.project)/protos")
    let python = URL(filePath: try TestPython.path())
    try link(".venv", to: python.deletingLastPathComponent().deletingLastPathComponent().path)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
