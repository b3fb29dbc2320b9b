import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("handoff ingest, as the pipe of a mail server")
  struct Ingest {
    private static let mail =
      "From: pipe@example.com\r\nTo: care@example.com\r\nSubject: pipe\r\n"
      + "Message-ID: <\(UUID())@example.com>\r\n\r\nhi\r\n"

    /// Hands over what a shell command writes.
    private func ingest(_ source: String, _ arguments: [String], data: String) async throws -> Ended {
      let words = ([Place.handoff, "ingest", "--data", data] + arguments).map { "'\($0)'" }
      return try await bash("\(source) | \(words.joined(separator: " "))", in: "/")
    }

    @Test("ends with 0 when the mail is stored, and again when it is stored already")
    func stored() async throws {
      let cluster = try await TestCluster.shared()
      let file = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID())")
      try Data(Self.mail.utf8).write(to: file)
      defer { try? FileManager.default.removeItem(at: file) }
      let arguments = ["--service", "care", "--recipient", "care@example.com"]
      let first = try await ingest("cat \(file.path)", arguments, data: cluster.data)
      #expect(first.code == 0, "\(first.output)")
      let words = first.output.split(whereSeparator: \.isWhitespace)
      #expect(words.count == 3 && words[0].hasPrefix("services/care/inboundMails/") && words[1] == "TICKET")
      #expect(words.last?.hasPrefix("services/care/tickets/") == true)
      let again = try await ingest("cat \(file.path)", arguments, data: cluster.data)
      #expect(again.code == 0 && again.output == first.output)
    }

    @Test("tells the mail server what will never be taken, and of what is to be handed over again")
    func refused() async throws {
      let cluster = try await TestCluster.shared()
      let mail = "printf 'From: a@example.com\\r\\n\\r\\nhi'"
      let rows: [(source: String, arguments: [String], code: Int32, words: String)] = [
        (mail, ["--service", "nosuch"], 67, "there is no service services/nosuch"),
        (mail, ["--service", "care", "--recipient", "nobody"], 65, "envelope_recipients"),
        ("true", ["--service", "care"], 65, "there is no mail"),
        ("head -c 40000000 /dev/zero", ["--service", "care"], 65, "larger than 36 MB"),
        (mail, [], 64, "--service is missing"), (mail, ["--service", "care", "--nonsense"], 64, "--nonsense"),
      ]
      for row in rows {
        let ended = try await ingest(row.source, row.arguments, data: cluster.data)
        #expect(ended.code == row.code && ended.output.contains(row.words), "\(row.words): \(ended)")
      }
      // Nothing runs there; and what runs there cannot be spoken to.
      let empty = FileManager.default.temporaryDirectory.appending(path: "nothing-\(UUID())").path
      let nobody = try await ingest(mail, ["--service", "care"], data: empty)
      #expect(nobody.code == 75 && nobody.output.contains("there is no cluster"), "\(nobody)")
      let help = try await run(Place.handoff, ["ingest", "--help"])
      #expect(help.code == 0 && ["65", "67", "75", "--recipient"].allSatisfy(help.output.contains), "\(help)")
    }

    @Test("has the mail handed over again while the cluster is away, and takes it afterwards")
    func away() async throws {
      let cluster = try TestCluster()
      _ = try await cluster.up()
      #expect(try await cluster.program.end().code == 0)
      let mail = "printf 'From: a@example.com\\r\\nMessage-ID: <away@example.com>\\r\\n\\r\\nhi'"
      let early = try await ingest(mail, ["--service", "care"], data: cluster.data)
      #expect(early.code == 75 && early.output.contains("no cluster runs"), "\(early)")
      _ = try await cluster.up()
      let late = try await ingest(mail, ["--service", "care"], data: cluster.data)
      #expect(late.code == 0, "\(late)")
      // A key that is not there is the operator's to mend, and no reason to turn the customer away.
      try FileManager.default.removeItem(atPath: "\(cluster.data)/tls/operator-key.pem")
      let locked = try await ingest(mail, ["--service", "care"], data: cluster.data)
      #expect(locked.code == 75, "\(locked)")
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
