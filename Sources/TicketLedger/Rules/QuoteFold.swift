/// Where the part of a mail begins that a reader has seen already: a quoted mail, or a signature.
///
/// Nothing is cut off: a reader folds it away and can unfold it. It is found in the text alone, so it stays true when
/// spans of the text are masked.
package enum QuoteFold {
  /// The first scalar of the fold, at the beginning of a line; nil when there is none, or nothing to read before it.
  package static func start(in text: String) -> Int? {
    var lines: [(start: Int, text: Substring)] = []
    var position = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      lines.append((position, trimmed(line)))
      position += line.unicodeScalars.count + 1
      if lines.count > linesMax { return nil }
    }
    guard let first = firstFolded(lines.map(\.text)) else { return nil }
    // Blank lines before the fold go with it.
    var begin = first
    while begin > 0, lines[begin - 1].text.isEmpty { begin -= 1 }
    return begin == 0 ? nil : lines[begin].start
  }

  /// A text of more lines is shown as it is.
  private static let linesMax = 20_000

  private static func firstFolded(_ lines: [Substring]) -> Int? {
    var lastQuoted: Int?
    for (index, line) in lines.enumerated() {
      if line.isEmpty { continue }
      if isSeparator(line) || isHeaderBlock(lines, at: index) || isSignature(line) { return lastQuoted ?? index }
      if line.hasPrefix(">") {
        lastQuoted = lastQuoted ?? index
      } else if isAttribution(lines, at: index) {
        lastQuoted = lastQuoted ?? index
      } else if lastQuoted != nil, !(index > 0 && isAttribution(lines, at: index - 1)) {
        // Something is written below a quotation, so that one belongs to what is to be read.
        lastQuoted = nil
      }
    }
    return lastQuoted
  }

  private static func trimmed(_ line: Substring) -> Substring {
    var line = line
    while let last = line.unicodeScalars.last, last == " " || last == "\t" || last == "\r" || last == "\u{A0}" {
      line.unicodeScalars.removeLast()
    }
    return line
  }

  /// The line between a mail and the one that it answers, in the words of the programs that people use.
  private static func isSeparator(_ line: Substring) -> Bool {
    guard line.utf8.count < 200 else { return false }
    let words = line.drop { $0 == "-" || $0 == "_" || $0 == " " || $0 == "=" || $0 == "*" || $0 == "[" }
    guard words.utf8.count < line.utf8.count else { return false }
    let lower = words.lowercased()
    return separators.contains { lower.hasPrefix($0) }
  }

  private static let separators = [
    "original message", "forwarded message", "original mail", "원본 메시지", "원본 메일", "원본메일", "원본메시지", "원문",
    "전달된 메시지", "전달된 메일", "元のメッセージ", "元のメール", "転送メッセージ", "原始邮件", "原始郵件", "转发邮件",
    "ursprüngliche nachricht", "message d'origine", "mensaje original",
  ]

  /// `On …, … wrote:` and its like; long ones are broken into two lines.
  private static func isAttribution(_ lines: [Substring], at index: Int) -> Bool {
    let line = lines[index]
    guard line.utf8.count < 400 else { return false }
    let isBroken = index + 1 < lines.count && line.utf8.count < 200 && !isWholeAttribution(lines[index + 1])
    let whole = isBroken ? line + " " + lines[index + 1] : line
    let isQuotedNext = lines.dropFirst(index + 1).prefix(3).contains { $0.hasPrefix(">") }
    for (begins, ends) in attributions {
      for candidate in [line, whole] {
        let text = candidate.lowercased()
        guard begins.isEmpty || text.hasPrefix(begins), text.hasSuffix(ends) else { continue }
        // Words that only end like an attribution are one when a quotation follows.
        if !begins.isEmpty && ends.count > 1 || isQuotedNext { return true }
      }
    }
    return false
  }

  /// Whether a line needs none before it: what stands there is the writer's own.
  private static func isWholeAttribution(_ line: Substring) -> Bool {
    guard line.utf8.count < 400 else { return false }
    let text = line.lowercased()
    return attributions.contains { begins, ends in
      text.hasSuffix(ends)
        && (begins.isEmpty ? !text.hasPrefix("<") && text.contains(where: \.isNumber) : text.hasPrefix(begins))
    }
  }

  private static let attributions = [
    ("on ", "wrote:"), ("am ", "schrieb:"), ("le ", "a écrit :"), ("le ", "a écrit:"), ("el ", "escribió:"),
    ("", "님이 작성:"), ("", "님이 작성한 내용:"), ("", "님이 쓴 글:"), ("", "작성:"), ("", "wrote:"),
    ("", "のメール:"), ("", "のメッセージ:"), ("", "書きました:"), ("", "写道:"), ("", "寫道:"),
  ]

  /// Header lines of an older mail, as Outlook writes them: two different ones in the first four lines.
  private static func isHeaderBlock(_ lines: [Substring], at index: Int) -> Bool {
    guard headerKind(lines[index]) == 0 else { return false }
    let following = lines[index..<min(index + 4, lines.count)].compactMap { headerKind($0) }
    return Set(following).count >= 3
  }

  private static func headerKind(_ line: Substring) -> Int? {
    let plain = line.drop { $0 == "*" || $0 == " " }
    return headerNames.firstIndex { names in
      names.contains { name in
        guard plain.hasPrefix(name) else { return false }
        let rest = plain.dropFirst(name.count).drop { $0 == " " || $0 == "*" }
        return rest.first == ":" || rest.first == "："
      }
    }
  }

  private static let headerNames = [
    ["From", "보낸 사람", "보낸사람", "差出人", "发件人", "寄件者", "Von", "De"],
    ["Sent", "Date", "보낸 날짜", "보낸날짜", "날짜", "送信日時", "日付", "发送时间", "日期", "Gesendet", "Envoyé", "Enviado"],
    ["To", "받는 사람", "받는사람", "宛先", "收件人", "An", "À", "Para"],
    ["Subject", "제목", "件名", "主题", "主旨", "Betreff", "Objet", "Asunto"],
    ["Cc", "참조", "抄送", "副本"],
  ]

  /// RFC 3676 (4.3), and what telephones add.
  private static func isSignature(_ line: Substring) -> Bool {
    if line == "--" { return true }
    guard line.utf8.count < 120 else { return false }
    let lower = line.lowercased()
    return signatures.contains { lower.hasPrefix($0.0) && lower.hasSuffix($0.1) }
  }

  private static let signatures = [
    ("sent from my ", ""), ("sent from outlook", ""), ("sent from mail for windows", ""), ("get outlook for ", ""),
    ("나의 ", "에서 보냄"), ("내 ", "에서 보냄"), ("iphone에서 보냄", ""), ("ipad에서 보냄", ""), ("galaxy에서 보냄", ""),
    ("iphoneから送信", ""), ("ipadから送信", ""), ("发自我的", ""), ("네이버 메일앱에서 보냄", ""),
  ]
}
