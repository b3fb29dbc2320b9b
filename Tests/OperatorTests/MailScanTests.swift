import Crypto
import Testing

@testable import Operator

@Suite("Looking into mails")
struct MailScanTests {
  private static let secret = "연락처는 010-0000-1234이고 950101-9012345입니다. 그리고 조금 더 긴 글이 이어집니다."

  @Test("words are found as they are, in base64 over several lines, and in quoted-printable with soft breaks")
  func readings() {
    let base64 = Base64.encode(Array(Self.secret.utf8))
    let folded = stride(from: 0, to: base64.count, by: 76).map { String(base64.dropFirst($0).prefix(76)) }
    let quoted = Self.secret.utf8.map { "=" + String($0, radix: 16, uppercase: true) }
    let soft = stride(from: 0, to: quoted.count, by: 20).map { quoted.dropFirst($0).prefix(20).joined() }
    let bodies = [Self.secret, folded.joined(separator: "\r\n"), soft.joined(separator: "=\r\n")]
    for body in bodies {
      let mail = "Subject: test\r\nMessage-ID: <1@example.com>\r\n\r\n\(body)\r\n"
      #expect(MailScan.readings(of: mail).contains("950101-9012345"), "\(mail)")
    }
  }

  @Test("a mail is found by its Message-ID")
  func search() throws {
    let scratch = try Scratch()
    try PrivateFile.write("Message-ID: <a@example.com>\r\n", to: "\(scratch.path)/1.eml", owner: .current)
    try PrivateFile.write("Message-ID: <b@example.com>\r\n", to: "\(scratch.path)/2.eml", owner: .current)
    #expect(try MailScan.mail("b@example.com", in: scratch.path)?.contains("<b@") == true)
    #expect(try MailScan.mail("c@example.com", in: scratch.path) == nil)
  }

  @Test("a mail's address for replies is found, also on a line of its own, and nowhere but in the header")
  func replyAddress() {
    let rows: [(String, String?)] = [
      ("Reply-To: care+t1@example.com\r\n\r\nx", "care+t1@example.com"),
      ("To: a@example.com\r\nreply-to: =?UTF-8?B?7LyA?=\r\n <care+t1@example.com>\r\nX: y\r\n", "care+t1@example.com"),
      ("Subject: s\n\nReply-To: eve@example.com\n", nil), ("Reply-To: nobody\r\n\r\n", nil), ("", nil),
    ]
    for (mail, address) in rows { #expect(MailScan.replyAddress(of: mail) == address, "\(mail)") }
  }

  @Test("the demo's inquiry holds a phone number, an address and a resident registration number of nobody's")
  func inquiry() throws {
    let inquiry = DemoInquiry()
    for value in inquiry.personalData { #expect(inquiry.text.contains(value)) }
    #expect(inquiry.residentNumber.contains(/^\d{6}-9\d{6}$/))
    #expect(inquiry.contact != inquiry.customerEmail)
    let signIns = SignIns("# comment\na@example.com  word-word   누구 (agent)\n")
    #expect(try signIns.password(of: "a@example.com") == "word-word")
    #expect(throws: DemoFailure.self) { try signIns.password(of: "b@example.com") }
  }
}
