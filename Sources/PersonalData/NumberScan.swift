/// Tries the table of shapes on the groups of a run, from left to right.
struct NumberScan {
  /// How much less sure a number is behind a word such as "order".
  private static let thingPenalty: Int32 = 50
  /// Of what passes an issuer's prefix and the Luhn formula, only a word right before it says something else:
  /// `주문번호 4000…`.
  private static let cardThingBytes = 16

  let text: ScannedText
  let run: NumberRun

  /// The findings by bytes of the text.
  func findings() -> [ByteFinding] {
    guard run.digits.count >= NumberShape.digitsMin else { return [] }
    var found: [ByteFinding] = []
    var index = 0
    while index < run.groups.count {
      if let (finding, count) = match(at: index) {
        found.append(finding)
        index += count
      } else {
        index += 1
      }
    }
    return found
  }

  private func match(at index: Int) -> (ByteFinding, Int)? {
    // A group that a dash or a dot ties to the one before it is not the beginning of a number.
    guard isLoose(index) else { return nil }
    let isFirst = index == 0
    if isFirst, isTied || ScannedText.isLetter(run.before) && !isBehindPhoneWord { return nil }
    if isFirst, prefix != nil, let found = match(at: index, international: true) { return found }
    return match(at: index, international: false)
  }

  private func match(at index: Int, international: Bool) -> (ByteFinding, Int)? {
    for shape in NumberShape.rows(beginningWith: run.groups[index].count, international: international) {
      let range = index..<(index + shape.groups.count)
      guard range.upperBound <= run.groups.count, fits(shape, range) else { continue }
      if let finding = finding(shape, range, international) { return (finding, range.count) }
    }
    return nil
  }

  private func fits(_ shape: NumberShape, _ range: Range<Int>) -> Bool {
    for (groups, index) in zip(shape.groups, range) where !groups.contains(run.groups[index].count) { return false }
    var first: Int?
    for index in range.dropFirst() {
      let separator = run.groups[index].separator
      if shape.kind != .phone, separator == .mark || separator == .comma { return false }
      let code = code(separator)
      switch shape.separators {
      case .any: break
      case .alike: if code != first ?? code { return false }
      case .dots: if separator != .dot { return false }
      }
      first = code
    }
    // Nor does a number end where a dash or a dot goes on.
    if range.upperBound < run.groups.count, !isLoose(range.upperBound) { return false }
    return range.upperBound < run.groups.count || !goesOn(run.groups[range.upperBound - 1].end)
  }

  private func finding(_ shape: NumberShape, _ range: Range<Int>, _ international: Bool) -> ByteFinding? {
    let digits = run.digits(of: range)
    guard shape.kind != .ipAddress || areOctets(range), var percent = shape.confidence(digits) else { return nil }
    var start = run.groups[range.lowerBound].start
    if international, let prefix { start = prefix }
    // An opening parenthesis belongs to the area code that a closing one ends.
    if range.count > 1, run.groups[range.lowerBound + 1].separator == .parenthesis,
      let previous = text.visible(before: start), previous.unit == UInt8(ascii: "(")
    {
      start = previous.start
    }
    let bytes = start..<run.groups[range.upperBound - 1].end
    switch shape.context {
    case .none: break
    case .raises(let words, let raised):
      if words.stand(near: bytes, in: text) { percent = max(percent, raised) }
    case .needed(let words):
      guard words.stand(near: bytes, in: text, behindToo: true) else { return nil }
    }
    let isPlain = Self.isPlain(shape.kind, digits, groups: range.count, percent)
    let reach = shape.kind == .cardNumber ? Self.cardThingBytes : ContextWords.bytesBefore
    if !isPlain, ContextWords.thing.stand(near: bytes.lowerBound..<bytes.lowerBound, in: text, within: reach),
      !isAsked(shape.kind, bytes)
    {
      percent = max(0, percent - Self.thingPenalty)
    }
    return ByteFinding(kind: shape.kind, bytes: bytes, confidencePercent: percent)
  }

