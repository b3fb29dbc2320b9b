/// A text as letters that can be compared without regard to case, width, normalization and characters of no width.
///
/// A letter is a `Character`: its equality is canonical equivalence (Unicode Standard, 3.12), so `é` is the same letter
/// composed or not, and so is a Hangul syllable written in jamo.
struct FoldedText {
  /// The letters.
  private(set) var letters: [Character] = []
  /// For each letter, its first scalar in the text.
  private(set) var starts: [Int] = []
  /// For each letter, the scalar after its last one in the text.
  private(set) var ends: [Int] = []

  init(_ text: String) {
    var scalars: [Unicode.Scalar] = []
    var origins: [Int] = []
    for (origin, scalar) in text.unicodeScalars.enumerated() {
      if scalar.value < 0x80 {
        scalars.append(scalar.properties.isUppercase ? Unicode.Scalar(scalar.value | 0x20) ?? scalar : scalar)
        origins.append(origin)
      } else if !scalar.properties.isDefaultIgnorableCodePoint {
        // Lower case of the upper case folds what either alone leaves apart (ß and SS, ς and σ).
        let wide = HalfAndFullWidth.folded(scalar)
        let folded = scalars.count
        if wide.properties.changesWhenCaseMapped {
          Self.appendCaseFolded(wide, to: &scalars)
        } else {
          scalars.append(wide)
        }
        for _ in folded..<scalars.count { origins.append(origin) }
      }
    }
    var position = 0
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    for letter in String(text) {
      let count = letter.unicodeScalars.count
      letters.append(letter)
      starts.append(origins[position])
      ends.append(origins[position + count - 1] + 1)
      position += count
    }
  }

  private static func appendCaseFolded(_ scalar: Unicode.Scalar, to scalars: inout [Unicode.Scalar]) {
    for upper in scalar.properties.uppercaseMapping.unicodeScalars {
      scalars.append(contentsOf: upper.properties.lowercaseMapping.unicodeScalars)
    }
  }
}

/// The block "Halfwidth and Fullwidth Forms" (U+FF00 to U+FFEF) and the wide space.
enum HalfAndFullWidth {
  /// The ordinary form of a half-width or full-width one; any other scalar unchanged.
  static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x3000: " "
    case 0xFF01...0xFF5E: Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
    case 0xFF61...0xFF9F: katakana[Int(scalar.value) - 0xFF61]
    // Half-width jamo lie in the order of the compatibility jamo U+3131…, in groups that end at a round number.
    case 0xFFA1...0xFFBE: Unicode.Scalar(scalar.value - 0xFFA1 + 0x3131) ?? scalar
    case 0xFFC2...0xFFC7: Unicode.Scalar(scalar.value - 0xFFC2 + 0x314F) ?? scalar
    case 0xFFCA...0xFFCF: Unicode.Scalar(scalar.value - 0xFFCA + 0x3155) ?? scalar
    case 0xFFD2...0xFFD7: Unicode.Scalar(scalar.value - 0xFFD2 + 0x315B) ?? scalar
    case 0xFFDA...0xFFDC: Unicode.Scalar(scalar.value - 0xFFDA + 0x3161) ?? scalar
    case 0xFFE0...0xFFE6: signs[Int(scalar.value) - 0xFFE0]
    default: scalar
    }
  }

  // The last two are the voicing marks in their combining form, so that they join the letter before them.
  private static let katakana = Array(
    "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\u{3099}\u{309A}"
      .unicodeScalars)
  private static let signs = Array("¢£¬¯¦¥₩".unicodeScalars)
}
