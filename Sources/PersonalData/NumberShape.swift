/// A way in which a personal number is written: a row of the table that the scanner tries.
struct NumberShape: Sendable {
  /// Which separators may stand between the groups.
  enum Separators: Sendable {
    /// Any.
    case any
    /// The same one everywhere, or none: `-` or `.` but not both.
    case alike
    /// Dots only.
    case dots
  }

  /// What the words near a number do to a row.
  enum Context: Sendable {
    /// Nothing.
    case none
    /// They raise the confidence to this many percent.
    case raises(ContextWords, Int32)
    /// Without them there is no match.
    case needed(ContextWords)
  }

  let kind: PersonalDataKind
  /// Numbers of digits of the groups; a single one stands for the number written without separators.
  let groups: [ClosedRange<Int>]
  let separators: Separators
  /// Whether a `+` or `00` stands before it.
  let isInternational: Bool
  let context: Context
  /// Confidence in percent, or nil when the digits cannot be such a number.
  let confidence: @Sendable (ArraySlice<UInt8>) -> Int32?

  /// Tried in this order; the first that fits wins, so what is told by more digits or a check digit stands first.
  static let all: [NumberShape] =
    residents + cards + licences + [
      .init(.ipAddress, [1...3, 1...3, 1...3, 1...3], .dots, check: Checks.ipAddress)
    ] + businesses + phones + accounts

  /// The fewest digits that fit a row.
  static let digitsMin = all.map { $0.groups.reduce(0) { $0 + $1.lowerBound } }.min() ?? 0

  /// The rows of which the first group may have so many digits, in their order: few of all are to be tried.
  static func rows(beginningWith count: Int, international: Bool) -> [NumberShape] {
    let rows = international ? internationalRows : nationalRows
    return count < rows.count ? rows[count] : []
  }

  private static let nationalRows = rowsByCount(all.filter { !$0.isInternational })
  private static let internationalRows = rowsByCount(all.filter(\.isInternational))

  private static func rowsByCount(_ rows: [NumberShape]) -> [[NumberShape]] {
    let countMax = rows.compactMap { $0.groups.first?.upperBound }.max() ?? 0
    return (0...countMax).map { count in rows.filter { $0.groups.first?.contains(count) ?? false } }
  }

  private static let residents: [NumberShape] = [
    (PersonalDataKind.residentRegistrationNumber, Checks.resident),
    (.foreignerRegistrationNumber, Checks.foreigner),
  ].flatMap { kind, check in
    [
      NumberShape(kind, [6...6, 7...7], check: { check($0, 90) }),
      NumberShape(kind, [13...13], context: .raises(.resident, 95), check: { check($0, 60) }),
    ]
  }

  private static let cards: [NumberShape] = [
    [4...4, 4...4, 4...4, 4...4], [16...16], [4...4, 6...6, 5...5], [15...15], [4...4, 6...6, 4...4], [14...14],
    [4...4, 4...4, 4...4, 4...4, 3...3], [19...19],
  ].map { NumberShape(.cardNumber, $0, .alike, check: Checks.card) }

  private static let licences: [NumberShape] = [
    .init(.driverLicence, [2...2, 2...2, 6...6, 2...2], .alike, check: Checks.licence),
    .init(.driverLicence, [2...2, 6...6, 2...2], .alike, context: .needed(.licence), check: { _ in 90 }),
    .init(.driverLicence, [12...12], context: .needed(.licence), check: Checks.licence),
  ]

  private static let businesses: [NumberShape] = [
    .init(.businessNumber, [3...3, 2...2, 5...5], .alike, check: { Checks.business($0, 95) }),
    .init(.businessNumber, [10...10], context: .raises(.business, 95), check: { Checks.business($0, 40) }),
  ]

