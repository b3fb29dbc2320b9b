import TicketLedger

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