  /// Whether a number tells by itself what it is, whatever stands before it: by more than one sign, such as an issuer,
  /// a check digit, and the usual groups.
  private static func isPlain(
    _ kind: PersonalDataKind, _ digits: ArraySlice<UInt8>, groups: Int, _ percent: Int32
  ) -> Bool {
    switch kind {
    case .phone:
      percent >= 92 || digits.first == 0 && groups > 2 || digits.count == 11 && digits.starts(with: [0, 1, 0])
    case .businessNumber: groups > 1
    case .residentRegistrationNumber, .foreignerRegistrationNumber: percent >= 99
    default: false
    }
  }

  /// Whether a word of the kind's own stands nearer than that of a thing may: then it is no thing's number.
  private func isAsked(_ kind: PersonalDataKind, _ bytes: Range<Int>) -> Bool {
    switch kind {
    case .phone: ContextWords.phone.stand(near: bytes, in: text)
    case .businessNumber: ContextWords.business.stand(near: bytes, in: text)
    case .cardNumber: ContextWords.card.stand(near: bytes, in: text)
    case .residentRegistrationNumber, .foreignerRegistrationNumber: ContextWords.resident.stand(near: bytes, in: text)
    case .bankAccount, .driverLicence: true
    default: false
    }
  }

  /// Where a `+` before the run stands.
  private var prefix: Int? { run.before == UInt8(ascii: "+") ? run.beforeStart : nil }

  private func areOctets(_ range: Range<Int>) -> Bool {
    range.allSatisfy { index in
      let digits = run.digits(of: index..<(index + 1))
      let isPlain = digits.count == 1 || digits.first != 0
      return isPlain && digits.reduce(0) { $0 * 10 + Int($1) } <= 255
    }
  }

  /// Whether a number may begin with a group, and another one end before it.
  private func isLoose(_ index: Int) -> Bool {
    switch run.groups[index].separator {
    case .none, .space, .parenthesis, .mark: true
    case .dash, .dot: false
    // Not between thousands.
    case .comma: index > 0 && (run.groups[index].count != 3 || run.groups[index - 1].count > 3)
    }
  }

  /// Words that people put before a phone number without a blank.
  private static let phoneWords: Set<String> = ["tel", "hp", "mp", "ph", "phone", "mobile", "cell", "call", "fax"]
  private static let phoneWordMax = 8

  /// Whether the letters right before the run say that a phone number follows.
  private var isBehindPhoneWord: Bool {
    guard run.digits.first == 0 else { return false }
    var word = ""
    var position = run.beforeStart
    var unit = run.before
    while ScannedText.isLetter(unit), word.utf8.count <= Self.phoneWordMax {
      word.unicodeScalars.insert(Unicode.Scalar(unit | 0x20), at: word.unicodeScalars.startIndex)
      guard let before = text.visible(before: position) else { return Self.phoneWords.contains(word) }
      (unit, position) = before
    }
    return !ScannedText.isLetter(unit) && !ScannedText.isDigit(unit) && Self.phoneWords.contains(word)
  }

  /// Whether what stands before the first digit makes it the end of something longer: a code such as `KR-01`, a path,
  /// an amount such as `1,500`.
  private var isTied: Bool {
    let further = text.visible(before: run.beforeStart)?.unit ?? ScannedText.invisible
    switch run.before {
    case UInt8(ascii: "_"), UInt8(ascii: "#"): return true
    case UInt8(ascii: "-"), UInt8(ascii: "."): return ScannedText.isLetter(further) || ScannedText.isDigit(further)
    case UInt8(ascii: "/"): return ScannedText.isLetter(further) || further == UInt8(ascii: "/")
    case UInt8(ascii: ","): return ScannedText.isDigit(further)
    default: return false
    }
  }

  /// Whether what follows makes the digits part of something longer.
  private func goesOn(_ end: Int) -> Bool {
    guard end < text.end else { return false }
    let unit = text.unit(at: end).unit
    return ScannedText.isDigit(unit) || ScannedText.isLetter(unit) || unit == UInt8(ascii: "_")
  }

  private func code(_ separator: NumberRun.Separator) -> Int {
    switch separator {
    case .none: 0
    case .space: 1
    case .dash: 2
    case .dot: 3
    case .parenthesis: 2
    case .mark: 4
    case .comma: 5
    }
  }
}

/// A finding by bytes of the text.
struct ByteFinding {
  let kind: PersonalDataKind
  let bytes: Range<Int>
  let confidencePercent: Int32
}
