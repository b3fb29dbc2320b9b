/// A ticket's state in the words that customers read.
package enum StatusWords {
  /// The state after an answer, in Korean, Japanese or, for any other language, English.
  package static func status(after kind: LayoutKind, language: String) -> String {
    let words = kind == .pending ? held : answered
    return words[language] ?? words["en"] ?? ""
  }

  /// A ticket's state by its name in the API, in Korean, Japanese or, for any other language, English.
  package static func status(of state: String, language: String) -> String {
    let words =
      switch state {
      case "UNASSIGNED": received
      case "PENDING": held
      case "RESOLVED": answered
      case "COMPLETED": completed
      // Where it is being worked on is none of the customer's business.
      default: open
      }
    return words[language] ?? words["en"] ?? ""
  }

  private static let received = ["ko": "접수 완료", "en": "Received", "ja": "受付完了"]
  private static let open = ["ko": "문의 확인", "en": "In progress", "ja": "確認中"]
  private static let completed = ["ko": "최종 완료", "en": "Closed", "ja": "最終完了"]
  private static let answered = ["ko": "답변 완료", "en": "Answered", "ja": "回答完了"]
  private static let held = ["ko": "추가 확인", "en": "Further review", "ja": "追加確認中"]
}
