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
    let answer: FindMaskedWordsResponse
    do {
      answer = try await masking.findMaskedWords(
        FindMaskedWordsRequest(parent: ticket.description, texts: texts), options)
    } catch let error as RPCError {
      throw ServiceError(error, from: "masking")
    }
    var spans = [[ScalarSpan]](repeating: [], count: texts.count)
    for found in answer.found where spans.indices.contains(Int(found.text)) {
      spans[Int(found.text)].append(ScalarSpan(start: Int(found.start), length: Int(found.length)))
    }
    return spans
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
