import EventLoop
import Foundation
import HandoffTestKit
import Testing
import TicketLedger

@testable import Mail

/// A mail of `corpus.py` with what is to be read in it.
struct CorpusMail: Decodable, Sendable {
  struct Expected: Decodable, Sendable {
    struct Report: Decodable, Sendable {
      var original: String
      var recipients: [[String]]
    }
    var subject: String?
    var text: String?
    var shown: String?
    var from: [[String]]?
    var to: [[String]]?
    var messageID: String?
    var inReplyTo: [String]?
    var references: [String]?
    var fileNames: [String]?
    var files: [[FileField]]?
    var suppression: String?
    var report: Report?

    var isEmpty: Bool {
      let texts = [subject, text, shown, messageID, suppression]
      let lists: [[Any]?] = [from, to, inReplyTo, references, fileNames, files]
      return texts.allSatisfy { $0 == nil } && lists.allSatisfy { $0 == nil } && report == nil
    }
  }

  enum FileField: Decodable, Sendable, Equatable {
    case text(String)
    case number(Int)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self =
        if let number = try? value.decode(Int.self) { .number(number) } else { .text(try value.decode(String.self)) }
    }
  }

  var name: String
  var mail: Data
  var expected: Expected

  static func all() throws -> [CorpusMail] {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "corpus.py")
    return try JSONDecoder().decode(
      [CorpusMail].self, from: TestPython.run(String(contentsOf: script, encoding: .utf8), input: []))
  }
}

@Suite("mails that come in")
struct MIMEReaderTests {
  @Test("every mail of the corpus is read as it is meant")
  func corpus() throws {
    let corpus = try CorpusMail.all()
    #expect(corpus.count >= 200)
    #expect(Set(corpus.map(\.name)).count == corpus.count)
    for entry in corpus {
      #expect(!entry.expected.isEmpty, "nothing is expected of \"\(entry.name)\"")
      let read = try MIMEReader.read(Array(entry.mail))
      let expected = entry.expected
      func check<Value: Equatable>(_ what: String, _ value: Value, _ wanted: Value?) {
        if let wanted { #expect(value == wanted, "\(what) of \"\(entry.name)\"") }
      }
      check("subject", read.subject, expected.subject)
      check("text", read.text, expected.text)
      check("from", read.from.map { [$0.displayName, $0.address] }, expected.from)
      check("to", read.to.map { [$0.displayName, $0.address] }, expected.to)
      check("Message-ID", read.messageID, expected.messageID)
      check("In-Reply-To", read.inReplyTo, expected.inReplyTo)
      check("References", read.references, expected.references)
      check("names of files", read.files.map(\.name), expected.fileNames)
      check(
        "files",
        read.files.map {
          [CorpusMail.FileField.text($0.kind.rawValue), .text($0.name), .text($0.contentType), .number($0.bytes.count)]
        }, expected.files)
      check("original", read.report?.originalMessageID, expected.report.map { $0.original })
      check(
        "recipients", read.report?.recipients.map { [$0.address, $0.action, $0.status, $0.diagnostic] },
        expected.report.map { $0.recipients })
      let row = SuppressionTable.row(for: read.headers.map { ($0.name, $0.value) }, hasToken: false)
      check("suppression", row?.reason.rawValue ?? "", expected.suppression)
      let shown = read.foldStart.map { String(String.UnicodeScalarView(read.text.unicodeScalars.prefix($0))) }
      check("shown", expected.shown.map { _ in trimmed(shown ?? read.text) }, expected.shown.map(trimmed))
    }
  }

  @Test("a file's name is no path, turns no direction of writing, and keeps its ending when it is too long")
  func fileNames() {
    let rows = [
      ("영수증.pdf", "영수증.pdf"), ("../../etc/passwd", "_.._etc_passwd"), ("C:\\a.txt", "C__a.txt"), ("...", "file"),
      ("a\u{202E}fdp.exe", "afdp.exe"), ("\u{2066}a\u{2069}.\u{202A}png\u{202C}", "a.png"),
      ("שלום\u{200F}.pdf", "שלום\u{200F}.pdf"),
      (String(repeating: "가", count: 100) + ".pdf", String(repeating: "가", count: 86) + ".pdf"),
    ]
    for (name, plain) in rows { #expect(PartWalk.fileName(name) == plain) }
  }

  private func trimmed(_ text: String) -> String { text.trimmingCharacters(in: .newlines) }

  @Test("a mail that exceeds a limit is refused whole, and says which limit")
  func limits() throws {
    func failure(_ mail: String, _ change: (inout ParseLimits) -> Void = { _ in }) -> ParseFailure? {
      var limits = ParseLimits()
      change(&limits)
      do throws(ParseFailure) {
        _ = try MIMEReader.read(Array(mail.utf8), limits: limits)
        return nil
      } catch {
        return error
      }
    }
    let head = "From: kim@example.com\r\nSubject: s\r\n"
    #expect(failure(head + "\r\nhello") == nil)
    #expect(failure(head + "\r\nhello") { $0.messageBytesMax = 20 } == .tooLarge)
    #expect(
      failure(head + String(repeating: "X-Fill: \(String(repeating: "x", count: 900))\r\n", count: 300))
        == .headerTooLarge)
    #expect(failure(head + String(repeating: "X: y\r\n", count: 600) + "\r\n") == .headerTooLarge)
    #expect(failure(head + "X: " + String(repeating: "y", count: 300_000)) == .headerTooLarge)
    #expect(failure(Self.nested(40)) == .tooDeep)
    #expect(failure(head + Self.mixed + String(repeating: "--b\r\n\r\nx\r\n", count: 500)) == .tooManyParts)
    #expect(failure("") == .notAMessage)
    let over = Deadline.after(.zero)
    #expect(throws: ParseFailure.tooSlow) { try MIMEReader.read(Array((head + "\r\nx").utf8), deadline: over) }
  }

  private static let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"

  private static func nested(_ depth: Int) -> String {
    var mail = "From: kim@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    for level in 0..<depth {
      mail += "Content-Type: multipart/mixed; boundary=n\(level)\r\n\r\n--n\(level)\r\n"
    }
    return mail + "\r\nwords\r\n"
  }

