import HandoffTestKit
import Testing

@testable import Outbound

@Suite("what IMAP servers say")
struct IMAPLinesTests {
  @Test(
    "a listed mail is read in any order of its attributes",
    arguments: [
      "* 3 FETCH (UID 7 RFC822.SIZE 1234 INTERNALDATE \"26-Nov-2026 15:04:05 +0900\")\r",
      "* 3 FETCH (FLAGS (\\Seen $A) INTERNALDATE \"26-Nov-2026 01:04:05 -0500\" RFC822.SIZE 1234 UID 7)",
      "* 3 fetch (rfc822.size 1234 uid 7 internaldate \"26-nov-2026 06:04:05 +0000\" MODSEQ (9))",
    ])
  func listed(line: String) throws {
    let message = try #require(IMAPMessage(line: line))
    #expect(
      message.uid == 7 && message.place == 3 && message.sizeBytes == 1234 && message.arrivalSeconds == 1_795_673_045)
    #expect(IMAPMessage.uid(line: line) == 7)
  }

  @Test(
    "any other line is none",
    arguments: [
      "", "* 3 EXISTS", "* 3 FETCH (FLAGS (\\Seen))", "* 3 FETCH (UID 7 RFC822.SIZE 12)", "A003 OK done", "* 3 FETCH (",
      "* 3 FETCH (UID -1 RFC822.SIZE 12 INTERNALDATE \"26-Nov-2026 06:04:05 +0000\")",
      "* 3 FETCH (UID 7 RFC822.SIZE 12 INTERNALDATE \"26-Foo-2026 06:04:05 +0000\")",
      "* 3 FETCH (UID 7 RFC822.SIZE 12 INTERNALDATE \"yesterday",
      "* 3 FETCH (UID 7 RFC822.SIZE 12 INTERNALDATE \"26-Nov-2026 06:04:05 -9223372036854775808\")",
      "* 3 FETCH (UID 7 RFC822.SIZE 12 INTERNALDATE \"26-Nov-2026 -9223372036854775808:04:05 +0000\")",
      "* 3 FETCH (UID 7 RFC822.SIZE -9223372036854775808 INTERNALDATE \"26-Nov-2026 06:04:05 +0000\")",
    ])
  func others(line: String) { #expect(IMAPMessage(line: line) == nil) }

  @Test("a search names the mails that it finds, also in several lines, or none")
  func search() {
    #expect(
      IMAPSearch.uids(lines: ["* SEARCH 4 7 4294967295\r", "* 2 EXISTS", "* search 9"]) == [4, 7, 4_294_967_295, 9])
    #expect(IMAPSearch.uids(lines: ["* SEARCH", "A004 OK SEARCH 3", ""]).isEmpty)
  }

  @Test("the days of the calendar follow each other")
  func dates() throws {
    #expect(IMAPDate.seconds("01-Jan-1970 00:00:00 +0000") == 0)
    #expect(IMAPDate.seconds(" 1-Mar-2000 00:00:00 +0000") == 951_868_800)
    #expect(IMAPDate.seconds("29-Feb-2024 23:59:59 +0000") == 1_709_251_199)
    #expect(IMAPDate.seconds("01-Jan-2026 00:30:00 +0530") == 1_767_207_600)
  }

  @Test("a mailbox is read from what its server says when it is opened")
  func mailbox() {
    let mailbox = IMAPMailbox(lines: [
      "* FLAGS (\\Answered)", "* 12 EXISTS", "* 0 RECENT", "* OK [UIDVALIDITY 1795674592] UIDs valid",
      "* ok [uidnext 20] Predicted next UID", "A003 OK [READ-ONLY] Select completed.",
    ])
    #expect(mailbox.messageCount == 12 && mailbox.uidValidity == 1_795_674_592 && mailbox.uidNext == 20)
    #expect(mailbox.isReadOnly)
    #expect(IMAPMailbox(lines: []).uidValidity == nil)
    #expect(IMAPMailbox(lines: ["* 9223372036854775807 EXISTS", "* -1 EXISTS"]).messageCount == 0)
  }

  @Test("whatever a server says, reading it ends")
  func fuzz() async {
    var random = SeededGenerator(seed: TestScale.seed)
    let lines = [
      "* 3 FETCH (FLAGS (\\Seen $A) INTERNALDATE \"26-Nov-2026 01:04:05 -0500\" RFC822.SIZE 1234 UID 7)",
      "* OK [UIDVALIDITY 1795674592] UIDs valid", "* 12 EXISTS", "A003 OK [READ-ONLY] Select completed.",
    ]
    let numbers = ["0", "-1", "4294967295", "4294967296", "\(Int64.max)", "\(Int64.min)", "99999999999999999999"]
    var understood = 0
    for await _ in TestScale.rounds(usual: 2_000, all: 1_000_000) {
      var line = Array(lines.randomElement(using: &random) ?? "")
      for _ in 0..<Int.random(in: 0...4, using: &random) where !line.isEmpty {
        let at = Int.random(in: 0..<line.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: line[at] = Array("()\"\\ 0-\r\n*é").randomElement(using: &random) ?? " "
        case 1: line.removeSubrange(at..<min(line.count, at + Int.random(in: 1...9, using: &random)))
        case 2: line.insert(contentsOf: numbers.randomElement(using: &random) ?? "", at: at)
        default: line.insert(contentsOf: line[at..<min(line.count, at + 20)], at: at)
        }
      }
      let text = String(line)
      if let message = IMAPMessage(line: text) {
        understood += 1
        #expect(message.sizeBytes >= 0 && abs(message.arrivalSeconds) < 1 << 40, "\(text)")
      }
      #expect(IMAPMailbox(lines: [text]).messageCount >= 0)
      _ = IMAPMessage.uid(line: text)
    }
    #expect(understood > 0)
  }

  @Test(
    "names of mailboxes are written as RFC 3501 wants them",
    arguments: [
      ("INBOX", "INBOX"), ("고객문의", "&rOCsHbs4x1g-"), ("A & B", "A &- B"), ("Hi Mom -☺-!", "Hi Mom -&Jjo--!"),
      ("日本語", "&ZeVnLIqe-"), ("😀", "&2D3eAA-"), ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ])
  func names(name: String, encoded: String) { #expect(ModifiedUTF7.encoded(name) == encoded) }

  @Test("hosts are names or addresses, and nothing in them or in what is said can end a command")
  func hosts() {
    #expect(["imap.example.com", "127.0.0.1", "::1", "mail_1.example"].allSatisfy(IMAPServer.isHost))
    #expect(!["", "a b", "a/b", "user@host", "host\r\n", "[::1]", "host:1"].contains(where: IMAPServer.isHost))
    func server(_ user: String, _ mailbox: String) -> IMAPServer? {
      IMAPServer(
        host: "::1", port: 993, security: .implicit, user: user, password: "p", mailbox: mailbox)
    }
    #expect(server("u\r\n", "INBOX") == nil && server("u", "") == nil)
    #expect(
      server("u", "받은;UID=1/").map { $0.url(inMailbox: true, uidValidity: 3, uid: 4) }
        == "imaps://[::1]:993/%26vBvHQA-%3bUID%3d1%2f;UIDVALIDITY=3/;UID=4")
    #expect(server("u", "INBOX").map { "\($0)" } == "::1:993")
  }
}
