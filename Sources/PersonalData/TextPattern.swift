/// A pattern of a service: how its own numbers look, such as a membership number `MB-######`.
///
/// `#` stands for a digit, `@` for a Latin letter, `%` for either, `가` for a Hangul syllable; `{2}` and `{2,5}` behind
/// a character repeat it; `\` takes the next character as it is. Everything else stands for itself, Latin letters in
/// either case. A pattern matches whole words: no letter or digit may go on before or behind a match.
///
/// There is no alternative and no unbounded repetition, so a pattern is at most ``charactersMax`` characters long when
/// written out, and is matched in one walk over the text, all its states at once in one machine word.
package struct TextPattern: Sendable {
  /// Longest text that a pattern describes, in characters.
  package static let charactersMax = 60

  /// Why a pattern is none.
  package enum Problem: Error, Equatable, Sendable {
    /// It describes nothing, or more than ``charactersMax`` characters.
    case length
    /// A repetition at this character of the pattern is not `{2}` or `{2,5}` with numbers that make sense.
    case repetition(index: Int)
    /// It describes fewer than four characters, or no letter or digit that stands for itself or for others.
    case vague
  }

  private enum Item: Equatable {
    case literal(Unicode.Scalar)
    case digit, letter, alphanumeric, hangul
  }

  // State n is reached when the first n characters matched; bit n of a character's mask lets it go from n to n + 1.
  private var asciiMasks = [UInt64](repeating: 0, count: 128)
  private var literalMasks: [Unicode.Scalar: UInt64] = [:]
  private var hangulMask: UInt64 = 0
  /// States that may be left without a character.
  private var optional: UInt64 = 0
  /// What the first character of a match may be.
  private var first: UInt64 = 1
  private var count = 0
  private var shortest = 0
  private let confidencePercent: Int32

  /// Reads a pattern.
  package init(_ pattern: String, confidencePercent: Int32 = 90) throws(Problem) {
    self.confidencePercent = confidencePercent
    let items = try Self.items(pattern)
    for (item, range) in items {
      for index in 0..<range.upperBound {
        guard count < Self.charactersMax else { throw .length }
        add(item)
        if index >= range.lowerBound { optional |= 1 << UInt64(count) } else { shortest += 1 }
        count += 1
      }
    }
    guard count > 0 else { throw .length }
    for state in 0..<count where first >> UInt64(state) & 1 == 1 && optional >> UInt64(state) & 1 == 1 {
      first |= 1 << UInt64(state + 1)
    }
    guard shortest >= 4 else { throw .vague }
  }

  private mutating func add(_ item: Item) {
    let bit: UInt64 = 1 << UInt64(count)
    switch item {
    case .literal(let scalar) where scalar.isASCII:
      asciiMasks[Int(scalar.value)] |= bit
      if ScannedText.isLetter(UInt8(scalar.value)) { asciiMasks[Int(scalar.value ^ 0x20)] |= bit }
    case .literal(let scalar): literalMasks[scalar, default: 0] |= bit
    case .digit: for value in 0x30...0x39 { asciiMasks[value] |= bit }
    case .letter: for value in 0..<128 where ScannedText.isLetter(UInt8(value)) { asciiMasks[value] |= bit }
    case .alphanumeric:
      for value in 0..<128 where ScannedText.isLetter(UInt8(value)) || ScannedText.isDigit(UInt8(value)) {
        asciiMasks[value] |= bit
      }
    case .hangul: hangulMask |= bit
    }
  }

  private static func items(_ pattern: String) throws(Problem) -> [(Item, ClosedRange<Int>)] {
    let scalars = Array(pattern.unicodeScalars)
    var items: [(Item, ClosedRange<Int>)] = []
    var index = 0
    while index < scalars.count {
      var item: Item
      switch scalars[index] {
      case "#": item = .digit
      case "@": item = .letter
      case "%": item = .alphanumeric
      case "가": item = .hangul
      case "\\":
        index += 1
        guard index < scalars.count else { throw .length }
        item = .literal(scalars[index])
      default: item = .literal(scalars[index])
      }
      index += 1
      var range = 1...1
      if index < scalars.count, scalars[index] == "{" { (range, index) = try repetition(scalars, index) }
      items.append((item, range))
    }
    return items
  }

  private static func repetition(
    _ scalars: [Unicode.Scalar], _ start: Int
  ) throws(Problem) -> (ClosedRange<Int>, Int) {
    guard let close = scalars[start...].firstIndex(of: "}") else { throw .repetition(index: start) }
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[(start + 1)..<close])
    let numbers = String(view).split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(numbers.count), let low = numbers[0], let high = numbers[numbers.count - 1], low >= 0,
      high >= max(1, low), high <= charactersMax
    else { throw .repetition(index: start) }
    return (low...high, close + 1)
  }

  /// The matches by bytes, in the order of the text, the longest at each place, without overlaps.
  func findings(in text: ScannedText) -> [ByteFinding] {
    var found: [ByteFinding] = []
    var states: UInt64 = 0
    // Where the match under way began that each state comes from: the earliest wins.
    var starts = [Int](repeating: 0, count: count + 1)
    var isInWord = false
    var pending: Range<Int>?
    var position = 0
    while position < text.end {
      let (scalar, next) = Self.scalar(text, position)
      let isWord = Self.isWord(scalar)
      if let range = pending, !isWord || !isInWord {
        found.append(ByteFinding(kind: .ownPattern, bytes: range, confidencePercent: confidencePercent))
        states = 0
      }
      pending = nil
      let mask = mask(scalar)
      if states != 0 || mask & first != 0 {
        if !isInWord || !isWord {
          states |= 1
          starts[0] = position
        }
        step(mask, &states, &starts)
      }
      if states >> UInt64(count) & 1 == 1 { pending = starts[count]..<next }
      isInWord = isWord
      position = next
    }
    if let range = pending {
      found.append(ByteFinding(kind: .ownPattern, bytes: range, confidencePercent: confidencePercent))
    }
    return found
  }

  /// Goes one character further in all states at once.
  private func step(_ mask: UInt64, _ states: inout UInt64, _ starts: inout [Int]) {
    var now = states
    // Optional characters may be left out before this one is read.
    var state = 0
    while state < count {
      if now >> UInt64(state) & 1 == 1, optional >> UInt64(state) & 1 == 1 {
        let target = state + 1
        if now >> UInt64(target) & 1 == 0 || starts[target] > starts[state] { starts[target] = starts[state] }
        now |= 1 << UInt64(target)
      }
      state += 1
    }
    var next: UInt64 = 0
    state = count - 1
    while state >= 0 {
      if (now & mask) >> UInt64(state) & 1 == 1 {
        starts[state + 1] = starts[state]
        next |= 1 << UInt64(state + 1)
      }
      state -= 1
    }
    // And behind it, so that a match is known as soon as nothing more is needed.
    state = 0
    while state < count {
      if next >> UInt64(state) & 1 == 1, optional >> UInt64(state) & 1 == 1, next >> UInt64(state + 1) & 1 == 0 {
        starts[state + 1] = starts[state]
        next |= 1 << UInt64(state + 1)
      }
      state += 1
    }
    states = next
  }

  private func mask(_ scalar: Unicode.Scalar) -> UInt64 {
    if scalar.isASCII { return asciiMasks[Int(scalar.value)] }
    let literal = literalMasks.isEmpty ? 0 : literalMasks[scalar] ?? 0
    return (0xAC00...0xD7A3).contains(scalar.value) ? literal | hangulMask : literal
  }

  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.isASCII else { return false }
    let unit = UInt8(scalar.value)
    return ScannedText.isLetter(unit) || ScannedText.isDigit(unit)
  }

  private static func scalar(_ text: ScannedText, _ position: Int) -> (Unicode.Scalar, Int) {
    let (unit, end) = text.unit(at: position)
    if unit != ScannedText.other, unit != ScannedText.invisible { return (Unicode.Scalar(unit), end) }
    var value = UInt32(text.bytes[position] & (end - position == 2 ? 0x1F : end - position == 3 ? 0x0F : 0x07))
    for index in (position + 1)..<max(end, position + 1) { value = value << 6 | UInt32(text.bytes[index] & 0x3F) }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", end)
  }
}
