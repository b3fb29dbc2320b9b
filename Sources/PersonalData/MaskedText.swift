/// A span of a text, by Unicode scalars.
package struct ScalarSpan: Equatable, Sendable {
  /// Position of the first scalar.
  package var start: Int
  /// Number of scalars.
  package var length: Int

  /// Creates a span.
  package init(start: Int, length: Int) {
    self.start = start
    self.length = length
  }

  /// Position behind the last scalar.
  package var end: Int { start + length }
}

/// Why a span cannot be masked.
package enum MaskRefusal: Error, Equatable, Sendable {
  /// The span at this index of the request does not lie inside the text, or is empty.
  case outsideText(index: Int)
  /// The span at this index begins or ends inside a character (a grapheme cluster, such as a letter with its accent).
  case splitsCharacter(index: Int)
  /// The span at this index overlaps another span of the request, or asterisks of an earlier mask.
  case overlaps(index: Int)
}

/// How a text changes when spans of it are masked, and back again.
///
/// A span becomes as many asterisks as it has characters (grapheme clusters), so the texts behind it may move: every
/// function here tells by how much.
package enum MaskedText {
  /// A span to be masked, worked out.
  package struct Piece: Equatable, Sendable {
    /// Index of the span in the request.
    package let index: Int
    /// What stood there.
    package let original: String
    /// Where its asterisks stand in the new text.
    package let asterisks: ScalarSpan
  }

  /// A text after masking.
  package struct Masked: Equatable, Sendable {
    /// The new text.
    package let text: String
    /// The masked pieces, in the order of the text.
    package let pieces: [Piece]
    /// Where the earlier masks stand now, in the order in which they were given.
    package let earlier: [ScalarSpan]
  }

  /// Masks spans of a text.
  ///
  /// - Parameters:
  ///   - spans: What to mask, in any order, by scalars of `text`.
  ///   - earlier: Where asterisks of earlier masks stand in `text`, in any order.
  /// - Throws: ``MaskRefusal``.
  package static func masking(
    _ text: String, _ spans: [ScalarSpan], earlier: [ScalarSpan]
  ) throws(MaskRefusal) -> Masked {
    let scalars = Array(text.unicodeScalars)
    let order = spans.indices.sorted { (spans[$0].start, $0) < (spans[$1].start, $1) }
    try check(spans, order, earlier, CharacterBounds(text, scalarCount: scalars.count))
    var output = String.UnicodeScalarView()
    var outputCount = 0
    var position = 0
    var pieces: [Piece] = []
    for index in order {
      let span = spans[index]
      output.append(contentsOf: scalars[position..<span.start])
      outputCount += span.start - position
      let original = string(scalars[span.start..<span.end])
      let stars = original.count
      output.append(contentsOf: repeatElement("*", count: stars))
      pieces.append(Piece(index: index, original: original, asterisks: .init(start: outputCount, length: stars)))
      outputCount += stars
      position = span.end
    }
    output.append(contentsOf: scalars[position...])
    return Masked(text: String(output), pieces: pieces, earlier: moved(earlier, pieces, spans))
  }

  /// Where earlier masks stand after pieces before them became longer or shorter.
  private static func moved(_ earlier: [ScalarSpan], _ pieces: [Piece], _ spans: [ScalarSpan]) -> [ScalarSpan] {
    var result = earlier
    var next = 0
    var shift = 0
    for index in earlier.indices.sorted(by: { earlier[$0].start < earlier[$1].start }) {
      while next < pieces.count, spans[pieces[next].index].start < earlier[index].start {
        shift += pieces[next].asterisks.length - spans[pieces[next].index].length
        next += 1
      }
      result[index].start += shift
    }
    return result
  }

  /// Puts an original back.
  ///
  /// - Parameters:
  ///   - mask: Where its asterisks stand in `text`.
  ///   - others: Where asterisks of other masks stand in `text`.
  /// - Returns: The new text and where the others stand in it, or nil when no asterisks stand at `mask`.
  package static func unmasking(
    _ text: String, _ mask: ScalarSpan, original: String, others: [ScalarSpan]
  ) -> (text: String, others: [ScalarSpan])? {
    let scalars = Array(text.unicodeScalars)
    guard mask.start >= 0, mask.length > 0, mask.end <= scalars.count,
      scalars[mask.start..<mask.end].allSatisfy({ $0 == "*" })
    else { return nil }
    var output = String.UnicodeScalarView()
    output.append(contentsOf: scalars[..<mask.start])
    output.append(contentsOf: original.unicodeScalars)
    output.append(contentsOf: scalars[mask.end...])
    let shift = original.unicodeScalars.count - mask.length
    let moved = others.map { other in
      other.start > mask.start ? ScalarSpan(start: other.start + shift, length: other.length) : other
    }
    return (String(output), moved)
  }

  private static func check(
    _ spans: [ScalarSpan], _ order: [Int], _ earlier: [ScalarSpan], _ bounds: CharacterBounds
  ) throws(MaskRefusal) {
    let scalarCount = bounds.scalarCount
    let earlier = earlier.sorted { $0.start < $1.start }
    var next = 0
    var end = 0
    for index in order {
      let span = spans[index]
      guard span.start >= 0, span.length > 0, span.length <= scalarCount, span.start <= scalarCount - span.length else {
        throw .outsideText(index: index)
      }
      guard bounds.isBound(span.start), bounds.isBound(span.end) else { throw .splitsCharacter(index: index) }
      while next < earlier.count, earlier[next].end <= span.start { next += 1 }
      guard span.start >= end, next == earlier.count || earlier[next].start >= span.end else {
        throw .overlaps(index: index)
      }
      end = span.end
    }
  }

  private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }
}
