/// A report of programs that do not write them as RFC 3464 has it: words for people, with a copy of the mail below.
package enum BounceText {
  /// What the words say, without the copy of the mail.
  package struct Reading: Sendable, Equatable {
    /// `failed` or `delayed`, as RFC 3464 calls it.
    package let action: String
    /// After RFC 3463; empty when the words have none.
    package let status: String
    /// The line that says why; empty when none does.
    package let words: String
    /// The words, in lower case, to look for addresses in.
    package let report: String
  }

  /// Reads a report; nil when its words say nothing of a failure: then it may be anything.
  package static func reading(_ text: String) -> Reading? {
    let lines = report(text)
    let whole = lines.joined(separator: "\n").lowercased()
    let reason =
      lines.first { !BounceTable.statusCodes(in: $0).isEmpty }
      ?? lines.first { line in BounceTable.addressWords.contains { line.lowercased().contains($0) } }
      ?? lines.first { !BounceTable.status("", words: $0).isEmpty }
    let isDelayed = BounceTable.delayWords.contains { whole.contains($0) }
    guard reason != nil || isDelayed else { return nil }
    let words = trimmed(reason ?? "")
    return Reading(
      action: isDelayed && !BounceTable.status("", words: words).hasPrefix("5") ? "delayed" : "failed",
      status: BounceTable.status("", words: words), words: String(words.prefix(wordsMax)), report: whole)
  }

  /// Message-IDs in a text, without angle brackets, those of header fields named so.
  package static func messageIDs(in text: String, atMost most: Int = 20) -> [String] {
    values(of: "message-id:", in: text, atMost: most).compactMap { value in
      guard let start = value.firstIndex(of: "<"), let end = value[start...].firstIndex(of: ">") else { return nil }
      return String(value[value.index(after: start)..<end])
    }
  }

  /// Values of header fields of a name in a text, wherever they stand.
  ///
  /// - Parameter name: in lower case, with its colon.
  package static func values(of name: String, in text: String, atMost most: Int = 20) -> [Substring] {
    var found: [Substring] = []
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
    while let line = lines.popFirst(), found.count < most {
      // A copy may be quoted or indented.
      let plain = line.drop { $0 == " " || $0 == ">" || $0 == "\t" || $0 == "|" }
      guard plain.prefix(name.count).lowercased() == name else { continue }
      let value = plain.dropFirst(name.count)
      // A long value begins on the next line.
      found.append(value.contains { $0 != " " && $0 != "\t" && $0 != "\r" } ? value : lines.first ?? value)
    }
    return found
  }

  private static let wordsMax = 500
  private static let linesMax = 200
  /// How the copy of a mail begins.
  private static let copyStarts = [
    "--- below this line is a copy", "------ this is a copy", "----- original message", "-----original message",
    "--- the forwarded message follows", "return-path:", "received:", "message-id:", "mime-version:", "dkim-signature:",
  ]

  private static func report(_ text: String) -> [String] {
    var lines: [String] = []
    for line in text.split(separator: "\n").prefix(linesMax) {
      let plain = trimmed(String(line))
      if copyStarts.contains(where: { plain.lowercased().hasPrefix($0) }) { break }
      lines.append(plain)
    }
    return lines
  }

  private static func trimmed(_ text: String) -> String {
    var text = text[...].drop { $0 == " " || $0 == "\t" || $0 == ">" }
    while text.last == " " || text.last == "\t" || text.last == "\r" { text.removeLast() }
    return String(text)
  }
}
