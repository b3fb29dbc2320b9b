import HandoffAPI
import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// The spans of a request, checked as far as that goes without the texts.
struct RequestedSpans: Sendable {
  private struct Wanted: Sendable {
    let entry: EntryID?
    let field: String
    let span: ScalarSpan
  }

  private let spans: [Wanted]

  /// Reads the spans of a request.
  ///
  /// - Throws: REQUEST_INVALID when there are none or too many, or for a field that has no text; ENTRY_NOT_FOUND for an
  ///   entry of another ticket.
  init(_ spans: [TextSpan], of ticket: TicketName) throws(ServiceError) {
    guard spans.count <= MaskingService.spansMax else {
      throw .invalid(
        "spans[\(MaskingService.spansMax)]", "is one too many: at most \(MaskingService.spansMax) spans at once")
    }
    guard !spans.isEmpty else { throw .invalid("spans", "must hold 1 to \(MaskingService.spansMax) spans") }
    var wanted: [Wanted] = []
    for (index, span) in spans.enumerated() {
      let entry = try EntryName.optional(span.entry, field: "spans[\(index)].entry")
      if let entry, entry.ticket != ticket { throw ServiceError(.entryNotFound) }
      let field = entry != nil ? "entry" : span.field.isEmpty ? "title" : span.field
      guard span.entry.isEmpty || span.field.isEmpty else {
        throw .invalid("spans[\(index)].field", "must be empty when an entry is named")
      }
      guard TextCopies.original(of: field) != nil, (field == "entry") == (entry != nil) else {
        throw .invalid(
          "spans[\(index)].field",
          "is not one of title, customer.display_name, customer.email, customer.phone, call_back.phone")
      }
      wanted.append(
        Wanted(entry: entry?.id, field: field, span: ScalarSpan(start: Int(span.start), length: Int(span.length))))
    }
    self.spans = wanted
  }

  var count: Int { spans.count }

  /// The entries that have spans.
  var entries: [EntryID] { Array(Set(spans.compactMap(\.entry))) }

  /// The fields that have spans.
  var fields: [String] { Array(Set(spans.map(\.field))) }

  /// The words of the spans as a query of one column: what stands in the texts at the time. A span that lies outside
  /// its text has fewer words or none, and ``read(from:entries:)`` refuses it.
  func words(of ticket: TicketID, _ service: ServiceID) -> Query {
    let inEntries = spans.compactMap { wanted in wanted.entry.map { (entry: $0, span: wanted.span) } }
    let inFields = spans.filter { $0.entry == nil }
    var parts: [Query] = []
    if !inEntries.isEmpty {
      parts.append(
        """
        SELECT substr(e.body, s.start + 1, s.length)
        FROM unnest(\(inEntries.map(\.entry)), \(Self.starts(inEntries.map(\.span))),
          \(Self.lengths(inEntries.map(\.span)))) AS s (entry_id, start, length)
        JOIN ticket_entry AS e ON e.service_id = \(service) AND e.ticket_id = \(ticket) AND e.id = s.entry_id
        """)
    }
    if !inFields.isEmpty {
      parts.append(
        """
        SELECT substr(CASE s.field \(unescaped: Self.columnOfField) END, s.start + 1, s.length)
        FROM unnest(\(inFields.map(\.field)), \(Self.starts(inFields.map(\.span))),
          \(Self.lengths(inFields.map(\.span)))) AS s (field, start, length)
        JOIN ticket AS t ON t.service_id = \(service) AND t.id = \(ticket)
        """)
    }
    return parts.count == 2 ? "\(fragment: parts[0]) UNION ALL \(fragment: parts[1])" : parts.first ?? "SELECT ''"
  }

  private static let columnOfField = TextCopies.all.filter { $0.relation == .original && $0.table == "ticket" }
    .compactMap { copy in copy.field.map { "WHEN '\($0)' THEN t.\(copy.column)" } }.joined(separator: " ")

  // No text is that long, and PostgreSQL's numbers are not wider than they must be.
  private static let offsetMax = 1 << 24

  private static func starts(_ spans: [ScalarSpan]) -> [Int32] {
    spans.map { Int32(min(max($0.start, 0), offsetMax)) }
  }

  private static func lengths(_ spans: [ScalarSpan]) -> [Int32] {
    spans.map { Int32(min(max($0.length, 0), offsetMax)) }
  }

  /// Reads the words of the spans from their texts.
  ///
  /// - Throws: ENTRY_NOT_FOUND; REQUEST_INVALID naming the span that lies outside its text.
  func read(from ticket: TicketRecord, entries: [(EntryID, String)]) throws(ServiceError) -> [RequestedSpan] {
    let bodies = Dictionary(entries, uniquingKeysWith: { first, _ in first })
    var scalarsByAddress: [TextAddress: [Unicode.Scalar]] = [:]
    var requested: [RequestedSpan] = []
    for (index, wanted) in spans.enumerated() {
      let text = wanted.entry.map { bodies[$0] } ?? ticket.text(of: wanted.field)
      guard let text, let address = TextAddress(field: wanted.field, entry: wanted.entry, of: ticket.link) else {
        throw ServiceError(.entryNotFound)
      }
      let scalars = scalarsByAddress[address] ?? [Unicode.Scalar](scalarsOf: text)
      scalarsByAddress[address] = scalars
      let span = wanted.span
      guard span.start >= 0, span.length > 0, span.length <= scalars.count, span.start <= scalars.count - span.length
      else { throw MaskRefusal.outsideText(index: index).error }
      var words = String.UnicodeScalarView()
      words.append(contentsOf: scalars[span.start..<span.end])
      requested.append(
        RequestedSpan(index: index, address: address, span: span, words: String(words), text: text))
    }
    return requested
  }
}
