/// The words of a masked span, to be looked for in other texts.
///
/// Every occurrence is the span: whoever masks a number wants it gone from all texts of the ticket, and no rule could
/// tell a quotation from a repetition. Words are compared as ``FoldedText`` reads them, without the blanks and the
/// punctuation at their ends, and a number of seven digits or more by its digits alone, however they are grouped, a
/// Korean phone number also with the country's code. A number is not found inside a longer number, nor a Latin word
/// inside a longer one. Words of one character, and words without a letter or digit, are not looked for: they would be
/// found everywhere and tell nothing.
package struct SpanWords: Sendable {
  /// Digits that a number needs to be told by its digits alone.
  private static let numberDigitsMin = 7

  private enum Edge {
    case digit, latin, other

    init(_ unit: UInt32) {
      switch unit {
      case 0x30...0x39: self = .digit
      case 0x61...0x7A: self = .latin
      default: self = .other
      }
    }
  }

  private let words: Pattern
  private let first: Edge
  private let last: Edge
  /// The ways in which a number is written, digits alone; none for other words.
  private var numbers: [Pattern] = []

  /// Prepares the search; nil for words that are not looked for.
  package init?(_ text: String) {
    let scalars = [Unicode.Scalar](scalarsOf: text)
    guard text.count > 1, scalars.contains(where: Self.tells) else { return nil }
    let whole = FoldedText(scalars).units
    var units = whole[...]
    while let unit = units.first, Self.isTrimmed(unit) { units.removeFirst() }
    while let unit = units.last, Self.isTrimmed(unit) { units.removeLast() }
    // One character tells something only together with what it was masked with.
    if units.count < 2 { units = whole[...] }
    guard units.count > 1, let first = units.first, let last = units.last else { return nil }
    words = Pattern(Array(units))
    self.first = Edge(first)
    self.last = Edge(last)
    numbers = Self.numbers(units).map { Pattern($0) }
  }

  /// Number of characters, as far as they matter.
  package var length: Int { words.units.count }

  /// Whether they can stand in a text, by what words in it may end with (``FoldedText/endings()``).
  func mayStand(among endings: Set<UInt64>) -> Bool {
    ([words] + numbers).contains { endings.contains(FoldedText.ending(of: $0.units)) }
  }

  /// Where the words stand in a text, in its order and without overlaps, in time linear in both.
  package func occurrences(in text: FoldedText) -> [ScalarSpan] {
    var found: [ScalarSpan] = []
    words.search(text.units) { start, end in
      let before = start > 0 ? Edge(text.units[start - 1]) : .other
      let after = end < text.units.count ? Edge(text.units[end]) : .other
      guard (first == .other || first != before) && (last == .other || last != after) else { return false }
      found.append(text.span(start, end - 1))
      return true
    }
    if numbers.isEmpty || text.digits.count < Self.numberDigitsMin { return found }
    for number in numbers {
      number.search(text.digitUnits) { start, end in
        var (first, last) = (Int(text.digits[start]), Int(text.digits[end - 1]))
        guard text.breaks[start] == text.breaks[end - 1], first == 0 || !FoldedText.isDigit(text.units[first - 1]),
          last + 1 == text.units.count || !FoldedText.isDigit(text.units[last + 1])
        else { return false }
        // The sign of the country's code belongs to it, and so does the bracket around an area's.
        if first > 0, text.units[first - 1] == 0x2B { first -= 1 }
        if first > 0, text.units[first - 1] == 0x28, text.units[first...last].contains(0x29) { first -= 1 }
        last = max(first, last)
        found.append(text.span(first, last))
        return true
      }
    }
    return Self.apart(found)
  }

  /// The spans in the order of the text; of two that overlap, the one that begins first, or else is longer.
  private static func apart(_ spans: [ScalarSpan]) -> [ScalarSpan] {
    var kept: [ScalarSpan] = []
    for span in spans.sorted(by: { ($0.start, $1.length) < ($1.start, $0.length) })
    where kept.last.map({ $0.end <= span.start }) ?? true {
      kept.append(span)
    }
    return kept
  }

  /// The digits of a number that stands alone in the words, as it may be written; none for other words.
  private static func numbers(_ units: ArraySlice<UInt32>) -> [[UInt32]] {
    let isInternational = units.first == 0x2B
    let rest = isInternational ? units.dropFirst() : units
    guard rest.allSatisfy({ FoldedText.isDigit($0) || FoldedText.isSeparator($0) }) else { return [] }
    let digits = rest.filter(FoldedText.isDigit)
    guard digits.count >= numberDigitsMin else { return [] }
    let korea: [UInt32] = [0x38, 0x32]
    var national: ArraySlice<UInt32>?
    if isInternational, digits.starts(with: korea) {
      let behind = digits.dropFirst(korea.count)
      national = behind.first == 0x30 ? behind.dropFirst() : behind
    } else if digits.first == 0x30, digits.dropFirst().first != 0x30, (9...12).contains(digits.count) {
      national = digits.dropFirst()
    }
    guard let national else { return [Array(digits)] }
    return [[0x30] + national, korea + national, korea + [0x30] + national].map { Array($0) }
  }

  private static func isTrimmed(_ unit: UInt32) -> Bool {
    switch unit {
    case 0x20...0x22, 0x27...0x29, 0x2C...0x2F, 0x3A...0x3C, 0x3E, 0x3F, 0x5B, 0x5D, 0x60, 0x7B, 0x7D, 0xB7,
      0x2018...0x201F, 0x2026, 0x3001...0x3003, 0x3008...0x3011:
      true
    default: false
    }
  }

  private static func tells(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case 0..<0x80: false
    default: scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }
  }
}

/// Units to be found in a row among others, after Knuth, Morris and Pratt.
private struct Pattern: Sendable {
  let units: [UInt32]
  // How far the units begin with their own end, by length.
  private let borders: [Int]

  init(_ units: [UInt32]) {
    self.units = units
    var borders = [Int](repeating: 0, count: units.count)
    var length = 0
    for index in units.indices.dropFirst() {
      while length > 0, units[length] != units[index] { length = borders[length - 1] }
      if units[length] == units[index] { length += 1 }
      borders[index] = length
    }
    self.borders = borders
  }

  /// Calls `take` with the bounds of each place; when it takes one, the search goes on behind it.
  func search(_ text: [UInt32], take: (Int, Int) -> Bool) {
    var matched = 0
    var index = 0
    while index < text.count {
      let unit = text[index]
      index += 1
      while matched > 0, units[matched] != unit { matched = borders[matched - 1] }
      if units[matched] == unit { matched += 1 }
      guard matched == units.count else { continue }
      matched = take(index - units.count, index) ? 0 : borders[matched - 1]
    }
  }
}
