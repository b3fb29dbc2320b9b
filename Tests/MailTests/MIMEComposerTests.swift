import Testing

@testable import Mail

@Suite("mails as bytes")
struct MIMEComposerTests {
  func mail() throws -> OutgoingMail {
    let from = try #require(MailAddress("care@shop.example", displayName: "행복상점 고객센터"))
    return OutgoingMail(
      from: from, replyTo: from, to: try #require(MailAddress("kim@example.com", displayName: "김, \"철수\" <x>")),
      subject: "[행복상점] 주문하신 상품이 아직 도착하지 않았습니다. 언제쯤 받을 수 있을까요? 문의드립니다 (재문의) 2026",
      text: "안녕하세요.\n\n긴 줄: \(String(repeating: "가나다 ", count: 400))\n.\n끝\n", html: "<p>안녕하세요 &amp;</p>\n",
      messageID: "0123abcd@shop.example", dateSeconds: 1_767_225_600, ticket: "services/care/tickets/1001")
  }

  @Test("a foreign parser reads what was written")
  func readsBack() throws {
    var mail = try mail()
    mail.references = ["a1@shop.example", "b2@shop.example"]
    mail.cc = [try #require(MailAddress("lee@example.com"))]
    let bytes = try MIMEComposer.compose(mail)
    let parsed = try ParsedMail(bytes)
    #expect(parsed.defects == [])
    #expect(parsed["Subject"] == mail.subject)
    #expect(parsed["From"] == "행복상점 고객센터 <care@shop.example>")
    #expect(parsed["Reply-To"] == "행복상점 고객센터 <care@shop.example>")
    #expect(parsed["To"] == #""김, \"철수\" <x>" <kim@example.com>"#)
    #expect(parsed["Cc"] == "lee@example.com")
    #expect(parsed["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000")
    #expect(parsed["Message-ID"] == "<0123abcd@shop.example>")
    #expect(parsed["In-Reply-To"] == "<b2@shop.example>")
    #expect(parsed["References"] == "<a1@shop.example> <b2@shop.example>")
    #expect(parsed["X-Handoff-Ticket"] == "services/care/tickets/1001")
    #expect(parsed["MIME-Version"] == "1.0")
    #expect(parsed["Content-Type"]?.hasPrefix("multipart/alternative") == true)
    let parts = [
      ParsedMail.Part(type: "text/plain", charset: "utf-8", text: mail.text),
      ParsedMail.Part(type: "text/html", charset: "utf-8", text: mail.html),
    ]
    #expect(parsed.parts.map(\.normalized) == parts)
  }

  @Test("a foreign parser reads files under their names, in any script, and byte for byte")
  func files() throws {
    var mail = try mail()
    let long = "주문하신 상품의 영수증과 보증서 그리고 반품 신청서 (최종) " + String(repeating: "가", count: 50) + ".pdf"
    let names = ["영수증.png", "plain.txt", "a; name*=x.zip", "日本語 – café.hwp", "😀.gif", long]
    for (index, name) in names.enumerated() {
      // Every byte, ends of lines, and what looks like a boundary.
      let bytes =
        Array("--=_handoff_files--\r\n.\r\n".utf8)
        + (0..<(index * 1_000)).map { UInt8(truncatingIfNeeded: $0) }
      mail.files.append(
        OutgoingMail.File(
          name: name, contentType: index == 1 ? "text/plain; charset=utf-8" : "application/pdf", bytes: bytes))
    }
    let bytes = try MIMEComposer.compose(mail)
    #expect(bytes == (try MIMEComposer.compose(mail)))
    #expect(bytes.allSatisfy { $0 < 0x80 })
    let lines = bytes.split(separator: 0x0A)
    #expect(lines.allSatisfy { $0.last == 0x0D && $0.count <= 999 })
    let parsed = try ParsedMail(bytes)
    // Pieces of a long name may end within a letter (RFC 2231, 3).
    #expect(Set(parsed.defects) == ["UndecodableBytesDefect"])
    #expect(parsed["Content-Type"]?.hasPrefix("multipart/mixed") == true)
    #expect(parsed.parts.map(\.normalized.text) == [mail.text, mail.html])
    #expect(parsed.files.map(\.name) == names)
    #expect(parsed.files.map { Array($0.content) } == mail.files.map(\.bytes))
    #expect(Set(parsed.files.map(\.type)) == ["application/pdf", "text/plain"])
    let header = try #require(parsed.files.first?.header)
    #expect(header.contains("filename*=UTF-8''%EC%98%81%EC%88%98%EC%A6%9D.png"), "\(header)")
    // And so does our own reader.
    let read = try MIMEReader.read(bytes)
    #expect(read.files.map(\.name) == names)
  }

  @Test("every line is short, ends with CRLF, and is ASCII")
  func wireForm() throws {
    var mail = try mail()
    mail.references = (0..<500).map { "\($0).0123456789abcdef@shop.example" }
    let bytes = try MIMEComposer.compose(mail)
    #expect(bytes.allSatisfy { $0 < 0x80 })
    let text = String(decoding: bytes, as: UTF8.self)
    let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.utf8.count <= 998 && !$0.utf8.contains(0x0A) && !$0.utf8.contains(0x0D) })
    let parsed = try ParsedMail(bytes)
    let references = parsed["References"]?.split { $0 == " " || $0 == "\t" } ?? []
    #expect(references.count == OutgoingMail.referencesMax)
    #expect(references.first == "<0.0123456789abcdef@shop.example>")
    #expect(references.last == "<499.0123456789abcdef@shop.example>")
    // RFC 2047 (2): no encoded word is longer than 75 characters, no header line longer than 76.
    #expect(parsed.rawHeaders.split(separator: "\r\n").filter { $0.contains("=?") }.allSatisfy { $0.count <= 76 })
    #expect(parsed.rawHeaders.contains("=?UTF-8?"))
  }

  @Test("the same mail makes the same bytes, so that a repeat after a crash is a repeat")
  func isRepeatable() throws {
    let mail = try mail()
    #expect(try MIMEComposer.compose(mail) == MIMEComposer.compose(mail))
  }

  @Test("a first mail refers to nothing, and a mail of ours is never marked as automatic when an agent wrote it")
  func firstMail() throws {
    let parsed = try ParsedMail(MIMEComposer.compose(mail()))
    #expect(parsed["In-Reply-To"] == nil)
    #expect(parsed["References"] == nil)
    #expect(parsed["Auto-Submitted"] == nil)
    #expect(parsed["Cc"] == nil)
    var automatic = try mail()
    automatic.isAutomatic = true
    #expect(try ParsedMail(MIMEComposer.compose(automatic))["Auto-Submitted"] == "auto-generated")
  }
}

extension ParsedMail.Part {
  /// Python leaves a part's CRLF as it is.
  var normalized: ParsedMail.Part {
    var part = self
    part.text = text.unicodeScalars.reduce(into: "") { if $1 != "\r" { $0.unicodeScalars.append($1) } }
    return part
  }
}
