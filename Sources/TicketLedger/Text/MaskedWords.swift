package import HandoffAPI
package import PersonalData
package import RPC
import ServiceKit

/// Keeps what is masked on a ticket from coming back with texts that are stored beside it: masking alone knows the
/// words.
package struct MaskedWords: Sendable {
  private let masking: MaskingServiceClient?

  /// Asks masking; without it, texts beside masks are refused.
  package init(_ masking: MaskingServiceClient?) { self.masking = masking }

  /// Where words stand in texts that are masked on a ticket or on those that belong to it, by text.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; TICKET_NOT_FOUND.
  package func spans(
    in texts: [String], on ticket: TicketName, _ options: CallOptions
  ) async throws -> [[ScalarSpan]] {
    guard texts.contains(where: { !$0.isEmpty }) else { return texts.map { _ in [] } }
    guard let masking else { throw ServiceError(.backendUnavailable) }
    var spans = [[ScalarSpan]](repeating: [], count: texts.count)
    for portion in Self.portions(of: texts) {
      let answer: FindMaskedWordsResponse
      do {
        answer = try await masking.findMaskedWords(
          FindMaskedWordsRequest(parent: ticket.description, texts: Array(texts[portion])), options)
      } catch let error as RPCError {
        throw ServiceError(error, from: "masking")
      }
      for found in answer.found where portion.indices.contains(portion.lowerBound + Int(found.text)) {
        spans[portion.lowerBound + Int(found.text)].append(
          ScalarSpan(start: Int(found.start), length: Int(found.length)))
      }
    }
    return spans
  }

  /// What masking takes at once.
  private static let (textsMax, bytesMax) = (100, 1_000_000)

  /// Texts in portions that masking takes; one that is too large by itself is refused there.
  static func portions(of texts: [String]) -> [Range<Int>] {
    var portions: [Range<Int>] = []
    var (start, bytes) = (0, 0)
    for (index, text) in texts.enumerated() {
      if index > start, index - start == textsMax || bytes + text.utf8.count > bytesMax {
        portions.append(start..<index)
        (start, bytes) = (index, 0)
      }
      bytes += text.utf8.count
    }
    return portions + [start..<texts.count]
  }

  /// Texts with asterisks in the place of such words, which nobody can bring back: for what Handoff only passes on, or
  /// what stands elsewhere too.
  ///
  /// - Throws: as ``spans(in:on:_:)``.
  package func hidden(
    _ texts: [String], on ticket: TicketName, _ options: CallOptions
  ) async throws -> [String] {
    try zip(texts, try await spans(in: texts, on: ticket, options)).map { text, spans in
      try Self.masking(text, spans).text
    }
  }

  /// A text with asterisks over spans of it, which are in any order and may overlap; none ends inside a character.
  ///
  /// - Throws: ``MaskRefusal`` for a span outside the text.
  package static func masking(_ text: String, _ spans: [ScalarSpan]) throws(MaskRefusal) -> MaskedText.Masked {
    let bounds = CharacterBounds(text)
    var whole: [ScalarSpan] = []
    for span in spans.map(bounds.covering).sorted(by: { $0.start < $1.start }) {
      guard let last = whole.last, last.end > span.start else {
        whole.append(span)
        continue
      }
      whole[whole.count - 1].length = max(last.end, span.end) - last.start
    }
    return try MaskedText.masking(text, whole, earlier: [], bounds)
  }
}
