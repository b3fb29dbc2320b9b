import HandoffAPI

/// What the proto files say, by full name.
struct ReferenceText {
  private let comments: [String: String]

  init() {
    var comments: [String: String] = [:]
    let text = HandoffAPIComments.text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    for line in text.split(separator: "\n") {
      guard let space = line.firstIndex(of: " ") else { continue }
      comments[String(line[..<space])] = String(line[line.index(after: space)...])
    }
    self.comments = comments
  }

  /// The paragraphs about something, parted by empty lines; empty when nothing is said.
  func text(_ fullName: String) -> String { (comments[fullName] ?? "").replacing(" \\ ", with: "\n\n") }

  /// The first sentence about something, without its full stop.
  func summary(_ fullName: String) -> String {
    let text = (comments[fullName] ?? "").replacing(" \\ ", with: " ")
    guard let end = text.firstRange(of: ". ")?.lowerBound else {
      return text.hasSuffix(".") ? String(text.dropLast()) : text
    }
    return String(text[..<end])
  }
}
