/// The block "Halfwidth and Fullwidth Forms" (U+FF00 to U+FFEF) and the wide space.
package enum HalfAndFullWidth {
  /// The ordinary form of a half-width or full-width one; any other scalar unchanged.
  package static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
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
