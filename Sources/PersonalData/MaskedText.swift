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
    try masking(text, spans, earlier: earlier, CharacterBounds(text))
  }

  /// Masks spans of a text of which it is known where its characters begin; see ``masking(_:_:earlier:)``.
  package static func masking(
    _ text: String, _ spans: [ScalarSpan], earlier: [ScalarSpan], _ bounds: CharacterBounds
  ) throws(MaskRefusal) -> Masked {
    let order = try check(spans, earlier: earlier, bounds)
    let scalars = text.unicodeScalars
    var output = ""
    output.reserveCapacity(text.utf8.count)
    var outputCount = 0
    var position = 0
    var index = scalars.startIndex
    var pieces: [Piece] = []
    for wanted in order {
      let span = spans[wanted]
      let start = scalars.index(index, offsetBy: span.start - position)
      let end = scalars.index(start, offsetBy: span.length)
      output += text[index..<start]
      outputCount += span.start - position
      let original = String(text[start..<end])
      let stars = original.count
      output += String(repeating: "*", count: stars)
      pieces.append(Piece(index: wanted, original: original, asterisks: .init(start: outputCount, length: stars)))
      outputCount += stars
      position = span.end
      index = end
    }
    output += text[index...]
    return Masked(text: output, pieces: pieces, earlier: moved(earlier, pieces, spans))
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
    guard let place = range(of: mask, in: text) else { return nil }
    var output = ""
    output.reserveCapacity(text.utf8.count + original.utf8.count)
    output += text[..<place.lowerBound]
    output += original
    output += text[place.upperBound...]
    let shift = original.unicodeScalars.count - mask.length
    let moved = others.map { other in
      other.start > mask.start ? ScalarSpan(start: other.start + shift, length: other.length) : other
    }
    return (output, moved)
  }

  /// Whether asterisks stand at a place of a text.
  package static func stands(_ mask: ScalarSpan, in text: String) -> Bool { range(of: mask, in: text) != nil }

  /// Where a mask's asterisks stand; nil when something else stands there.
  private static func range(of mask: ScalarSpan, in text: String) -> Range<String.Index>? {
    let scalars = text.unicodeScalars
    guard mask.start >= 0, mask.length > 0,
      let start = scalars.index(scalars.startIndex, offsetBy: mask.start, limitedBy: scalars.endIndex),
      let end = scalars.index(start, offsetBy: mask.length, limitedBy: scalars.endIndex),
      scalars[start..<end].allSatisfy({ $0 == "*" })
    else { return nil }
    return start..<end
  }

  /// Checks that spans can be masked: they lie inside the text, split no character and overlap nothing.
  ///
  /// - Parameters:
  ///   - spans: in any order.
  ///   - earlier: where asterisks of earlier masks stand, in any order.
  /// - Returns: the indices of the spans in the order of the text.
  /// - Throws: ``MaskRefusal``.
  @discardableResult
  package static func check(
    _ spans: [ScalarSpan], earlier: [ScalarSpan], _ bounds: CharacterBounds
  ) throws(MaskRefusal) -> [Int] {
    let order = spans.indices.sorted { (spans[$0].start, $0) < (spans[$1].start, $1) }
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
    return order
  }
}
