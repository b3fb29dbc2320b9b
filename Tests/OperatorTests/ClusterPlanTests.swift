import Crypto
import Foundation
import RPC
import Testing

@testable import Operator

@Suite("The plan of a cluster")
struct ClusterPlanTests {
  @Test("everybody gets a port of their own, and one that is taken is replaced")
  func ports() throws {
    let ports = try ClusterPorts.choose(edge: 0)
    let names =
      ClusterPlan.daemons.flatMap { [$0.name, "\($0.name)-admin"] }
      + [ClusterPlan.edgeName, ClusterPlan.secureEdgeName]
    #expect(Set(names.map { ports[$0] }).count == names.count)
    #expect(!names.map { ports[$0] }.contains(0))
    // Not the usual ones either: another cluster may be about to take them.
    #expect(ports.moved.isEmpty)
    #expect(!ClusterPlan.daemons.contains { ports[$0.name] == $0.port })
  }

  @Test("copies of a daemon listen apart, and everybody who calls it is told all of them")
  func copies() throws {
    let copies = try ClusterCopies("tickets=3,gateway=2")
    let ports = try ClusterPorts.choose(edge: 0, copies: copies)
    let plan = ClusterPlan.copies(copies)
    #expect(
      plan.map(\.name) == [
        "masking", "mail", "assignment", "tickets", "tickets-2", "tickets-3", "gateway", "gateway-2",
      ])
    #expect(plan.map { ClusterPlan.process(of: $0.name) } == plan.map(\.daemon.name))
    let used = plan.flatMap { [ports[$0.name], ports[$0.adminName]] }
    #expect(Set(used).count == 2 * plan.count)
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let config = try OperatorConfig(environment: ["HANDOFF_MAIL_ADDRESS": "127.0.0.1:1"])
    let surroundings = ClusterPlan.Surroundings(directory: directory, ports: ports, copies: copies, passedOn: config)
    let gateway = ClusterPlan.environment(of: plan[7], surroundings)
    #expect(gateway["HANDOFF_LISTEN"] == "127.0.0.1:\(ports["gateway-2"])")
    let tickets = ["tickets", "tickets-2", "tickets-3"].map { "127.0.0.1:\(ports[$0])" }.joined(separator: ",")
    #expect(gateway["HANDOFF_TICKETS_ADDRESS"] == tickets)
    #expect(gateway["HANDOFF_MASKING_ADDRESS"] == "127.0.0.1:\(ports["masking"])")
    #expect(gateway["HANDOFF_MAIL_ADDRESS"] == "127.0.0.1:1", "the operator's own")
    #expect(ClusterPlan.environment(of: plan[0], surroundings)["HANDOFF_MAIL_ADDRESS"] == nil, "masking calls nobody")
    let certificates = ClusterCertificates(directory: "/run/handoff", owner: .current)
    let backends = ClusterPlan.edgeArguments(ports, certificates, copies).filter { $0.hasPrefix("--backend=") }
    #expect(backends.count == 2 && backends[1].contains(",\(ports["gateway-2"]);"))
    let addresses = ClusterAddresses(ports, copies, mailDirectory: nil)
    #expect(addresses.servers.map(\.name) == ["edge", "edge-tls"] + plan.map(\.name))
    #expect(ClusterPlan.connectionsMax(copies) == ClusterPlan.connectionsMax() + 2 * 33 + 13)
  }

  @Test(
    "numbers of copies that cannot be are refused",
    arguments: ["", "tickets", "tickets=0", "tickets=17", "tickets=x", "ticket=2", "tickets=2,tickets=3", "mail=1,"])
  func copiesRefused(text: String) {
    let error = #expect(throws: OperatorError.self) { try ClusterCopies(text) }
    #expect(error?.exitCode == 64)
    #expect(error?.advice.contains("--copies tickets=3,mail=2") == true)
  }

  @Test("no port is one that the system gives to outgoing connections: a daemon that was killed finds it again")
  func lastingPorts() throws {
    let text = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
    let range = text.split { $0.isWhitespace }.compactMap { UInt16($0) }
    let lasting = ClusterPorts.lasting(outgoing: range[0]...range[1])
    let ports = try ClusterPorts.choose(edge: 0)
    for daemon in ClusterPlan.daemons {
      #expect(lasting.contains(ports[daemon.name]))
      #expect(lasting.contains(ports["\(daemon.name)-admin"]))
    }
    #expect(lasting.contains(ports[ClusterPlan.edgeName]))
  }

  @Test(
    "ports are chosen below the outgoing range, above it when there is no room, and anywhere when there is none at all",
    arguments: [
      (32_768...60_999, 10_000...32_767), (11_000...60_999, 10_000...10_999), (10_999...60_999, 61_000...65_535),
      (1024...64_535, 64_536...65_535), (1024...65_535, 10_000...65_535), (1...5000, 10_000...65_535),
    ] as [(ClosedRange<UInt16>, ClosedRange<UInt16>)])
  func lastingRange(outgoing: ClosedRange<UInt16>, expected: ClosedRange<UInt16>) {
    #expect(ClusterPorts.lasting(outgoing: outgoing) == expected)
  }

  @Test("a cluster keeps its ports from others while their servers are down, and lets them go with itself")
  func claimedPorts() throws {
    var first: ClusterPorts? = try ClusterPorts.choose(edge: 0)
    let port = try #require(first?["gateway"])
    // Nobody listens there, as between the end of a daemon and its next start.
    #expect(ClusterPorts.isFree(port))
    let error = #expect(throws: OperatorError.self) { try ClusterPorts.choose(edge: port) }
    #expect(error?.message.contains("\(port)") == true)
    first = nil
    #expect(try ClusterPorts.choose(edge: port)[ClusterPlan.edgeName] == port)
  }

  @Test("a port that was asked for and is taken is an error")
  func takenPort() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = bind(listener, address, length)
        _ = listen(listener, 1)
        _ = getsockname(listener, address, &length)
      }
    }
    let port = UInt16(bigEndian: address.sin_port)
    #expect(!ClusterPorts.isFree(port))
    let error = #expect(throws: OperatorError.self) { try ClusterPorts.choose(edge: port) }
    #expect(error?.message.contains("\(port)") == true)
    #expect(error?.advice.contains("--port") == true)
  }

  @Test("a fake Dooray! has ports and an address, and tickets is told of it whatever else it was to use")
  func fakeDooray() throws {
    let ports = try ClusterPorts.choose(edge: 0, withFakeDooray: true)
    #expect(ports[FakeDooray.name] != ports[FakeDooray.filesName])
    let addresses = ClusterAddresses(ports, mailDirectory: nil)
    #expect(addresses[FakeDooray.name] == "http://127.0.0.1:\(ports[FakeDooray.name])")
    #expect(!addresses.servers.map(\.name).contains(FakeDooray.name), "it answers no health checks")
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let config = try OperatorConfig(environment: ["HANDOFF_DOORAY_URL": "https://api.dooray.com"])
    for (ports, url) in [(ports, addresses[FakeDooray.name]), (try .choose(edge: 0), "https://api.dooray.com")] {
      let surroundings = ClusterPlan.Surroundings(
        directory: directory, ports: ports, copies: ClusterCopies(), passedOn: config)
      for copy in ClusterPlan.copies(ClusterCopies()) {
        let told = ClusterPlan.environment(of: copy, surroundings)["HANDOFF_DOORAY_URL"]
        #expect(told == (copy.name == "tickets" ? url : nil))
      }
    }
    let program = try FakeDooray(script: #filePath, python: "/usr/bin/python3").program(in: directory, ports, config)
    let world = try #require(try PrivateFile.read("\(directory.path)/fake-dooray/world.json"))
    #expect(program.program.arguments.contains("\(ports[FakeDooray.name])"))
    #expect(program.program.arguments.contains("\(ports[FakeDooray.messengerName])"))
    for person in DemoOrganization.people { #expect(world.contains("\"\(FakeDooray.key(of: person))\"")) }
    for project in FakeDooray.projects { #expect(world.contains("\"\(project.id)\"")) }
    #expect(world.contains("\"\(FakeDooray.tag)\"") && world.contains("\"\(FakeDooray.colleague)\""))
  }

  @Test("assignment may write to the messenger of a fake Dooray!, and believes whom it believed before")
  func fakeMessenger() throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let own = "\(scratch.path)/own.pem"
    try PrivateFile.write("the operator's\n", to: own, owner: directory.user)
    #expect(try directory.certificates.prepare(guests: [FakeDooray.certificate]).contains(FakeDooray.name))
    let ports = try ClusterPorts.choose(edge: 0, withFakeDooray: true)
    let config = try OperatorConfig(
      environment: ["HANDOFF_CALLBACK_ALLOWED_ADDRESSES": "10.1.0.0/16", "HANDOFF_CALLBACK_CA_FILE": own])
    _ = try FakeDooray(script: #filePath, python: "/usr/bin/python3").program(in: directory, ports, config)
    let surroundings = ClusterPlan.Surroundings(
      directory: directory, ports: ports, copies: ClusterCopies(), passedOn: config)
    for copy in ClusterPlan.copies(ClusterCopies()) {
      let told = ClusterPlan.environment(of: copy, surroundings)
      let isAssignment = copy.name == "assignment"
      #expect(told["HANDOFF_CALLBACK_ALLOWED_ADDRESSES"] == (isAssignment ? "10.1.0.0/16,127.0.0.1" : nil))
      #expect(told["HANDOFF_CALLBACK_CA_FILE"] == (isAssignment ? FakeDooray.authoritiesFile(directory) : nil))
    }
    let believed = try #require(try PrivateFile.read(FakeDooray.authoritiesFile(directory)))
    let authority = try #require(try PrivateFile.read(directory.certificates.authorityFile))
    #expect(believed.contains("the operator's\n") && believed.hasSuffix(authority))
  }

  @Test("a fake Dooray! and another one are not asked for together")
  func twoDoorays() throws {
    let config = try OperatorConfig(environment: ["HANDOFF_DOORAY_URL": "https://api.gov-dooray.com"])
    let error = #expect(throws: OperatorError.self) { try FakeDooray.find(config) }
    #expect(error?.exitCode == 64 && error?.message.contains("HANDOFF_DOORAY_URL") == true)
    #expect(error?.advice.contains("https://api.gov-dooray.com") == true)
    for environment in [[:], ["HANDOFF_DOORAY_URL": ""]] {
      #expect(try FakeDooray.find(OperatorConfig(environment: environment)).script.hasSuffix("fake-dooray"))
    }
  }

  @Test("addresses survive the file they are kept in")
  func addresses() throws {
    let ports = try ClusterPorts.choose(edge: 0)
    let addresses = ClusterAddresses(ports, mailDirectory: "/var/lib/my mails")
    let read = ClusterAddresses(text: addresses.text)
    #expect(read == addresses)
    #expect(read.port(of: "gateway") == ports["gateway"])
    #expect(read.port(of: "edge") == ports["edge"])
    #expect(read["mail-directory"] == "/var/lib/my mails")
    #expect(read["nobody"] == nil)
  }

  @Test("secrets are made once and are private")
  func secrets() throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    try ClusterSecrets.prepare(directory)
    let key = try PrivateFile.read(ClusterPlan.ledgerKeyFile(directory))
    try ClusterSecrets.prepare(directory)
    #expect(try PrivateFile.read(ClusterPlan.ledgerKeyFile(directory)) == key)
    #expect(key?.count == 65)
    #expect(scratch.mode(of: ClusterPlan.ledgerKeyFile(directory)) == 0o600)
    #expect(scratch.mode(of: ClusterPlan.maskingKeys(directory)) == 0o700)
  }

  @Test("the edge in containers has every setting of the local one but addresses")
  func edgeInContainers() throws {
    let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let compose = try String(contentsOf: project.appending(path: "docker-compose.yml"), encoding: .utf8)
    let certificates = ClusterCertificates(directory: "/run/handoff", owner: .current)
    for argument in ClusterPlan.edgeArguments(try ClusterPorts.choose(edge: 0), certificates) {
      if argument.hasPrefix("--frontend=") { continue }
      if argument.hasPrefix("--backend=") {
        let settings = argument.drop { $0 != ";" }.replacing("proto=h2;", with: "proto=h2;dns;")
        #expect(compose.contains("      - --backend=handoff-gateway,7100\(settings)\n"), "\(settings)")
        continue
      }
      #expect(compose.contains("      - \(argument)\n"), "\(argument) is not in docker-compose.yml")
    }
  }

  @Test("a cluster in containers gets each program's secrets in a place of its own, and the same the next time")
  func secretsOfContainers() throws {
    let scratch = try Scratch()
    let environment = ["HANDOFF_DATABASE_URL": "postgresql://handoff@postgres:5432/handoff"]
    let out = "\(scratch.path)/out"
    let arguments = try Arguments(
      ["secrets", "--data", "\(scratch.path)/data", "--out", out, "--host", "desk.example.com"])
    func files() throws -> [String: String] {
      try SecretsCommand.run(arguments, try OperatorConfig(environment: environment), Console())
      var files: [String: String] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: out) {
        files[name] = try? String(contentsOfFile: "\(out)/\(name)", encoding: .utf8)
      }
      return files
    }
    let first = try files()
    let inode = scratch.inode(of: "\(out)/tickets/tickets.pem")
    #expect(try files() == first)
    // Running programs read new files again; these are not new.
    #expect(inode != nil && scratch.inode(of: "\(out)/tickets/tickets.pem") == inode)
    for daemon in ClusterPlan.daemons {
      let url = try #require(first["\(daemon.name)/database-url"])
      #expect(url.wholeMatch(of: /postgresql:\/\/handoff_[a-z]+:[0-9a-f]{64}@postgres:5432\/handoff\n/) != nil)
      #expect((first["\(daemon.name)/ledger-key"] != nil) == daemon.writesTickets)
      #expect(scratch.mode(of: "\(out)/\(daemon.name)") == 0o700)
      #expect(scratch.mode(of: "\(out)/\(daemon.name)/database-url") == 0o600)
    }
    let pem = try #require(first["edge/ca.pem"])
    let authority = try #require(try Certificate.all(pem: Array(pem.utf8)).first)
    for name in ClusterPlan.daemons.map(\.name) + [ClusterPlan.edgeName] {
      let text = try #require(first["\(name)/\(name).pem"])
      let certificate = try #require(try Certificate.all(pem: Array(text.utf8)).first)
      #expect(certificate.isIssued(by: authority))
      // Copies of a daemon have one name, whatever their addresses; people know the edge by others.
      #expect(certificate.names.prefix(2) == ["\(name).handoff.internal", "handoff-\(name)"])
      #expect(certificate.names.contains("desk.example.com") == ["gateway", "edge"].contains(name))
      let key = try #require(first["\(name)/\(name)-key.pem"])
      #expect(try PrivateKey(pem: SecretBytes(Array(key.utf8))).fits(certificate))
      #expect(first["\(name)/ca.pem"] == first["edge/ca.pem"])
      #expect(scratch.mode(of: "\(out)/\(name)/\(name)-key.pem") == 0o600)
      // Nobody has another's, and nobody the authority's key.
      let own = ["database-url", "ledger-key", "\(name).pem", "\(name)-key.pem", "ca.pem"].map { "\(name)/\($0)" }
      #expect(Set(first.keys.filter { $0.hasPrefix("\(name)/") }).isSubset(of: own), "\(name)")
    }
    // The owner's password is the database's and the one in the owner's URL, and no daemon has it.
    let password = try #require(first["postgres/password"])
    #expect(scratch.mode(of: "\(out)/postgres/password") == 0o444)
    let owner = try #require(try PrivateFile.read("\(scratch.path)/data/secrets/owner-database-url"))
    #expect(owner == "postgresql://handoff:\(password)@postgres:5432/handoff\n")
    #expect(!first.contains { $0.key != "postgres/password" && $0.value.contains(password) })
  }

  @Test("secrets says what it needs", arguments: [[:], ["HANDOFF_DATABASE_URL": "postgresql://postgres/handoff"]])
  func secretsWithoutAddress(environment: [String: String]) throws {
    let arguments = try Arguments(["secrets", "--data", "/nonexistent/data", "--out", "/nonexistent/out"])
    let error = #expect(throws: OperatorError.self) {
      try SecretsCommand.run(arguments, try OperatorConfig(environment: environment), Console())
    }
    #expect(error?.exitCode == 64)
    #expect(error?.advice.contains("postgresql://handoff@postgres:5432/handoff") == true)
  }

  @Test(
    "the demo takes gRPC to the host and port of the edge, and nothing else for a URL",
    arguments: [
      ("http://127.0.0.1:8080", "127.0.0.1:8080"), ("http://edge:8080/", "edge:8080"), ("http://edge", nil),
      ("https://edge:8443", "edge:8443"), ("ftp://edge:21", nil), ("http://edge:0", nil), ("http://edge:8080/v1", nil),
      ("edge:8080", nil),
    ])
  func demoTargets(url: String, expected: String?) {
    #expect(DemoPlace.target(of: url) == expected.flatMap { RPCTarget(parsing: $0) })
  }

  @Test(
    "the demo of a cluster elsewhere takes certificates with an edge that has TLS, and with nothing else",
    arguments: [
      (["--edge", "https://edge:8443", "--certificates", "/tls"], true),
      (["--edge", "http://edge:8080"], true), (["--edge", "https://edge:8443"], false),
      (["--edge", "http://edge:8080", "--certificates", "/tls"], false), (["--certificates", "/tls"], false),
    ] as [([String], Bool)])
  func demoPlaces(words: [String], isUnderstood: Bool) throws {
    let arguments = try Arguments(["demo"] + words + (words[0] == "--edge" ? ["--sign-ins", "/sign-ins"] : []))
    guard isUnderstood else {
      #expect(throws: OperatorError.self) { try DemoPlace(arguments) }
      return
    }
    let place = try DemoPlace(arguments)
    #expect((place.certificates != nil) == words.contains("--certificates"))
  }

  @Test("passwords are long, typable and never the same")
  func passwords() {
    let passwords = (0..<200).map { _ in ClusterSecrets.password() }
    #expect(Set(passwords).count == passwords.count)
    for password in passwords { #expect(password.wholeMatch(of: /([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}/) != nil) }
  }

  @Test(
    "a daemon's URL has its role and password, whatever the owner's has",
    arguments: [
      ("postgresql://me:secret@/db?host=%2Frun", "postgresql://role:word@/db?host=%2Frun"),
      ("postgresql:///db?host=/run", "postgresql://role:word@/db?host=/run"),
      ("postgres://db.example.com:5433/x", "postgres://role:word@db.example.com:5433/x"),
    ])
  func databaseURLs(url: String, expected: String) throws {
    #expect(try ClusterDatabase.url(url, role: "role", password: "word") == expected)
  }
}
