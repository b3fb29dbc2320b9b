import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

/// All tests of a running cluster, one after the other: they share it, and count what is in it.
@Suite("a cluster of real executables", .serialized, .timeLimit(.minutes(30)))
enum ClusterTests {}

extension ClusterTests {
  @Suite("stock clients")
  struct Clients {
    @Test("handoff demo shows each step of the story, and succeeds")
    func demo() async throws {
      let ended = try await TestCluster.shared().handoff("demo")
      #expect(ended.code == 0, "\(ended.output)")
      // The act of each step and what came back of it.
      let words = [
        "010-", "***", "PENDING", "RESOLVED", "MASKED", "UNMASKED", "FORWARDED", "MAIL_SENT", "live: change", "DONE",
        "escalates the other inquiry to the issue service", "A search finds it, from one syllable on", "ㅇㅇㅍ",
        "The customer answers the mail", "PROCESSING again",
      ]
      for word in words {
        #expect(ended.output.contains(word), "\(word) is not in:\n\(ended.output)")
      }
    }

    @Test("stock grpcio signs in and calls every RPC of the public API", arguments: ["gateway", "edge"])
    func everyRPC(door: String) async throws {
      try await PythonClient.expect("every_rpc", try await .shared(), [door], rows: 12)
    }

    @Test("stock grpcio calls every daemon, which answers only whom it is to answer")
    func direct() async throws {
      try await PythonClient.expect("direct_calls", try await .shared(), rows: 24)
    }

    @Test(
      "grpcurl is told by every daemon that it serves",
      arguments: ConfigurationTests.daemons)
    func health(daemon: String) async throws {
      let ended = try await grpcurl("grpc.health.v1.Health/Check", daemon)
      #expect(ended.output.contains("\"status\": \"SERVING\""), "\(ended.output)")
      #expect(ended.code == 0)
    }

