/// What kinds of personal data Handoff recognizes.
package enum PersonalDataKind: CaseIterable, Sendable {
  case phone
  case email
  case residentRegistrationNumber
  case cardNumber
}

/// A span of a text that looks personal, by Unicode scalars.
package struct PersonalDataFinding: Equatable, Sendable {
  /// What it looks like.
  package let kind: PersonalDataKind
  /// Position of the first scalar.
  package let start: Int
  /// Number of scalars.
  package let length: Int
  /// How sure the scanner is: 0 to 100.
  package let confidencePercent: Int32
}

/// Finds personal data in a text, in time linear in its length.
///
/// Numbers are found by the way they are grouped: a run such as `010-1234-5678` is cut into groups of digits, and the
/// shapes of ``NumberShape/all`` are tried on neighbouring groups. Fullwidth digits count as digits.
package enum PersonalDataScanner {
  /// Returns the findings in the order of the text; they do not overlap.
  package static func findings(in text: String) -> [PersonalDataFinding] {
    let scalars = Array(text.unicodeScalars)
    let addresses = mailAddresses(scalars)
    var found: [PersonalDataFinding] = []
    var position = 0
    for address in addresses {
      found += numbers(scalars, position..<address.start)
      found.append(address)
      position = address.end
    }
    return found + numbers(scalars, position..<scalars.count)
  }

  private static func mailAddresses(_ scalars: [Unicode.Scalar]) -> [PersonalDataFinding] {
    var found: [PersonalDataFinding] = []
    for position in scalars.indices where scalars[position] == "@" {
      if let address = MailAddressShape.match(scalars, at: position, after: found.last?.end ?? 0) {
        found.append(address)
      }
    }
    return found
  }

  private static func numbers(_ scalars: [Unicode.Scalar], _ range: Range<Int>) -> [PersonalDataFinding] {
    var found: [PersonalDataFinding] = []
    var position = range.lowerBound
    while position < range.upperBound {
      if isNumberStart(scalars, at: position) {
        let run = NumberRun(scalars, position..<range.upperBound)
        found += run.findings()
        position = run.end
      } else {
        position += 1
      }
    }
    return found
  }

  private static func isNumberStart(_ scalars: [Unicode.Scalar], at position: Int) -> Bool {
    guard digit(scalars[position]) != nil else { return false }
    // What hangs on a word, such as the order code `KR90210`, is no phone number.
    guard position > 0 else { return true }
    let before = scalars[position - 1]
    return digit(before) == nil && !(before.isASCII && before.properties.isAlphabetic)
  }
}

extension PersonalDataFinding {
  /// Position behind the last scalar.
  package var end: Int { start + length }
}

/// The value of a decimal digit, plain or fullwidth.
private func digit(_ scalar: Unicode.Scalar) -> Int? {
  switch scalar.value {
  case 0x30...0x39: Int(scalar.value - 0x30)
  case 0xFF10...0xFF19: Int(scalar.value - 0xFF10)
  default: nil
  }
}

/// Groups of digits that single separators hold together: `+82 10-1234-5678` has four.
private struct NumberRun {
  struct Group {
    let start: Int
    var digits: [Int]
    var end: Int { start + digits.count }
  }

  /// Longest run that is looked at; what follows starts a new run.
  static let groupsMax = 64
  static let digitsPerGroupMax = 32

  private(set) var groups: [Group] = []
  let isInternational: Bool
  let end: Int

  init(_ scalars: [Unicode.Scalar], _ range: Range<Int>) {
    let start = range.lowerBound
    isInternational = start > 0 && scalars[start - 1] == "+"
    var position = start
    var current = Group(start: start, digits: [])
    scan: while position < range.upperBound {
      if let value = digit(scalars[position]) {
        current.digits.append(value)
        position += 1
        if current.digits.count == Self.digitsPerGroupMax { break scan }
      } else if Self.isSeparator(scalars[position]), position + 1 < range.upperBound,
        digit(scalars[position + 1]) != nil, groups.count + 1 < Self.groupsMax
      {
        groups.append(current)
        position += 1
        current = Group(start: position, digits: [])
      } else {
        break scan
      }
    }
    groups.append(current)
    end = max(position, start + 1)
  }

  private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "-", ".", " ", "\u{2010}", "\u{2011}", "\u{2013}", "\u{FF0D}": true
    default: false
    }
  }

  /// Tries every shape on every neighbourhood of groups, from left to right.
  func findings() -> [PersonalDataFinding] {
    var found: [PersonalDataFinding] = []
    var index = 0
    while index < groups.count {
      if let match = NumberShape.firstMatch(groups[index...].prefix(5).map(\.digits), international(at: index)) {
        let last = groups[index + match.groupCount - 1]
        let start = international(at: index) ? groups[index].start - 1 : groups[index].start
        found.append(
          PersonalDataFinding(
            kind: match.kind, start: start, length: last.end - start, confidencePercent: match.confidencePercent))
        index += match.groupCount
      } else {
        index += 1
      }
    }
    return found
  }

  private func international(at index: Int) -> Bool { index == 0 && isInternational }
}

/// A way in which a personal number is written.
private struct NumberShape: Sendable {
  struct Match {
    let kind: PersonalDataKind
    let groupCount: Int
    let confidencePercent: Int32
  }

  let kind: PersonalDataKind
  /// The sizes of the groups; a single group stands for the number written without separators.
  let groupSizes: [ClosedRange<Int>]
  let isInternational: Bool
  /// Confidence in percent, or nil when the digits cannot be such a number.
  let confidence: @Sendable ([Int]) -> Int32?