  private static let phones: [NumberShape] = [
    .init(.phone, [1...3, 1...1, 1...3, 3...4, 4...4], international: true, check: Checks.trunkPhone),
    .init(.phone, [1...3, 1...4, 3...4, 4...4], international: true, check: Checks.internationalPhone),
    .init(.phone, [1...3, 2...4, 2...4, 2...4, 2...4], international: true, check: Checks.internationalPhone),
    .init(.phone, [1...3, 2...5, 5...9], international: true, check: Checks.internationalPhone),
    .init(.phone, [1...3, 7...12], international: true, check: Checks.internationalPhone),
    .init(.phone, [3...6, 3...4, 4...4], international: true, check: Checks.internationalPhone),
    .init(.phone, [9...15], international: true, check: Checks.internationalPhone),
    .init(.phone, [2...2, 2...2, 3...4, 4...4], .alike, check: { Checks.korea($0, [8, 2, 1]) }),
    .init(.phone, [4...4, 1...2, 3...4, 4...4], check: { Checks.korea($0, [0, 0, 8, 2]) }),
    .init(.phone, [13...14], check: { Checks.korea($0, [0, 0, 8, 2]) }),
    .init(.phone, [2...4, 3...4, 4...4], check: { Checks.phone($0, 95, 90) }),
    .init(.phone, [3...3, 8...8], check: { Checks.phone($0, 90, nil) }),
    .init(.phone, [7...8, 4...4], check: { Checks.phone($0, 85, nil) }),
    .init(.phone, [10...12], context: .raises(.phone, 90), check: { Checks.phone($0, 80, 55) }),
    .init(.phone, [9...9], context: .needed(.phone), check: { Checks.phone($0, nil, 60) }),
    .init(.phone, [3...3, 3...3, 4...4], .alike, check: Checks.northAmerica),
    .init(.phone, [4...4, 4...4], .alike, check: Checks.serviceNumber),
  ]

  private static let accounts: [NumberShape] = [
    [2...6, 2...6, 2...7, 1...7], [2...6, 2...6, 2...8], [3...7, 4...10], [10...14],
  ].map { NumberShape(.bankAccount, $0, .alike, context: .needed(.bank), check: Checks.account) }

  private init(
    _ kind: PersonalDataKind, _ groups: [ClosedRange<Int>], _ separators: Separators = .any,
    international: Bool = false, context: Context = .none,
    check: @escaping @Sendable (ArraySlice<UInt8>) -> Int32?
  ) {
    self.kind = kind
    self.groups = groups
    self.separators = separators
    self.isInternational = international
    self.context = context
    self.confidence = check
  }
}

/// What the digits of a number must satisfy.
enum Checks {
  /// Date and century digit are required; the check digit only raises confidence, because numbers issued since October
  /// 2020 have none.
  static func resident(_ digits: ArraySlice<UInt8>, _ usual: Int32) -> Int32? {
    let digits = Array(digits)
    guard [1, 2, 3, 4, 9, 0].contains(digits[6]), isDate(digits) else { return nil }
    return digits[12] == (11 - weighted(digits) % 11) % 10 ? 99 : usual
  }

  /// A foreigner's number has other century digits, and its check digit is two more.
  static func foreigner(_ digits: ArraySlice<UInt8>, _ usual: Int32) -> Int32? {
    let digits = Array(digits)
    guard (5...8).contains(digits[6]), isDate(digits) else { return nil }
    return digits[12] == (13 - weighted(digits) % 11) % 10 ? 99 : usual
  }

  private static func isDate(_ digits: [UInt8]) -> Bool {
    let month = digits[2] * 10 + digits[3]
    let day = digits[4] * 10 + digits[5]
    let last: UInt8 = month == 2 ? 29 : [4, 6, 9, 11].contains(month) ? 30 : 31
    return (1...12).contains(month) && (1...last).contains(day)
  }

