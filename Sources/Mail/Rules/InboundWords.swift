/// What Handoff itself writes into a ticket that a mail makes, in the language of the service.
struct InboundWords: Sendable {
  /// The title of a mail without a subject.
  let noSubject: String
  /// The text of a mail without one.
  let noText: String
  /// Before the name of a file that was not taken.
  let notTaken: String
  /// Before how many more files were not taken.
  let more: String
  /// Before an address that is none to which a mail can go.
  let sender: String
  /// Below a text that was cut off.
  let cutOff: String
  /// The text of a mail that is too large to be taken.
  let tooLarge: String

  /// - Parameter language: ISO 639-1; English serves for those that are not known.
  init(language: String) {
    switch language {
    case "ko":
      noSubject = "(제목 없음)"
      noText = "(본문 없음)"
      notTaken = "첨부하지 못한 파일(원본 메일에 보관됨):"
      more = "첨부하지 못한 다른 파일 수:"
      sender = "보낸 사람:"
      cutOff = "(본문이 길어 여기까지만 표시합니다. 전문은 message.txt에 있습니다.)"
      tooLarge = "(메일이 너무 커서 가져오지 못했습니다. 원본은 메일함에 남아 있습니다.)"
    case "ja":
      noSubject = "(件名なし)"
      noText = "(本文なし)"
      notTaken = "添付できなかったファイル（元のメールに保管）:"
      more = "添付できなかったほかのファイル数:"
      sender = "差出人:"
      cutOff = "（本文が長いため、ここまで表示しています。全文は message.txt にあります。）"
      tooLarge = "（メールが大きすぎるため、取り込めませんでした。元のメールはメールボックスに残っています。）"
    default:
      noSubject = "(no subject)"
      noText = "(no text)"
      notTaken = "File not attached (kept with the original mail):"
      more = "Other files not attached:"
      sender = "From:"
      cutOff = "(The text is long and ends here. message.txt has all of it.)"
      tooLarge = "(The mail is too large to be taken. It is still in its mailbox.)"
    }
  }
}