  /// Tried in this order; the first that fits wins, so longer numbers stand before shorter ones.
  static let all: [NumberShape] = [
    .init(.residentRegistrationNumber, [6...6, 7...7], residentConfidence),
    .init(.residentRegistrationNumber, [13...13], residentConfidence),
    .init(.cardNumber, [4...4, 4...4, 4...4, 4...4], cardConfidence),
    .init(.cardNumber, [16...16], cardConfidence),
    .init(.phone, [2...2, 1...3, 3...4, 4...4], international: true, internationalPhoneConfidence),
    .init(.phone, [11...13], international: true, internationalPhoneConfidence),
    .init(.phone, [2...4, 3...4, 4...4], phoneConfidence),
    .init(.phone, [9...12], plainPhoneConfidence),
    .init(.phone, [4...4, 4...4], serviceNumberConfidence),
  ]

  init(
    _ kind: PersonalDataKind, _ groupSizes: [ClosedRange<Int>], international: Bool = false,
    _ confidence: @escaping @Sendable ([Int]) -> Int32?
  ) {
    self.kind = kind
    self.groupSizes = groupSizes
    self.isInternational = international
    self.confidence = confidence
  }

  static func firstMatch(_ groups: [[Int]], _ isInternational: Bool) -> Match? {
    for shape in all where shape.isInternational == isInternational && shape.groupSizes.count <= groups.count {
      let window = groups.prefix(shape.groupSizes.count)
      guard zip(shape.groupSizes, window).allSatisfy({ $0.contains($1.count) }),
        let percent = shape.confidence(window.flatMap { $0 })
      else { continue }
      return Match(kind: shape.kind, groupCount: shape.groupSizes.count, confidencePercent: percent)
    }
    return nil
  }
}

/// Date and century digit are required; the check digit only raises confidence, because numbers issued since October
/// 2020 have none.
private func residentConfidence(_ digits: [Int]) -> Int32? {
  let month = digits[2] * 10 + digits[3]
  let day = digits[4] * 10 + digits[5]
  guard (1...12).contains(month), (1...daysMax(month: month)).contains(day) else { return nil }
  let weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]
  let sum = zip(weights, digits).reduce(0) { $0 + $1.0 * $1.1 }
  return digits[12] == (11 - sum % 11) % 10 ? 99 : 90
}

private func daysMax(month: Int) -> Int {
  switch month {
  case 2: 29
  case 4, 6, 9, 11: 30
  default: 31
  }
}

/// A payment card number satisfies the Luhn formula (ISO/IEC 7812-1).
private func cardConfidence(_ digits: [Int]) -> Int32? {
  guard (2...6).contains(digits[0]) else { return nil }
  var sum = 0
  for (index, value) in digits.reversed().enumerated() {
    let doubled = index.isMultiple(of: 2) ? value : value * 2
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum.isMultiple(of: 10) ? 95 : nil
}

/// Korean area and service codes: 02, 03x–06x, mobile 01x, 050, 070, 080.
private func phoneConfidence(_ digits: [Int]) -> Int32? {
  guard (9...12).contains(digits.count), digits[0] == 0 else { return nil }
  switch (digits[1], digits[2]) {
  case (1, 0), (1, 1), (1, 6...9): return 95
  case (2, _): return 90
  case (3...6, _), (7, 0), (8, 0): return 90
  default: return nil
  }
}

private func plainPhoneConfidence(_ digits: [Int]) -> Int32? {
  phoneConfidence(digits).map { $0 - 15 }
}

private func internationalPhoneConfidence(_ digits: [Int]) -> Int32? {
  (9...15).contains(digits.count) && digits[0] != 0 ? 90 : nil
}

/// Nationwide numbers such as 1588-1234 belong to companies, so a hit is only a hint.
private func serviceNumberConfidence(_ digits: [Int]) -> Int32? {
  digits[0] == 1 && (5...8).contains(digits[1]) ? 40 : nil
}

/// An e-mail address as people write it in a text; quoted local parts are left out on purpose.
private enum MailAddressShape {
  static let localBytesMax = 64

  /// Matches when the scalar at `position` is an `@` with an address around it; looks back no further than `floor`.
  static func match(_ scalars: [Unicode.Scalar], at position: Int, after floor: Int) -> PersonalDataFinding? {
    guard scalars[position] == "@" else { return nil }
    var start = position
    while start > floor, position - start < localBytesMax, isLocal(scalars[start - 1]) { start -= 1 }
    while start < position, scalars[start] == "." { start += 1 }
    var end = position + 1
    var lastDot: Int?
    while end < scalars.count, end - position < 255, isDomain(scalars[end]) {
      if scalars[end] == "." { lastDot = end }
      end += 1
    }
    while end > position + 1, !isAlphanumeric(scalars[end - 1]) {
      end -= 1
      if lastDot == end { lastDot = scalars[(position + 1)..<end].lastIndex(of: ".") }
    }
    guard start < position, let lastDot, end - lastDot > 2 else { return nil }
    return PersonalDataFinding(kind: .email, start: start, length: end - start, confidencePercent: 98)
  }

  private static func isLocal(_ scalar: Unicode.Scalar) -> Bool {
    isAlphanumeric(scalar) || "._%+-".unicodeScalars.contains(scalar)
  }

  private static func isDomain(_ scalar: Unicode.Scalar) -> Bool {
    isAlphanumeric(scalar) || scalar == "-" || scalar == "."
  }

  private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }
}
