// `_nfc` is the standard library's own normalizer; it needs no ICU, and Foundation would map ICU into every daemon.
@_spi(_Unicode) import Swift

/// The one form in which texts are stored, searched, masked and hashed: Unicode normalization form C, lines ended by
/// `\n`, no control character but that and the tab.
package enum CanonicalText {
  /// What is done with control characters other than `\n` and tab.
  package enum ControlCharacters: Sendable {
    /// The text is refused: a caller of the API can send it without.
    case refused
    /// They are left out: a mail or another system's text comes as it comes.
    case dropped
  }

  /// Why a text was refused.
  package enum Problem: Error, Equatable, Sendable {
    /// It holds a control character, at this scalar.
    case controlCharacter(index: Int)
  }

  /// Brings a text into canonical form. `\r\n`, and `\r` alone, become `\n`.
  ///
  /// - Throws: ``Problem/controlCharacter(index:)``.
  package static func canonical(
    _ text: String, controls: ControlCharacters = .refused
  ) throws(Problem) -> String {
    guard let repaired = try withoutControls(text, controls) else {
      return isNormalized(text) ? text : normalized(text)
    }
    return isNormalized(repaired) ? repaired : normalized(repaired)
  }

  /// Number of characters as the database counts them: Unicode scalars.
  package static func count(_ text: String) -> Int { text.unicodeScalars.count }

  /// Whether there is nothing to read in a text: nothing, white space, or what is drawn as nothing (Unicode's
  /// Default_Ignorable_Code_Point), such as the Hangul filler or a zero-width space.
  package static func isBlank(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.properties.isWhitespace || $0.properties.isDefaultIgnorableCodePoint }
  }

  /// Whether a scalar turns the direction of what is written behind it (UAX #9: embeddings, overrides and isolates): a
  /// file's name with one of them can look as if it had another ending.
  package static func turnsDirection(_ scalar: Unicode.Scalar) -> Bool {
    (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
  }

  /// Whether a text is of the form of an ISO 639-1 code.
  package static func isLanguage(_ text: String) -> Bool {
    text.utf8.count == 2 && text.utf8.allSatisfy { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
  }

  /// Nil when there is nothing to repair, which is nearly always.
  private static func withoutControls(_ text: String, _ controls: ControlCharacters) throws(Problem) -> String? {
    guard text.utf8.contains(where: { $0 < 0x20 && $0 != 0x0A && $0 != 0x09 || $0 == 0x7F || $0 == 0xC2 }) else {
      return nil
    }
    var repaired = String.UnicodeScalarView()
    var index = 0
    var follows: Unicode.Scalar?
    for scalar in text.unicodeScalars {
      defer {
        follows = scalar
        index += 1
      }
      switch scalar.value {
      case 0x0D: repaired.append("\n")
      case 0x0A where follows == "\r": break
      case 0x0A, 0x09: repaired.append(scalar)
      case 0..<0x20, 0x7F...0x9F:
        if controls == .refused { throw .controlCharacter(index: index) }
      default: repaired.append(scalar)
      }
    }
    return String(repaired)
  }

  /// Whether a text is normalized for sure: all its scalars are below the combining marks, Hangul syllables, common
  /// ideographs or kana without marks, none of which composes with another.
  private static func isNormalized(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      switch scalar.value {
      case 0..<0x300, 0xAC00...0xD7A3, 0x4E00...0x9FFF, 0x3041...0x3096, 0x30A1...0x30FA, 0x3001...0x301F: true
      default: false
      }
    }
  }

  private static func normalized(_ text: String) -> String {
    var scalars = String.UnicodeScalarView()
    scalars.append(contentsOf: text._nfc)
    return String(scalars)
  }
}