  @Test("bombs end with a verdict and little memory")
  func bombs() throws {
    let before = Self.residentBytes()
    #expect(throws: ParseFailure.tooDeep) { try MIMEReader.read(Array(Self.nested(1000).utf8)) }
    let recipients = (0..<10_000).map { "user\($0)@example.com" }.joined(separator: ",\r\n ")
    let addressed = try MIMEReader.read(
      Array("From: a@example.com\r\nTo: \(recipients)\r\n\r\nx".utf8), limits: Self.wide)
    #expect(addressed.to.count == Self.wide.addressesMax)
    #expect(addressed.recipientCount == 10_000)
    let large = [UInt8](repeating: UInt8(ascii: "a"), count: 50 << 20)
    #expect(throws: ParseFailure.tooLarge) { try MIMEReader.read(large) }
    #expect(Self.residentBytes() - before < 300 << 20)
  }

  @Test("a message that was forwarded again and again is kept once, with the text of every level")
  func forwardedAgain() throws {
    var mail = "Subject: level 0\r\n\r\nwords of the innermost\r\n" + String(repeating: "x", count: 200_000)
    for level in 1...20 {
      mail = "Subject: level \(level)\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + mail
    }
    let read = try MIMEReader.read(Array(("From: kim@example.com\r\n" + mail).utf8))
    #expect(read.files.filter { $0.kind == .message }.map(\.name) == ["level 19.eml"])
    #expect(read.files.reduce(0) { $0 + $1.bytes.count } < 2 * mail.utf8.count)
    #expect(read.text.contains("level 0 ----------") && read.text.contains("words of the innermost"))
  }

  @Test("HTML that is longer than is read is kept as a file")
  func longHTML() throws {
    var limits = ParseLimits()
    limits.htmlBytesMax = 60
    let html = "<p>Hello</p>" + String(repeating: "<i></i>", count: 20) + "<p>and the end</p>"
    let mail = "From: kim@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\(html)"
    let read = try MIMEReader.read(Array(mail.utf8), limits: limits)
    #expect(read.text == "Hello")
    #expect(read.files.map(\.name) == ["message.html"])
    let kept = String(decoding: try #require(read.files.first).bytes, as: UTF8.self)
    #expect(kept.contains("and the end"))
  }

  private static var wide: ParseLimits {
    var limits = ParseLimits()
    limits.headerBytesMax = 1 << 20
    return limits
  }

  private static func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
  }

  @Test("whatever bytes come, reading ends with a mail in canonical form or with a verdict")
  func fuzz() async throws {
    let seed = TestScale.seed
    var random = SeededGenerator(seed: seed)
    let bounces = BounceForm.all.map {
      $0.bytes(id: "<00ff.t1-9-aaaaaaaaaaaaaaaa@shop.example>", reply: "c@shop.example")
    }
    let corpus = try CorpusMail.all().map { Array($0.mail) } + bounces + bounces
    var roundCount = 0
    for await _ in TestScale.fuzzRounds(usual: 400) {
      roundCount += 1
      var mail = corpus.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 1...8, using: &random) where !mail.isEmpty {
        let at = Int.random(in: 0..<mail.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: mail[at] = UInt8.random(in: 0...255, using: &random)
        case 1: mail.removeSubrange(at..<min(mail.count, at + Int.random(in: 1...40, using: &random)))
        case 2: mail.insert(contentsOf: mail[at..<min(mail.count, at + 60)], at: at)
        default:
          let other = corpus.randomElement(using: &random) ?? []
          mail.insert(contentsOf: other.prefix(Int.random(in: 0...200, using: &random)), at: at)
        }
      }
      guard let read = try? MIMEReader.read(mail) else { continue }
      for text in [read.text, read.subject] + read.files.map(\.name) {
        #expect(try CanonicalText.canonical(text) == text, "seed \(seed)")
      }
      #expect(read.files.allSatisfy { !$0.name.isEmpty && !$0.name.contains("/") }, "seed \(seed)")
      let drafts = BounceReading(read).drafts(of: ["kim@example.com"])
      #expect(drafts.allSatisfy { $0.recipient == "kim@example.com" && !$0.words.contains("@") }, "seed \(seed)")
      #expect(drafts.allSatisfy { CodeChange.isCode($0.status) }, "seed \(seed)")
      if let start = read.foldStart { #expect(start > 0 && start <= read.text.unicodeScalars.count, "seed \(seed)") }
    }
    print("fuzz: mails: \(roundCount) rounds, HANDOFF_TEST_SEED=\(seed)")
  }
}
