/// A text as words are looked for in it: what people and mail clients copy alike is alike.
///
/// Letters of either case are one, and so are full and half width; what nobody sees is left out; blanks and line ends
/// that follow one another, with the marks of a quotation at the beginning of a line, are one blank.
package struct FoldedText: Sendable {
  static let blank: UInt32 = 0x20

  /// What stands there, folded.
  let units: [UInt32]
  /// The scalar of the text that each unit comes from; of several blanks the first.
  let positions: [Int32]
  /// The digits among the units, each by its unit.
  let digits: [Int32]
  /// Those digits themselves.
  let digitUnits: [UInt32]
  /// Of each digit, how many digits before it do not go on in the digit behind them: a number has none inside.
  let breaks: [Int32]

  /// Folds a text in one walk.
  package init(_ text: String) { self.init([Unicode.Scalar](scalarsOf: text)) }

  /// Folds a text whose scalars are known.
  package init(_ scalars: [Unicode.Scalar]) {
    var units: [UInt32] = []
    var positions: [Int32] = []
    units.reserveCapacity(scalars.count)
    positions.reserveCapacity(scalars.count)
    // Whether only blanks and marks of a quotation stand between here and the beginning of the line.
    var isLineStart = true
    for (index, scalar) in scalars.enumerated() {
      let unit = Self.folded(scalar)
      guard unit != 0 else { continue }
      let isMark = isLineStart && (unit == 0x3E || unit == 0x7C)
      if unit == Self.lineEnd || unit == Self.blank || isMark {
        isLineStart = isLineStart || unit == Self.lineEnd
        if units.last == Self.blank { continue }
        units.append(Self.blank)
      } else {
        isLineStart = false
        units.append(unit)
      }
      positions.append(Int32(index))
    }
    (digits, breaks) = Self.numbers(units)
    digitUnits = digits.map { units[Int($0)] }
    self.units = units
    self.positions = positions
  }

  private static let separatorsMax = 3

  private static func numbers(_ units: [UInt32]) -> ([Int32], [Int32]) {
    var digits: [Int32] = []
    var breaks: [Int32] = []
    for (index, unit) in units.enumerated() where isDigit(unit) {
      var goesOn = false
      if let last = digits.last {
        let between = units[(Int(last) + 1)..<index]
        goesOn = between.count <= separatorsMax && between.allSatisfy(isSeparator)
      }
      breaks.append((breaks.last ?? 0) + (goesOn ? 0 : 1))
      digits.append(Int32(index))
    }
    return (digits, breaks)
  }

  static func isDigit(_ unit: UInt32) -> Bool { (0x30...0x39).contains(unit) }

  /// What people put between the digits of one number.
  static func isSeparator(_ unit: UInt32) -> Bool {
    switch unit {
    case blank, 0x28, 0x29, 0x2D, 0x2E, 0x2F, 0x5F, 0xB7: true
    default: false
    }
  }

  /// Stands for a line end while a text is folded.
  private static let lineEnd: UInt32 = 0x0A

  /// 0 for what nobody sees.
  private static func folded(_ scalar: Unicode.Scalar) -> UInt32 {
    let value = scalar.value
    if value < 0x80 {
      if (0x41...0x5A).contains(value) { return value + 0x20 }
      return value == 0x09 ? blank : value
    }
    switch value {
    case 0x1100...0x11FF, 0x3041...0x3130, 0x3400...0xD7FF: return value
    case 0xFF21...0xFF3A: return value - 0xFEE0 + 0x20
    case 0xFF01...0xFF5E: return value - 0xFEE0
    case 0x2010...0x2015, 0x2212, 0x2043, 0xFE63: return 0x2D
    case 0xA0, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: return blank
    case 0x2028, 0x2029: return lineEnd
    case 0x2024, 0x2027, 0x30FB, 0x318D: return 0xB7
    case 0xAD, 0x34F, 0x200B...0x200F, 0x202A...0x202E, 0x2060...0x2069, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0:
      return 0
    default:
      let lowered = scalar.properties.lowercaseMapping.unicodeScalars
      return lowered.count == 1 ? lowered.first?.value ?? value : value
    }
  }

  /// The scalars from one unit to another, both inclusive.
  func span(_ first: Int, _ last: Int) -> ScalarSpan {
    ScalarSpan(start: Int(positions[first]), length: Int(positions[last]) + 1 - Int(positions[first]))
  }

  /// What any words in it may end with: its units, and its digits, by two to four in a row.
  func endings() -> Set<UInt64> {
    var endings: Set<UInt64> = []
    endings.reserveCapacity(units.count * 3)
    for units in [units, digitUnits] {
      for end in units.indices.dropFirst() {
        for count in 2...Self.endingMax where count <= end + 1 {
          endings.insert(Self.ending(units[(end + 1 - count)...end]))
        }
      }
    }
    return endings
  }

  private static let endingMax = 4

  /// What words end with, as ``endings()`` has it.
  static func ending(of units: [UInt32]) -> UInt64 { ending(units.suffix(endingMax)) }

  private static func ending(_ units: ArraySlice<UInt32>) -> UInt64 {
    units.reduce(UInt64(units.count)) { ($0 << 15 | $0 >> 49) ^ UInt64($1) }
  }
}
