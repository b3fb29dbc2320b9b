/// The words of a masked span, to be looked for in other texts.
///
/// Every occurrence is the span: whoever masks a number wants it gone from all texts of the ticket, and no rule could
/// tell a quotation from a repetition. Letters of ASCII are matched in either case. A number is not found inside a
/// longer number, nor a Latin word inside a longer one. Words of one character, and words without a letter or digit,
/// are not looked for: they would be found everywhere and tell nothing.
package struct SpanWords: Sendable {
  private enum Edge {
    case digit, latin, other

    init(_ scalar: Unicode.Scalar?) {
      switch scalar?.value ?? 0 {
      case 0x30...0x39: self = .digit
      case 0x41...0x5A, 0x61...0x7A: self = .latin
      default: self = .other
      }
    }
  }

  private let words: [UInt32]
  // How far the words begin with their own end, by length: the table of Knuth, Morris and Pratt.
  private let borders: [Int]
  private let first: Edge
  private let last: Edge

  /// Prepares the search; nil for words that are not looked for.
  package init?(_ text: String) {
    let scalars = text.unicodeScalars
    guard text.count > 1, scalars.contains(where: Self.tells) else { return nil }
    words = scalars.map(Self.folded)
    var borders = [Int](repeating: 0, count: words.count)
    var length = 0
    for index in words.indices.dropFirst() {
      while length > 0, words[length] != words[index] { length = borders[length - 1] }
      if words[length] == words[index] { length += 1 }
      borders[index] = length
    }
    self.borders = borders
    first = Edge(scalars.first)
    last = Edge(scalars.last)
  }

  /// Number of scalars.
  package var length: Int { words.count }

  /// Where the words stand in a text, in its order and without overlaps, in time linear in both.
  package func occurrences(in text: [Unicode.Scalar]) -> [ScalarSpan] {
    var found: [ScalarSpan] = []
    var matched = 0
    for (index, scalar) in text.enumerated() {
      let value = Self.folded(scalar)
      while matched > 0, words[matched] != value { matched = borders[matched - 1] }
      if words[matched] == value { matched += 1 }
      guard matched == words.count else { continue }
      let start = index + 1 - words.count
      let before = start > 0 ? Edge(text[start - 1]) : .other
      let after = index + 1 < text.count ? Edge(text[index + 1]) : .other
      if (first == .other || first != before) && (last == .other || last != after) {
        found.append(ScalarSpan(start: start, length: words.count))
        matched = 0
      } else {
        matched = borders[matched - 1]
      }
    }
    return found
  }

  private static func folded(_ scalar: Unicode.Scalar) -> UInt32 {
    (0x41...0x5A).contains(scalar.value) ? scalar.value + 0x20 : scalar.value
  }

  private static func tells(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII ? Edge(scalar) != .other : scalar.properties.isAlphabetic || scalar.properties.numericType != nil
  }
}
