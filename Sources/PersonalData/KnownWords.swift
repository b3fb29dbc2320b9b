/// Words of many masks, to be looked for in texts together.
package struct KnownWords: Sendable {
  // The longest first: of words that lie in one another, the whole is masked.
  private let words: [SpanWords]

  /// Prepares the search; what is not looked for (``SpanWords``) is left out.
  package init(_ originals: [String]) {
    words = Set(originals).sorted().compactMap(SpanWords.init).sorted { $0.length > $1.length }
  }

  /// Where any of the words stand in a text, in its order and without overlaps.
  ///
  /// Takes time linear in the text for the words that stand in it or end as something in it does, and next to none for
  /// each of the others.
  package func spans(in text: String) -> [ScalarSpan] {
    guard !words.isEmpty else { return [] }
    let folded = FoldedText(text)
    let endings = folded.endings()
    var found: [ScalarSpan] = []
    var isTaken: [Bool] = []
    for word in words where word.mayStand(among: endings) {
      for span in word.occurrences(in: folded) {
        if isTaken.isEmpty { isTaken = [Bool](repeating: false, count: text.unicodeScalars.count) }
        guard !isTaken[span.start..<span.end].contains(true) else { continue }
        for position in span.start..<span.end { isTaken[position] = true }
        found.append(span)
      }
    }
    return found.sorted { $0.start < $1.start }
  }
}
