/// Where the characters (grapheme clusters) of a text begin and end, by Unicode scalars.
package struct CharacterBounds: Sendable {
  /// Number of scalars of the text.
  package let scalarCount: Int
  // Texts of one scalar per character, which is nearly all, need no table.
  private let bounds: [Bool]?

  /// Looks at a text once, in time linear in its length.
  package init(_ text: String) { self.init(text, [Unicode.Scalar](scalarsOf: text)) }

  /// Looks at a text whose scalars are known.
  package init(_ text: String, _ scalars: [Unicode.Scalar]) {
    scalarCount = scalars.count
    if scalars.allSatisfy(Self.standsAlone) {
      bounds = nil
      return
    }
    var bounds = [Bool](repeating: false, count: scalarCount + 1)
    var position = 0
    for character in text {
      bounds[position] = true
      position += character.unicodeScalars.count
    }
    bounds[scalarCount] = true
    self.bounds = bounds
  }

  /// Whether a character begins, or the text ends, at a position; positions outside the text are no bounds.
  package func isBound(_ position: Int) -> Bool {
    guard (0...scalarCount).contains(position) else { return false }
    return bounds?[position] ?? true
  }

  /// The span grown to whole characters.
  package func covering(_ span: ScalarSpan) -> ScalarSpan {
    var start = span.start
    var end = span.end
    while !isBound(start), start > 0 { start -= 1 }
    while !isBound(end), end < scalarCount { end += 1 }
    return ScalarSpan(start: start, length: end - start)
  }

  /// Whether a scalar is a character of its own beside others of which the same is said: the printable ones of ASCII,
  /// Hangul syllables (only jamo extend them), common ideographs and kana.
  private static func standsAlone(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A, 0x20...0x7E, 0x3001...0x3029, 0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FFF,
      0xAC00...0xD7A3:
      true
    default: false
    }
  }
}
