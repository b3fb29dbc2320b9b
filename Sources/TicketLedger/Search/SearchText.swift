/// A text as search sees it: its letters and digits, without regard to case, width and normalization, with one space
/// for whatever stands between two words.
///
/// Korean syllables can be looked for by their initial consonants, so each is compared by both.
package struct SearchText: Sendable, Equatable {
  /// What stands between two words.
  static let gap: UInt32 = 0x20

  /// The scalars of the words, with single gaps between them and none outside.
  let scalars: [UInt32]

  /// Folds a text in canonical form.
  package init(_ text: String) {
    var folding = Folding()
    folding.scalars.reserveCapacity(text.utf8.count / 2 + 1)
    for scalar in Self.composed(text).unicodeScalars { folding.add(scalar) }
    scalars = folding.scalars
  }

  /// Whether there is no letter and no digit.
  package var isEmpty: Bool { scalars.isEmpty }

  /// What the text is found by: every letter with the one behind it in its word (the last one with 0), and the same of
  /// the initial consonants. The first scalar is in the upper half; ascending, each once.
  func grams() -> [UInt64] {
    var grams: [UInt64] = []
    grams.reserveCapacity(scalars.count * 2)
    for index in scalars.indices where scalars[index] != Self.gap {
      let next = index + 1 < scalars.count && scalars[index + 1] != Self.gap ? scalars[index + 1] : 0
      grams.append(UInt64(scalars[index]) << 32 | UInt64(next))
      let initial = Hangul.initial(scalars[index])
      if initial != 0 { grams.append(UInt64(initial) << 32 | UInt64(Hangul.initial(next))) }
    }
    grams.sort()
    var unique: [UInt64] = []
    unique.reserveCapacity(grams.count)
    for gram in grams where gram != unique.last { unique.append(gram) }
    return unique
  }

  /// Half-width kana have their voicing marks apart; they join once they are wide.
  private static func composed(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { (0xFF66...0xFF9F).contains($0.value) }) else { return text }
    var wide = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { wide.append(HalfAndFullWidth.folded(scalar)) }
    let folded = String(wide)
    return (try? CanonicalText.canonical(folded, controls: .dropped)) ?? folded
  }

  private struct Folding {
    var scalars: [UInt32] = []
    private var isBehindGap = false

    mutating func add(_ scalar: Unicode.Scalar) {
      switch scalar.value {
      case 0x61...0x7A, 0x30...0x39, 0xAC00...0xD7A3, 0x4E00...0x9FFF: append(scalar.value)
      case 0x41...0x5A: append(scalar.value | 0x20)
      case 0..<0x80: isBehindGap = true
      default: addUncommon(scalar)
      }
    }

    private mutating func addUncommon(_ scalar: Unicode.Scalar) {
      if scalar.properties.isDefaultIgnorableCodePoint { return }
      let wide = HalfAndFullWidth.folded(scalar)
      if wide.isASCII, wide != scalar {
        add(wide)
      } else if let jamo = Hangul.jamo(wide.value) {
        for letter in jamo { append(letter) }
      } else if !Self.isLetter(wide) {
        isBehindGap = true
      } else if wide.properties.changesWhenCaseMapped {
        // Lower case of the upper case folds what either alone leaves apart (ß and SS, ς and σ).
        for upper in wide.properties.uppercaseMapping.unicodeScalars {
          for lower in upper.properties.lowercaseMapping.unicodeScalars { append(lower.value) }
        }
      } else {
        append(wide.value)
      }
    }

    private mutating func append(_ scalar: UInt32) {
      if isBehindGap, !scalars.isEmpty { scalars.append(SearchText.gap) }
      isBehindGap = false
      scalars.append(scalar)
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
      let properties = scalar.properties
      if properties.isAlphabetic || properties.numericType != nil { return true }
      switch properties.generalCategory {
      case .nonspacingMark, .spacingMark: return true
      default: return false
      }
    }
  }
}

/// What search needs to know of Hangul (Unicode Standard, 3.12, and the block "Hangul Compatibility Jamo").
enum Hangul {
  private static let initials = Array("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ".unicodeScalars.map(\.value))
  private static let finals = Array("ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ".unicodeScalars.map(\.value))
  /// Two consonants that keyboards join, in the order of `finals`' clusters.
  private static let clusters: [UInt32: [UInt32]] = Dictionary(
    uniqueKeysWithValues: ["ㄳㄱㅅ", "ㄵㄴㅈ", "ㄶㄴㅎ", "ㄺㄹㄱ", "ㄻㄹㅁ", "ㄼㄹㅂ", "ㄽㄹㅅ", "ㄾㄹㅌ", "ㄿㄹㅍ", "ㅀㄹㅎ", "ㅄㅂㅅ"]
      .map { $0.unicodeScalars.map(\.value) }.map { ($0[0], Array($0.dropFirst())) })
  private static let syllablesOfInitial: UInt32 = 588

  /// The initial consonant of a syllable, a consonant itself, and 0 for everything else.
  static func initial(_ scalar: UInt32) -> UInt32 {
    switch scalar {
    case 0xAC00...0xD7A3: initials[Int((scalar - 0xAC00) / syllablesOfInitial)]
    case 0x3131...0x314E: scalar
    default: 0
    }
  }

  /// Whether a scalar is a consonant that stands alone.
  static func isConsonant(_ scalar: UInt32) -> Bool { (0x3131...0x314E).contains(scalar) }

  /// The letters of the keyboard for jamo of either block; nil for what is none.
  static func jamo(_ scalar: UInt32) -> [UInt32]? {
    switch scalar {
    case 0x3131...0x3163: clusters[scalar] ?? [scalar]
    case 0x1100...0x1112: [initials[Int(scalar - 0x1100)]]
    case 0x1161...0x1175: [scalar - 0x1161 + 0x314F]
    case 0x11A8...0x11C2: jamo(finals[Int(scalar - 0x11A8)])
    default: nil
    }
  }
}
