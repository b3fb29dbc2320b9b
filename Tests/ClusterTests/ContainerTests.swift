import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

/// What docker-compose.yml says of a service, as far as the tests look at it.
private struct ComposeService: Decodable {
  let image: String
  let command: Command?
  let environment: [String: String]?
  let ports: [String]?
  let volumes: [String]?
  let networks: [String]?
  let readOnly: Bool?
  let capDrop: [String]?
  let securityOpt: [String]?
  let memLimit: String?
  let pidsLimit: Int?
  let user: String?
  let privileged: Bool?

  /// A list of words, or one line.
  enum Command: Decodable {
    case words([String])
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let words = try? container.decode([String].self) {
        self = .words(words)
      } else {
        self = .words(try container.decode(String.self).split(separator: " ").map(String.init))
      }
    }
    var words: [String] {
      switch self {
      case .words(let words): words
      }
    }
  }
}

private struct PlainKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(_ text: String) { stringValue = text }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}

private struct ComposeFile: Decodable {
  struct Network: Decodable {
    let `internal`: Bool?
  }
  let services: [String: ComposeService]
  let networks: [String: Network]

  static func read() async throws -> ComposeFile {
    // The system's Python: it has YAML from its own package.
    let ended = try await run(
      "/usr/bin/python3", ["\(Place.clients)/read_compose.py", "\(Place.project)/docker-compose.yml"])
    let decoder = JSONDecoder()
    // Names of services, volumes and variables are kept: only keys of Compose's own have an underscore in lower case.
    decoder.keyDecodingStrategy = .custom { path in
      let key = path.last?.stringValue ?? ""
      let isCompose = ["read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit"].contains(key)
      let words = key.split(separator: "_").map(String.init)
      return PlainKey(isCompose ? words[0] + words[1].capitalized : key)
    }
    return try decoder.decode(ComposeFile.self, from: Data(ended.output.utf8))
  }
}

