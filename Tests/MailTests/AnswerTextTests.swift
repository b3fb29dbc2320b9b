import Testing

@testable import Mail

@Suite("layouts and their codes")
struct AnswerTextTests {
  @Test("every known code is replaced, once, and by nothing when it has no value")
  func everyCode() {
    for code in ReplacementCode.allCases {
      let layout = LayoutText("<#{\(code.rawValue)}>")
      #expect(layout.filled(with: [code: "#{content}"]) == "<#{content}>")
      #expect(layout.filled(with: [:]) == "<>")
      #expect(layout.codes == [code])
      #expect(layout.unknownCodes { _ in false }.isEmpty)
    }
  }

  struct Row: Sendable {
    let layout: String
    let filled: String
    let unknown: [String]
    init(_ layout: String, _ filled: String, unknown: [String] = []) {
      self.layout = layout
      self.filled = filled
      self.unknown = unknown
    }
  }

  @Test(
    "what is no known code stays as it stands",
    arguments: [
      Row("#{content}", "답변"), Row("a#{content}b#{content}c", "a답변b답변c"),
      Row("#{nope} #{content} #{nope} #{no pe}", "#{nope} 답변 #{nope} #{no pe}", unknown: ["nope", "no pe"]),
      Row("#{Content}", "#{Content}", unknown: ["Content"]), Row("#{}", "#{}"), Row("#", "#"), Row("#{", "#{"),
      Row("#{content", "#{content"), Row("##{content}", "#답변"), Row("#{#{content}}", "#{답변}"),
      Row("#{con\ntent}", "#{con\ntent}"), Row("", ""),
      Row("#{\(String(repeating: "x", count: 80))}", "#{\(String(repeating: "x", count: 80))}"),
    ])
  func pieces(_ row: Row) {
    let layout = LayoutText(row.layout)
    #expect(layout.filled(with: [.content: "답변"]) == row.filled)
    #expect(layout.unknownCodes { _ in false } == row.unknown)
  }

  @Test("the code of a field is replaced when the service has the field, and stands as it is otherwise")
  func fields() {
    let layout = LayoutText("#{field.order} / #{field.gone} / #{field.color} / #{field.}")
    #expect(layout.fieldCodes == ["order", "gone", "color", ""])
    let values = ["order": "A-17 #{content}", "color": ""]
    #expect(layout.filled(with: [.content: "답변"], fields: values) == "A-17 #{content} / #{field.gone} /  / #{field.}")
    #expect(layout.unknownCodes { values[$0] != nil } == ["field.gone", "field."])
  }

  @Test("values cannot bring markup or another header in")
  func escaping() {
    let answer = AnswerText(
      subject: "Re: #{subject} #{what}", body: "#{customerName} 님,\n\n#{content}\n#{who}",
      values: [.subject: "a\r\nBcc: x@example.org", .customerName: "<b>O'Hara</b> & \"Co\"", .content: "1\n 2\n\n\n3"])
    #expect(answer.subject == "Re: a Bcc: x@example.org #{what}")
    #expect(answer.text == "<b>O'Hara</b> & \"Co\" 님,\n\n1\n 2\n\n\n3\n#{who}\n")
    #expect(answer.unknownCodes == ["what", "who"])
    #expect(
      answer.html == """
        <!DOCTYPE html>
        <html>
        <head><meta charset="utf-8"></head>
        <body>
        <p style="white-space:pre-wrap">&lt;b&gt;O&#39;Hara&lt;/b&gt; &amp; &quot;Co&quot; 님,</p>
        <p style="white-space:pre-wrap">1<br>
         2</p>
        <p style="white-space:pre-wrap">3<br>
        #{who}</p>
        </body>
        </html>

        """)
  }

  @Test("a subject that is too long ends with an ellipsis")
  func longSubject() {
    let answer = AnswerText(
      subject: "#{subject}", body: "#{content}", values: [.subject: String(repeating: "가", count: 400)])
    #expect(answer.subject.unicodeScalars.count == AnswerText.subjectScalarsMax)
    #expect(answer.subject.hasSuffix("가…"))
  }

  @Test("customers read the state in their language, or in English")
  func status() {
    #expect(StatusWords.status(after: .resolved, language: "ko") == "답변 완료")
    #expect(StatusWords.status(after: .pending, language: "ko") == "추가 확인")
    #expect(StatusWords.status(after: .pending, language: "fr") == "Further review")
  }

  @Test(
    "an address is one that a mail can be sent to",
    arguments: [
      ("kim@example.com", true), ("Kim.Lee+x@sub.example.co.kr", true), ("a@localhost", true), ("", false),
      ("kim", false),
      ("@example.com", false), ("kim@", false), ("k***@example.com", true), ("***@*******.***", false),
      ("kim@exa mple.com", false), ("kim@example.com\r\nBcc: x@example.org", false), ("<kim@example.com>", false),
      (".kim@example.com", false), ("kim@example..com", false), ("kim@-example.com", false), ("김@example.com", false),
      ("a@b@example.com", false), ("\(String(repeating: "x", count: 65))@example.com", false),
    ])
  func address(_ text: String, _ isGood: Bool) {
    #expect((MailAddress(text) != nil) == isGood)
  }
}