    @Test(
      "grpcurl lists and describes all that a daemon serves, with no proto file",
      arguments: ConfigurationTests.daemons)
    func reflection(daemon: String) async throws {
      let listed = try await grpcurl("list", daemon)
      let names = Set(listed.output.split(separator: "\n").map(String.init))
      #expect(
        names.isSuperset(of: [
          "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        ]), "\(listed.output)")
      #expect(names.contains { $0.hasPrefix("handoff.\(daemon).v1.") }, "\(listed.output)")
      let described = try await grpcurl("describe", daemon)
      #expect(described.code == 0)
      for name in names { #expect(described.output.contains("\(name) is a service"), "\(described.output)") }
    }

    @Test("grpcurl signs in and lists services")
    func listServices() async throws {
      let cluster = try await TestCluster.shared()
      let line = try #require(try cluster.read("sign-ins.txt").split(separator: "\n").first { $0.hasPrefix("emily") })
      let words = line.split(separator: " ")
      let session = try await grpcurl(
        "handoff.gateway.v1.SessionService/SignIn", "gateway",
        ["-d", #"{"email": "\#(words[0])", "password": "\#(words[1])"}"#])
      let token = try #require(
        session.output.split(separator: "\"").drop { $0 != "token" }.dropFirst(2).first, "\(session.output)")
      let services = try await grpcurl(
        "handoff.gateway.v1.HandoffService/ListServices", "gateway",
        ["-H", "authorization: Bearer \(token)"])
      #expect(services.code == 0)
      #expect(services.output.contains(#""name": "services/care""#), "\(services.output)")
    }

    @Test(
      "the edge answers with TLS, too, over HTTP/2 and HTTP/1.1", arguments: [("--http2", "2"), ("--http1.1", "1.1")])
    func secureEdge(option: String, version: String) async throws {
      let cluster = try await TestCluster.shared()
      let url = try "\(cluster.address("edge-tls"))/v1/me"
      let asked = try await run(
        "/usr/bin/curl",
        ["-sS", option, "--cacert", "\(cluster.data)/tls/ca.pem", "-w", " %{http_code} %{http_version}", url])
      #expect(asked.code == 0 && asked.output.contains("CREDENTIAL_MISSING"), "\(asked.output)")
      #expect(asked.output.hasSuffix(" 401 \(version)"), "\(asked.output)")
      let stranger = try await run("/usr/bin/curl", ["-sS", option, url])
      #expect(stranger.code == 60, "an authority that is not trusted: \(stranger.output)")
    }

    @Test("handoff demo tells its whole story through an edge elsewhere, with certificates")
    func demoElsewhere() async throws {
      let cluster = try await TestCluster.shared()
      let words = [
        "demo", "--edge", try cluster.address("edge-tls"), "--certificates", "\(cluster.data)/tls",
        "--sign-ins", "\(cluster.data)/sign-ins.txt", "--mails", "\(cluster.data)/mail",
      ]
      let ended = try await run(Place.handoff, words)
      #expect(ended.code == 0, "\(ended.output)")
      #expect(ended.output.contains("The customer answers the mail"), "\(ended.output)")
    }

    @Test("handoff probe asks for health with the certificate of the program beside it")
    func probe() async throws {
      let cluster = try await TestCluster.shared()
      let variables = ["CERTIFICATE": "mail.pem", "KEY": "mail-key.pem", "CA": "ca.pem"].map {
        ("HANDOFF_TLS_\($0)_FILE", "\(cluster.data)/tls/\($1)")
      }
      let environment = ConfigurationTests.bare.merging(variables) { $1 }
      for name in ["mail", "edge-tls"] {
        let address = try cluster.address(name).replacing("https://", with: "")
        let ended = try await run(Place.handoff, ["probe", "--url", "grpcs://\(address)"], environment: environment)
        #expect(ended.code == 0 && ended.output == "SERVING\n", "\(ended.output)")
      }
      let plain = try cluster.address("edge").replacing("http://", with: "")
      let refused = try await run(Place.handoff, ["probe", "--url", "grpcs://\(plain)"], environment: environment)
      #expect(refused.code == 1 && refused.output.contains("does not answer"), "\(refused.output)")
    }

    @Test("every metric that a daemon offers is explained in the documents")
    func metrics() async throws {
      let document = try String(contentsOfFile: "\(Place.project)/docs/operations.md", encoding: .utf8)
      for daemon in ConfigurationTests.daemons {
        let address = try await TestCluster.shared().address("\(daemon)-admin")
        let scraped = try await run("/usr/bin/curl", ["-sS", "--fail", "\(address)/metrics"])
        let names = scraped.output.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
          .map { String($0.split(separator: " ")[2]) }
        #expect(names.count > 10, "\(scraped.output)")
        for name in names { #expect(document.contains("`\(name)`"), "\(daemon) offers \(name)") }
      }
    }

    @Test("every alert looks at metrics that are offered, and the documents say what to do about it")
    func alerts() async throws {
      let document = try String(contentsOfFile: "\(Place.project)/docs/operations.md", encoding: .utf8)
      let rules = try String(contentsOfFile: "\(Place.project)/docs/alerts.yml", encoding: .utf8)
      var offered: Set<String> = []
      for daemon in ConfigurationTests.daemons {
        let address = try await TestCluster.shared().address("\(daemon)-admin")
        let scraped = try await run("/usr/bin/curl", ["-sS", "--fail", "\(address)/metrics"])
        for line in scraped.output.split(separator: "\n") where line.hasPrefix("# TYPE ") {
          let words = line.split(separator: " ")
          offered.insert(String(words[2]))
          if words[3] == "histogram" {
            for part in ["_bucket", "_sum", "_count"] { offered.insert(words[2] + part) }
          }
        }
      }
      let names = rules.matches(of: /\b(?:handoff|grpc|http|process)_[a-z_]+\b/).map { String($0.0) }
        .filter { !["grpc_service", "grpc_method", "grpc_code"].contains($0) }
      #expect(Set(names).count >= 12)
      #expect(Set(names).subtracting(offered) == [], "no daemon offers these")
      let alerts = rules.matches(of: /alert: ([A-Za-z]+)/).map { String($0.1) }
      #expect(alerts.count >= 14)
      for alert in alerts { #expect(document.contains("\n### \(alert)\n\n"), "\(alert)") }
      let sections = document.matches(of: /\n### (Handoff[A-Za-z]+)\n/).map { String($0.1) }
      #expect(Set(sections) == Set(alerts))
    }

    private func grpcurl(
      _ act: String, _ daemon: String, _ options: [String] = []
    ) async throws -> Ended {
      let cluster = try await TestCluster.shared()
      let address = try cluster.address(daemon)
      let tls = "\(cluster.data)/tls"
      return try await run(
        try Place.pythonTool("grpcurl"),
        ["-cacert", "\(tls)/ca.pem", "-cert", "\(tls)/operator.pem", "-key", "\(tls)/operator-key.pem"]
          + options + [address, act])
    }

    @Test("words that were masked are in no table, dump, log or answer, and come back byte for byte")
    func leakScan() async throws {
      try await PythonClient.expect("leak_scan", try await .shared(), rows: 8)
    }

    @Test("the HTTP face is exact about JSON, versions, repeats, pages, compression, origins and hostile requests")
    func httpFace() async throws {
      let cluster = try await TestCluster.shared()
      let before = cluster.processes
      try await PythonClient.expect("http_face", cluster, rows: 15)
      #expect(cluster.processes == before)
    }

    @Test(
      "schemathesis makes up requests from the OpenAPI document, and no answer is outside of it",
      .enabled(if: TestScale.isAll, "a long proof: scripts/test --all"))
    func schema() async throws {
      let cluster = try TestCluster()
      _ = try await cluster.up()
      let before = cluster.processes
      let report = try await PythonClient.report("\(Place.clients)/schema_check.py", cluster, ["300"], within: 1_200)
      PythonClient.record(report.rows)
      print(report.output)
      #expect(cluster.processes == before)
      #expect(try await cluster.program.end().code == 0)
    }

    @Test("pages sign in with cookies, programs call with keys, and the audit log tells of both")
    func access() async throws {
      try await PythonClient.expect("access", try await .shared(), rows: 5)
    }

    @Test("bad input is told clearly and the same over gRPC and JSON; nothing is written, and no process dies")
    func badInput() async throws {
      let cluster = try await TestCluster.shared()
      let before = cluster.processes
      try await PythonClient.expect("bad_input", cluster, rows: 45)
      #expect(before.count == 6)
      #expect(cluster.processes == before)
    }
  }
}
