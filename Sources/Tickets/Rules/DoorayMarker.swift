/// How what Handoff has written at Dooray! is known there again.
enum DoorayMarker {
  /// A text with the line by which it is found again.
  static func marked(_ text: String, _ marker: String) -> String { "\(text)\n\n---\n\(marker)" }

  /// The line by which a text of Handoff's is found again: its last; nil when that has not the form of one.
  static func marker(in text: String) -> String? {
    let lines = text.split(whereSeparator: \.isNewline).filter { $0.contains { !$0.isWhitespace } }
    guard let last = lines.last, last.hasPrefix("Handoff services/") else { return nil }
    return String(last)
  }

  /// Whether a subject at Dooray! can be the one that is stored here, in which parts may have been masked since.
  static func mayBe(_ subject: String, storedAs stored: String) -> Bool {
    let (subject, stored) = (subject.unicodeScalars, stored.unicodeScalars)
    guard subject.count == stored.count else { return false }
    return zip(subject, stored).allSatisfy { $0 == $1 || $1 == "*" }
  }

  /// Whether a text of Dooray!'s can be an id and go into a path.
  static func isID(_ text: String) -> Bool {
    (1...30).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }
}
