/// A ticket's state in the words that customers read.
package enum StatusWords {
  /// The state after an answer, in Korean, Japanese or, for any other language, English.
  package static func status(after kind: LayoutKind, language: String) -> String {
    let words = kind == .pending ? held : answered
    return words[language] ?? words["en"] ?? ""
  }

  private static let answered = ["ko": "답변 완료", "en": "Answered", "ja": "回答完了"]
  private static let held = ["ko": "추가 확인", "en": "Further review", "ja": "追加確認中"]
}
