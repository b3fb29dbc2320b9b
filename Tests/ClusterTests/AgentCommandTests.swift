import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("handoff as a client")
  struct AgentCommands {
    /// Somebody at a terminal, with a session file of their own.
    private struct Person {
      let cluster: TestCluster
      let session: String

      init(_ cluster: TestCluster) {
        self.cluster = cluster
        session = "\(cluster.data)/session-\(UUID().uuidString)"
      }

      func handoff(_ words: String..., input: String = "") async throws -> Ended {
        try await handoff(words, input: input)
      }

      func handoff(_ words: [String], input: String = "") async throws -> Ended {
        let quoted = (words + ["--session", session]).map { "'\($0.replacing("'", with: "'\\''"))'" }
        return try await bash(
          "printf %s '\(input.replacing("'", with: "'\\''"))' | '\(Place.handoff)' \(quoted.joined(separator: " "))",
          in: "/")
      }

      func signIn(_ mailbox: String, url: String? = nil, more: [String] = []) async throws -> Ended {
        let line = try #require(
          try cluster.read("sign-ins.txt").split(separator: "\n").first { $0.hasPrefix("\(mailbox)@") })
        let words = line.split(separator: " ").map(String.init)
        let password = "\(session)-password"
        try "\(words[1])\n".write(toFile: password, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: password) }
        return try await run(
          Place.handoff,
          [
            "login", "--url", try url ?? cluster.address("edge"), "--email", words[0], "--password-file", password,
            "--service", "care", "--session", session,
          ] + more)
      }
    }

    @Test("an agent signs in, creates, keeps, lists, reads and resolves a ticket, and signs out")
    func day() async throws {
      let person = Person(try await .shared())
      let nobody = try await person.handoff("list")
      #expect(nobody.code == 77 && nobody.output.contains("handoff login"), "\(nobody.output)")
      let signedIn = try await person.signIn("junho.lee")
      #expect(signedIn.code == 0 && signedIn.output.contains("care is meant"), "\(signedIn.output)")
      let attributes = try FileManager.default.attributesOfItem(atPath: person.session)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      let me = try await person.handoff("me", "--json")
      let agent = try #require(me.output.firstMatch(of: /"name":"agents\/([0-9]+)"/)?.1, "\(me.output)")

      let created = try await person.handoff(
        "create", "--title", "Where is my parcel?", "--customer", "Alice", "--customer-email",
        "alice-\(UUID().uuidString)@example.com", "--agent", String(agent), "--text", "-", input: "It's late.\n")
      #expect(created.code == 0, "\(created.output)")
      let name = created.output.trimmingCharacters(in: .newlines)
      let number = try #require(name.split(separator: "/").last.map(String.init))
      #expect(name == "services/care/tickets/\(number)")

      let list = try await person.handoff("list", "--menu", "my-processing", "--limit", "5")
      #expect(list.code == 0 && list.output.contains("Where is my parcel?"), "\(list.output)")
      let shown = try await person.handoff("get", number)
      #expect(shown.output.contains("It's late.") && shown.output.contains("processing"), "\(shown.output)")
      let held = try await person.handoff("keep", number)
      #expect(held.code == 75 && held.output.contains("TICKET_ALREADY_HELD"), "\(held.output)")
      let resolved = try await person.handoff(
        "process", "care/\(number)", "--act", "resolve", "--text", "Tomorrow.", "--json")
      #expect(resolved.code == 0 && resolved.output.contains(#""state":"RESOLVED""#), "\(resolved.output)")
      let missing = try await person.handoff("get", "999999999999")
      #expect(missing.code == 66 && missing.output.contains("TICKET_NOT_FOUND"), "\(missing.output)")

      let out = try await person.handoff("logout")
      #expect(out.code == 0 && !FileManager.default.fileExists(atPath: person.session), "\(out.output)")
    }

    @Test("a ticket is forwarded to an agent of a group by who may, and to nobody by who may not")
    func forward() async throws {
      let cluster = try await TestCluster.shared()
      let (sender, other) = (Person(cluster), Person(cluster))
      _ = try await sender.signIn("junho.lee")
      _ = try await other.signIn("minjae.jung")
      let groups = try await sender.handoff("call", "ListGroups", #"{"parent": "services/care"}"#)
      let row = try #require(
        groups.output.firstMatch(
          of: #/services/care/groups/([0-9]+)","displayName":"English desk","agents":\["agents/([0-9]+)"/#),
        "\(groups.output)")
      let created = try await sender.handoff("create", "--title", "An order", "--text", "Who speaks English?")
      let ticket = String(created.output.dropFirst("services/".count).replacing("/tickets/", with: "/").dropLast())
      let target = ["--group", String(row.1), "--agent", String(row.2)]
      let denied = try await other.handoff(["forward", ticket] + target)
      #expect(denied.code == 77 && denied.output.contains("PERMISSION_DENIED"), "\(denied.output)")
      let half = try await sender.handoff("forward", ticket, "--group", String(row.1))
      #expect(half.code == 64 && half.output.contains("--group and --agent"), "\(half.output)")
      let stale = try await sender.handoff(["forward", ticket, "--version", "99"] + target)
      #expect(stale.code == 75 && stale.output.contains("STALE_VERSION"), "\(stale.output)")
      // Another service is meant by default; the ticket's own is where its group is.
      let forwarded = try await sender.handoff(["forward", ticket, "--service", "tech", "--json"] + target)
      #expect(forwarded.code == 0 && forwarded.output.contains(#""agent":"agents/\#(row.2)""#), "\(forwarded.output)")
      #expect(forwarded.output.contains(#""group":"services/care/groups/\#(row.1)""#), "\(forwarded.output)")
    }

    @Test("a batch tells what was done and what was not, and any method can be called with JSON")
    func batchAndCall() async throws {
      let cluster = try await TestCluster.shared()
      let person = Person(cluster)
      let secure = try await person.signIn(
        "jihye.yoon", url: try cluster.address("edge-tls"), more: ["--ca", "\(cluster.data)/tls/ca.pem"])
      #expect(secure.code == 0, "\(secure.output)")
      let list = try await person.handoff("list", "--limit", "2", "--json")
      let names = list.output.matches(of: /^\{"name":"services\/care\/tickets\/([0-9]+)"/.anchorsMatchLineEndings())
        .map { String($0.1) }
      #expect(names.count == 2, "\(list.output)")
      let batch = try await person.handoff(
        "batch", "--act", "comment", "--text", "Noted.", input: (names + ["999999999999"]).joined(separator: "\n"))
      #expect(batch.code == 1, "\(batch.output)")
      #expect(batch.output.contains("2 done, 1 not") && batch.output.contains("TICKET_NOT_FOUND"), "\(batch.output)")

      let counters = try await person.handoff("call", "GetCounters", #"{"parent": "services/care"}"#)
      #expect(counters.code == 0 && counters.output.hasPrefix("{"), "\(counters.output)")
      let wrong = try await person.handoff("call", "GetCounters", #"{"parant": "services/care"}"#)
      #expect(wrong.code == 64 && wrong.output.contains("parant: there is no such field"), "\(wrong.output)")
      let denied = try await person.handoff("call", "GetService", #"{"name": "services/nowhere"}"#)
      #expect(denied.code == 66, "\(denied.output)")
      let methods = try await person.handoff("call")
      #expect(methods.output.contains("WatchTickets\n"), "\(methods.output)")
    }

    @Test("a cluster that is not there, and a password that is wrong, are told apart")
    func failures() async throws {
      let person = Person(try await .shared())
      let nowhere = try await person.signIn("junho.lee", url: "http://127.0.0.1:1")
      #expect(nowhere.code == 69 && nowhere.output.contains("does not answer"), "\(nowhere.output)")
      let password = "\(person.session)-password"
      try "guess".write(toFile: password, atomically: true, encoding: .utf8)
      let wrong = try await run(
        Place.handoff,
        [
          "login", "--url", try person.cluster.address("edge"), "--email", "emily.carter@example.com",
          "--password-file", password, "--session", person.session,
        ])
      #expect(wrong.code == 77 && wrong.output.contains("SIGN_IN_FAILED"), "\(wrong.output)")
    }

    @Test("the completions are scripts that bash takes")
    func completion() async throws {
      let ended = try await bash(
        """
        source <('\(Place.handoff)' completion bash)
        COMP_WORDS=(handoff li) COMP_CWORD=1; _handoff; echo "${COMPREPLY[*]}"
        COMP_WORDS=(handoff list --me) COMP_CWORD=2; _handoff; echo "${COMPREPLY[*]}"
        """, in: "/")
      #expect(ended.code == 0 && ended.output == "list\n--menu\n", "\(ended.output)")
    }
  }
}
