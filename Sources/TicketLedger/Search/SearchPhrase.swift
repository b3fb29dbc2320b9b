/// What somebody looks for: letters and digits that must stand in a text one behind the other.
///
/// A consonant alone stands for every syllable that begins with it, and for itself: `ㅎㅂ` is in 환불.
package struct SearchPhrase: Sendable, Equatable {
  /// Most characters of a phrase.
  package static let charactersMax = 100
  /// Most grams that the index is asked for; the text itself decides the rest.
  private static let gramsMax = 8

  private let pattern: [UInt32]

  /// Takes a phrase in canonical form; nil when it has no letter and no digit.
  package init?(_ text: String) {
    let folded = SearchText(text)
    guard !folded.isEmpty else { return nil }
    pattern = folded.scalars
  }

  /// Whether the phrase stands in a text.
  package func isFound(in text: SearchText) -> Bool {
    let scalars = text.scalars
    guard scalars.count >= pattern.count else { return false }
    return (0...(scalars.count - pattern.count)).contains { start in
      pattern.indices.allSatisfy { Self.fits(pattern[$0], scalars[start + $0]) }
    }
  }

  private static func fits(_ wanted: UInt32, _ scalar: UInt32) -> Bool {
    wanted == scalar || Hangul.isConsonant(wanted) && Hangul.initial(scalar) == wanted
  }

  /// What the index must have of a text in which the phrase stands.
  struct Gram: Hashable, Sendable {
    let first: UInt32
    /// 0: whatever follows.
    let second: UInt32
  }

  /// Grams that together hold for every text with the phrase.
  var grams: [Gram] {
    var grams: [Gram] = []
    for word in pattern.split(separator: SearchText.gap) {
      let letters = Array(word)
      var isCovered = false
      for index in letters.indices {
        // Only two of a kind have a gram in common with the text; a single one is looked for by what begins with it.
        let next = index + 1 < letters.count ? letters[index + 1] : 0
        if next != 0, Hangul.isConsonant(letters[index]) == Hangul.isConsonant(next) {
          grams.append(Gram(first: letters[index], second: next))
          isCovered = true
        } else {
          if !isCovered { grams.append(Gram(first: letters[index], second: 0)) }
          isCovered = false
        }
      }
    }
    let unique = grams.enumerated().filter { index, gram in !grams[..<index].contains(gram) }.map(\.element)
    guard unique.count > Self.gramsMax else { return unique }
    return (0..<Self.gramsMax).map { unique[$0 * unique.count / Self.gramsMax] }
  }

  /// Whether the index alone tells that the phrase stands in a text.
  package var isWhole: Bool { pattern.count <= 2 && grams.count == 1 }
}
