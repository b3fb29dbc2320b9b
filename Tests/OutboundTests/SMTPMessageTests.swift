import Testing

@testable import Outbound

@Suite("SMTP envelopes and relays")
struct SMTPMessageTests {
  @Test(
    "an address that could end or split a command is refused",
    arguments: [
      "", "a", "@b", "a@", "a@b\r\nRCPT TO:<c@d>", "a@b\n", "a@b\r", "a b@c", "<a@b>", "a@b>", "a@b\u{0}", "a@b\u{7f}",
      "a@b SIZE=1", String(repeating: "a", count: 253) + "@b",
    ])
  func badAddress(address: String) {
    #expect(throws: SMTPMessageError.addressInvalid(address)) {
      try SMTPMessage(sender: "x@y", recipients: ["ok@example.com", address], content: [0x61])
    }
    guard !address.isEmpty else { return }
    #expect(throws: SMTPMessageError.addressInvalid(address)) {
      try SMTPMessage(sender: address, recipients: ["ok@example.com"], content: [0x61])
    }
  }

  @Test("a mail without recipients or content, too many or too much of them, or with NUL is refused")
  func badMail() {
    let many = (0...SMTPMessage.recipientsMax).map { "r\($0)@example.com" }
    let rows: [([String], [UInt8], SMTPMessageError)] = [
      ([], [0x61], .recipientsMissing),
      (many, [0x61], .recipientsTooMany(101)),
      (["a@b"], [], .contentInvalid),
      (["a@b"], [0x61, 0], .contentInvalid),
      (
        ["a@b"], [UInt8](repeating: 0x61, count: SMTPMessage.contentBytesMax + 1),
        .contentTooLarge(SMTPMessage.contentBytesMax + 1)
      ),
    ]
    for (recipients, content, error) in rows {
      #expect(throws: error) { try SMTPMessage(sender: "", recipients: recipients, content: content) }
    }
  }

  @Test(
    "a relay's URL says where it is and how the connection is protected",
    arguments: [
      ("smtp://mx.example.org", "smtp://mx.example.org:587/", ConnectionSecurity.startTLS),
      ("smtp://mx.example.org:25?starttls=off", "smtp://mx.example.org:25/", .none),
      ("smtp://127.0.0.1:1025", "smtp://127.0.0.1:1025/", .none),
      ("smtp://[::1]:1025/?starttls=required", "smtp://[::1]:1025/", .startTLS),
      ("smtps://mx.example.org", "smtps://mx.example.org:465/", .implicit),
    ])
  func relay(url: String, curlURL: String, security: ConnectionSecurity) throws {
    let server = try SMTPServer(url: url)
    #expect(server.curlURL == curlURL)
    #expect(server.security == security)
  }

  @Test(
    "a relay's URL that is malformed, holds a password, or would send one in clear is refused",
    arguments: [
      ("http://mx", nil), ("smtp://", nil), ("mx.example.org", nil), ("smtp://mx:0", nil), ("smtp://mx:99999", nil),
      ("smtp://mx?starttls=maybe", nil), ("smtp://u:p@mx", nil), ("smtp://m x", nil), ("smtp://mx\r\n", nil),
      ("smtp://mx/path", nil), ("smtp://u@mx", nil), ("smtp://mx", "pw"), ("smtp://u@mx?starttls=off", "pw"),
      ("smtp://u%0d%0a@mx", "pw"), ("smtp://u@mx", "p\nw"), ("smtp://u%@mx", "pw"),
    ] as [(String, String?)])
  func badRelay(url: String, password: String?) throws {
    let error = try #require(throws: SMTPServerError.self) { try SMTPServer(url: url, password: password) }
    #expect(!error.description.contains("pw"))
  }

  @Test("a relay never shows its password")
  func noPassword() throws {
    let server = try SMTPServer(url: "smtps://u@mx.example.org", password: "hunter2")
    var dumped = ""
    dump(server, to: &dumped)
    #expect(!"\(server)\(String(reflecting: server))\(dumped)".contains("hunter2"))
  }

  @Test("replies of several lines are joined, and lines that are none are skipped")
  func replies() {
    let lines = ["220 mx ESMTP", "250-mx greets", "250-SIZE 100", "250 HELP", "", "noise", "550-5.1.1 no", "550 never"]
    #expect(
      SMTPReply.all(in: lines) == [
        SMTPReply(code: 220, text: "mx ESMTP"), SMTPReply(code: 250, text: "mx greets SIZE 100 HELP"),
        SMTPReply(code: 550, text: "5.1.1 no never"),
      ])
  }
}