  private static func weighted(_ digits: [UInt8]) -> UInt8 {
    let weights: [Int] = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]
    return UInt8(zip(weights, digits).reduce(0) { $0 + $1.0 * Int($1.1) } % 11)
  }

  /// A payment card number has an issuer's prefix of its length (ISO/IEC 7812) and satisfies the Luhn formula.
  static func card(_ digits: ArraySlice<UInt8>) -> Int32? {
    let prefix = digits.prefix(4).reduce(0) { $0 * 10 + Int($1) }
    let isIssued =
      switch digits.count {
      case 14: (3000...3059).contains(prefix) || (3600...3699).contains(prefix) || (3800...3899).contains(prefix)
      case 15: (3400...3499).contains(prefix) || (3700...3799).contains(prefix)
      case 16:
        (4000...4999).contains(prefix) || (5100...5599).contains(prefix) || (2221...2720).contains(prefix)
          || (3528...3589).contains(prefix) || (6200...6299).contains(prefix) || prefix == 6011
          || (6440...6599).contains(prefix) || (9400...9499).contains(prefix)
      default: (6200...6299).contains(prefix)
      }
    guard isIssued else { return nil }
    var sum = 0
    for (index, value) in digits.reversed().enumerated() {
      let doubled = index.isMultiple(of: 2) ? Int(value) : Int(value) * 2
      sum += doubled > 9 ? doubled - 9 : doubled
    }
    return sum.isMultiple(of: 10) ? 95 : nil
  }

  /// The first two digits are the office that issued the licence.
  static func licence(_ digits: ArraySlice<UInt8>) -> Int32? {
    let office = digits.prefix(2).reduce(0) { $0 * 10 + Int($1) }
    return (11...28).contains(office) ? 85 : nil
  }

  /// The last digit of a business registration number checks the others.
  static func business(_ digits: ArraySlice<UInt8>, _ confidence: Int32) -> Int32? {
    let digits = Array(digits).map(Int.init)
    guard digits[0] > 0 else { return nil }
    let weights = [1, 3, 7, 1, 3, 7, 1, 3, 5]
    let sum = zip(weights, digits).reduce(0) { $0 + $1.0 * $1.1 } + digits[8] * 5 / 10
    return (10 - sum % 10) % 10 == digits[9] ? confidence : nil
  }

  static func ipAddress(_ digits: ArraySlice<UInt8>) -> Int32? { 75 }

  /// Korean mobile numbers (01x, 050x) and numbers with an area or service code (02, 03x–06x, 070, 080); nil in place
  /// of a confidence refuses that sort.
  static func phone(_ digits: ArraySlice<UInt8>, _ mobile: Int32?, _ area: Int32?) -> Int32? {
    let digits = Array(digits)
    guard (9...12).contains(digits.count), digits[0] == 0 else { return nil }
    switch (digits[1], digits[2]) {
    case (1, 0): return digits.count == 11 || digits.count == 10 ? mobile : nil
    case (1, 1), (1, 6...9): return (10...11).contains(digits.count) ? mobile : nil
    case (5, 0): return (11...12).contains(digits.count) ? mobile : nil
    case (2, 2...9): return (9...10).contains(digits.count) ? area : nil
    case (2, 0): return (9...10).contains(digits.count) ? area : nil
    case (3, 1...3), (4, 1...4), (5, 1...5), (6, 1...4), (7, 0), (8, 0):
      return (10...11).contains(digits.count) ? area : nil
    default: return nil
    }
  }

  /// A country's code, and a number as long as there are: eight digits for small countries, eleven at most.
  static func internationalPhone(_ digits: ArraySlice<UInt8>) -> Int32? {
    guard (9...15).contains(digits.count), digits.first != 0 else { return nil }
    return 92
  }

  /// `+82 (0)10-1234-5678`.
  static func trunkPhone(_ digits: ArraySlice<UInt8>) -> Int32? {
    (10...15).contains(digits.count) && digits.first != 0 ? 92 : nil
  }

  /// `82-10-1234-5678`, `0082 10 1234 5678`.
  static func korea(_ digits: ArraySlice<UInt8>, _ prefix: [UInt8]) -> Int32? {
    digits.starts(with: prefix) ? 85 : nil
  }

  /// Area codes and exchanges of North America begin with 2 to 9.
  static func northAmerica(_ digits: ArraySlice<UInt8>) -> Int32? {
    let digits = Array(digits)
    return digits[0] >= 2 && digits[3] >= 2 ? 75 : nil
  }

  /// Nationwide numbers such as 1588-1234 belong to companies, so a hit is only a hint.
  static func serviceNumber(_ digits: ArraySlice<UInt8>) -> Int32? {
    let digits = Array(digits)
    return digits[0] == 1 && (5...8).contains(digits[1]) ? 40 : nil
  }

  static func account(_ digits: ArraySlice<UInt8>) -> Int32? {
    (10...14).contains(digits.count) ? 85 : nil
  }
}
