import ClusterTestKit
import Foundation
import Testing

@Suite("the configuration of the daemons", .timeLimit(.minutes(5)))
struct ConfigurationTests {
  static let daemons = ["masking", "mail", "assignment", "tickets", "gateway"]
  /// Nothing of the surroundings: the environment is what is tested.
  static let bare = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"]

  @Test("everything that is wrong is named at once, and the daemon ends with 64", arguments: daemons)
  func wrong(daemon: String) async throws {
    let environment = Self.bare.merging([
      "HANDOFF_LISTNE": "127.0.0.1:0", "HANDOFF_LOOPS": "none",
      "HANDOFF_DATABASE_URL": "postgresql://reader@db.example.com/handoff",
      "HANDOFF_TLS_KEY_FILE": "/nonexistent/key",
    ]) { $1 }
    let ended = try await run("\(Place.products)/handoff-\(daemon)", environment: environment)
    #expect(ended.code == 64)
    #expect(ended.output.hasPrefix("handoff-\(daemon) cannot start with this configuration:\n"), "\(ended.output)")
    for problem in [
      "HANDOFF_LISTNE is not known to this program; did you mean HANDOFF_LISTEN?",
      "HANDOFF_LOOPS is \"none\"; it needs a whole number", "HANDOFF_TLS_KEY_FILE",
    ] {
      #expect(ended.output.contains(problem), "\(problem) is not in:\n\(ended.output)")
    }
  }

  @Test("what is missing is named, and a secret is not repeated", arguments: daemons)
  func missing(daemon: String) async throws {
    let environment = Self.bare.merging(["HANDOFF_DATABASE_URL": "postgresql://me:hunter2@db.example.com/x"]) { $1 }
    let ended = try await run("\(Place.products)/handoff-\(daemon)", environment: environment)
    #expect(ended.code == 64)
    #expect(ended.output.contains("HANDOFF_TLS_CA_FILE is not set"), "\(ended.output)")
    #expect(ended.output.contains("HANDOFF_DATABASE_URL_FILE"))
    #expect(!ended.output.contains("hunter2"))
  }

  @Test("--help prints the table of variables", arguments: daemons)
  func help(daemon: String) async throws {
    let ended = try await run("\(Place.products)/handoff-\(daemon)", ["--help"], environment: Self.bare)
    #expect(ended.code == 0)
    #expect(ended.output.hasPrefix("handoff-\(daemon): "), "\(ended.output)")
    for name in [
      "HANDOFF_LISTEN", "HANDOFF_ADMIN_LISTEN", "HANDOFF_DATABASE_URL", "HANDOFF_DATABASE_URL_FILE",
      "HANDOFF_DATABASE_CONNECTIONS_MAX", "HANDOFF_TLS_CERTIFICATE_FILE", "HANDOFF_LOOPS", "HANDOFF_LOG_LEVEL",
    ] {
      #expect(ended.output.contains("\n  \(name)  ("), "\(name) is not in:\n\(ended.output)")
    }
  }

  @Test("handoff explains itself")
  func explains() async throws {
    let cases: [([String], String)] = [
      ([], "Usage: handoff COMMAND"), (["version"], "handoff 0."), (["up", "--help"], "HANDOFF_DATABASE_URL"),
      (["doctor", "--help"], "--data DIR"),
    ]
    for (words, text) in cases {
      let ended = try await run(Place.handoff, words, environment: Self.bare)
      #expect(ended.code == 0)
      #expect(ended.output.contains(text), "\(words): \(ended.output)")
    }
    let demo = try await run(Place.handoff, ["demo", "--data", "/nonexistent"], environment: Self.bare)
    #expect(demo.code == 1)
    #expect(demo.output.contains("Start one in another terminal: handoff up"), "\(demo.output)")
  }

  @Test("handoff probe works among the variables of a daemon, and says what does not answer")
  func probe() async throws {
    let environment = Self.bare.merging(["HANDOFF_LISTEN": "0.0.0.0:7101"]) { $1 }
    let ended = try await run(
      Place.handoff, ["probe", "--url", "http://127.0.0.1:1/readyz"], environment: environment)
    #expect(ended.code == 1)
    #expect(ended.output.hasPrefix("handoff: http://127.0.0.1:1/readyz does not answer: "), "\(ended.output)")
    #expect(try await run(Place.handoff, ["probe"], environment: environment).code == 64)
    let bare = try await run(Place.handoff, ["probe", "--url", "grpcs://127.0.0.1:1"], environment: environment)
    #expect(bare.code == 64 && bare.output.contains("HANDOFF_TLS_KEY_FILE is not set"), "\(bare.output)")
  }

  @Test("handoff itself refuses unknown variables, words and options with 64")
  func operatorTool() async throws {
    let cases: [([String], [String: String], String)] = [
      (["up"], ["HANDOFF_DATABASEURL": "x"], "did you mean HANDOFF_DATABASE_URL?"),
      (["upp"], [:], "\"upp\" is not a command"), (["up", "--prot", "1"], [:], "\"--prot\" is not an option"),
    ]
    for (words, variables, problem) in cases {
      let ended = try await run(Place.handoff, words, environment: Self.bare.merging(variables) { $1 })
      #expect(ended.code == 64)
      #expect(ended.output.contains(problem), "\(ended.output)")
    }
  }
}