@Suite("the containers", .timeLimit(.minutes(5)))
struct ContainerTests {
  private static func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(Place.project)/\(name)", encoding: .utf8)
  }

  @Test(
    "give every daemon the variables it requires, and none that it does not know",
    arguments: ConfigurationTests.daemons)
  func variables(daemon: String) async throws {
    let service = try #require(try await ComposeFile.read().services["handoff-\(daemon)"])
    #expect(service.command?.words == ["handoff-\(daemon)"])
    let help = try await run("\(Place.products)/handoff-\(daemon)", ["--help"], environment: ConfigurationTests.bare)
    var required: Set<String> = []
    var known: Set<String> = []
    for line in help.output.split(separator: "\n") where line.hasPrefix("  HANDOFF_") {
      let name = String(line.dropFirst(2).prefix { $0 != " " })
      known.insert(name)
      if line.hasSuffix("(required)") { required.insert(name) }
    }
    #expect(required.contains("HANDOFF_TLS_KEY_FILE"), "\(help.output)")
    let given = (service.environment ?? [:]).filter { !$0.value.isEmpty }
    #expect(required.subtracting(given.keys) == [], "required and not given")
    #expect(Set((service.environment ?? [:]).keys).subtracting(known) == [], "given and not known")
    #expect(given["HANDOFF_DATABASE_URL_FILE"] != nil && given["HANDOFF_TLS_KEY_FILE"] != nil)
    // The defaults are for one machine: others reach a daemon and are reached at addresses of the networks.
    for (name, value) in given where name.hasSuffix("LISTEN") { #expect(value.hasPrefix("0.0.0.0:"), "\(name)") }
    let others: Set = ["HANDOFF_MAIL_SENDER_ADDRESS", "HANDOFF_CALLS_PER_SECOND_AND_ADDRESS"]
    for name in known where name.hasSuffix("_ADDRESS") && !others.contains(name) {
      let host = name.replacing("HANDOFF_", with: "handoff-").replacing("_ADDRESS", with: "").lowercased()
      #expect(given[name]?.hasPrefix("\(host):") == true, "\(name) is \(given[name] ?? "not set")")
    }
  }

  /// Settings that docker-compose.yml does not take from its surroundings, and why.
  private static let notTaken: [String: String] = [
    "HANDOFF_LOOPS": "a container has the cores that it is given",
    "HANDOFF_MAIL_SMTP_PASSWORD_FILE": "a file that nobody else may read has another owner outside",
  ]

  @Test(
    "and handoff up take every setting of a daemon that is not the cluster's own affair",
    arguments: ConfigurationTests.daemons)
  func settings(daemon: String) async throws {
    let service = try #require(try await ComposeFile.read().services["handoff-\(daemon)"])
    let bare = ConfigurationTests.bare
    let help = try await run("\(Place.products)/handoff-\(daemon)", ["--help"], environment: bare)
    let up = try await run(Place.handoff, ["up", "--help"], environment: bare)
    let own = ["LISTEN", "DATABASE_", "TLS_", "LEDGER_KEY_FILE", "MASKING_KEYS_DIR", "SPOOL_DIR"]
    let settings = help.output.split(separator: "\n").filter { $0.hasPrefix("  HANDOFF_") }
      .map { String($0.dropFirst(2).prefix { $0 != " " }) }.filter { name in !own.contains { name.contains($0) } }
    #expect(settings.contains("HANDOFF_LOG_LEVEL"))
    for name in settings {
      #expect(up.output.contains("\n  \(name)\n"), "handoff up does not know \(name)")
      let isTaken = service.environment?[name] != nil
      #expect(isTaken != (Self.notTaken[name] != nil), "\(name) in docker-compose.yml")
    }
  }

  @Test("may do nothing that they need not: no writing, no privileges, no secrets in the environment, limits")
  func hardened() async throws {
    let file = try await ComposeFile.read()
    #expect(file.services.count >= 11)
    for (name, service) in file.services {
      #expect(service.readOnly == true, "\(name)")
      #expect(service.capDrop == ["ALL"], "\(name)")
      #expect(service.securityOpt == ["no-new-privileges:true"], "\(name)")
      #expect(service.memLimit != nil && service.pidsLimit != nil, "\(name)")
      #expect(service.privileged == nil, "\(name)")
      #expect(!["root", "0"].contains(service.user), "\(name)")
      for port in service.ports ?? [] { #expect(port.hasPrefix("127.0.0.1:"), "\(name) shows \(port) to others") }
      for (variable, value) in service.environment ?? [:] {
        let isSecret = ["PASSWORD", "TOKEN", "KEY", "SECRET"].contains { variable.contains($0) }
        #expect(!isSecret || variable.hasSuffix("_FILE") || variable.hasSuffix("_DIR"), "\(name): \(variable)")
        #expect(value.firstMatch(of: #/://[^/@]*:[^/@]*@/#) == nil, "\(name): a password in \(variable)")
      }
    }
    // One daemon's secrets are no other's.
    for daemon in ConfigurationTests.daemons + ["edge", "fake-dooray"] {
      let mounts = file.services.filter { $0.value.volumes?.contains { $0.hasPrefix("\(daemon)-secrets:") } ?? false }
      #expect(Set(mounts.keys) == ["secrets", daemon == "edge" ? "edge" : "handoff-\(daemon)"])
    }
    let ways = file.networks.filter { $0.value.internal != true }.map(\.key)
    let outside = file.services.filter { $0.value.networks?.contains { ways.contains($0) } ?? false }.map(\.key)
    // Assignment calls the receivers of callbacks, tickets calls Dooray!.
    #expect(
      Set(outside) == [
        "edge", "handoff-assignment", "handoff-fake-dooray", "handoff-mail", "handoff-tickets", "inbox",
      ])
  }

  @Test("are built from the packages of scripts/dependencies, without asking for a frontend, and do not run as root")
  func image() throws {
    let lines = try Self.text("Dockerfile").split(separator: "\n").map(String.init)
    #expect(!lines.contains { $0.contains("apt-get install") || $0.contains("# syntax=") || $0.contains("<<") })
    let groups = lines.joined(separator: "\n").matches(of: #/install-packages ([a-z]+) /#).map { String($0.1) }
    #expect(groups == ["build", "inbox", "dooray", "run"])
    let dependencies = try Self.text("scripts/dependencies")
    for group in groups { #expect(dependencies.contains("\napt_\(group)=(\n"), "\(group)") }
    let stages = lines.joined(separator: "\n").components(separatedBy: "\nFROM ").dropFirst(2)
    #expect(stages.count == 3)
    for stage in stages { #expect(stage.contains("\nUSER handoff\n") && stage.contains("\nHEALTHCHECK ")) }
  }

  @Test("can have a fake Dooray!, which is told who is who, and tickets and assignment where it is")
  func fakeDooray() async throws {
    let file = try await ComposeFile.read()
    let fake = try #require(file.services["handoff-fake-dooray"])
    let help = try await run(try TestPython.path(), ["\(Place.project)/scripts/fake-dooray", "--help"])
    for word in try #require(fake.command?.words).dropFirst() {
      #expect(help.output.contains(word.split(separator: "=")[0]), "\(word)")
    }
    let compose = try Self.text("docker-compose.yml")
    let variables = try Self.text("scripts/fake-dooray.env").split(separator: "\n").filter { !$0.hasPrefix("#") }
    for variable in variables where !variable.hasPrefix("COMPOSE_PROFILES=") {
      let name = String(variable.prefix { $0 != "=" })
      #expect(compose.contains("${\(name):-"), "\(name)")
    }
    #expect(variables.contains("HANDOFF_DOORAY_URL=https://handoff-fake-dooray:7190"))
  }

  @Test("have an inbox that keeps what SMTP brings, and shows it to people and to the demo")
  func inbox() async throws {
    let ended = try await run(
      try TestPython.path(), ["\(Place.clients)/inbox.py", "\(Place.project)/scripts/inbox"])
    #expect(ended.code == 0 && ended.output.hasSuffix("ok\n"), "\(ended.output)")
  }

  @Test("are built from the same list of programs as a local cluster")
  func programs() throws {
    let lists = try ["scripts/build-release", "scripts/up"].map { name in
      try Self.text(name).split(separator: "\n").first { $0.hasPrefix("products=(") }
    }
    #expect(lists[0] != nil && lists[0] == lists[1])
  }
}
