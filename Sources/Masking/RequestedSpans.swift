import HandoffAPI
import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// The spans of a request, checked as far as that goes without the texts.
struct RequestedSpans: Sendable {
  private struct Wanted: Sendable {
    let entry: EntryID?
    /// As the registry names it.
    let field: String
    /// Which of the ticket's texts of that field; empty when it has one.
    let row: String
    /// As the API names it.
    let name: String
    let span: ScalarSpan

    var source: Source {
      if entry != nil { return .entries }
      return TextCopies.original(of: field)?.table == "ticket" ? .ticket : .other
    }
  }

  /// Where texts with spans stand, as far as the statements that read them differ.
  enum Source: Hashable, Sendable {
    case entries, ticket, other
  }

  private let spans: [Wanted]

  /// Reads the spans of a request.
  ///
  /// - Parameter fieldNames: at least the fields that the spans name.
  /// - Throws: REQUEST_INVALID when there are none or too many, or for a field that has no text; ENTRY_NOT_FOUND for an
  ///   entry of another ticket. They say which span it is.
  init(_ spans: [TextSpan], of ticket: TicketName, _ fieldNames: FieldNames) throws(ServiceError) {
    guard spans.count <= MaskingService.spansMax else {
      throw .invalid(
        "spans[\(MaskingService.spansMax)]", "is one too many: at most \(MaskingService.spansMax) spans at once")
    }
    guard !spans.isEmpty else { throw .invalid("spans", "must hold 1 to \(MaskingService.spansMax) spans") }
    var wanted: [Wanted] = []
    for (index, span) in spans.enumerated() {
      let entry = try EntryName.optional(span.entry, field: "spans[\(index)].entry")
      if let entry, entry.ticket != ticket { throw Self.noEntry(index) }
      guard span.entry.isEmpty || span.field.isEmpty else {
        throw .invalid("spans[\(index)].field", "must be empty when an entry is named")
      }
      let name = entry != nil ? "entry" : span.field.isEmpty ? "title" : span.field
      guard let (field, row) = entry.map({ ("entry", $0.id.description) }) ?? Self.text(named: name, fieldNames) else {
        throw .invalid("spans[\(index)].field", "is not one of \(Self.names)")
      }
      guard span.length > 0 else { throw .invalid("spans[\(index)].length", "must be at least 1") }
      wanted.append(
        Wanted(
          entry: entry?.id, field: field, row: row, name: name,
          span: ScalarSpan(start: Int(span.start), length: Int(span.length))))
    }
    self.spans = wanted
  }

  private static let names = """
    title, customer.display_name, customer.email, customer.phone, call_back.phone, call_record.phone, \
    transcript.{number}, or field.{code} of a field of free text
    """
  private static let lines = "transcript."

  /// The field and the row of a text outside the entries; nil for none that can be masked.
  private static func text(named name: String, _ fieldNames: FieldNames) -> (String, String)? {
    if name.hasPrefix(FieldNames.prefix) {
      return fieldNames.row(ofText: String(name.dropFirst(FieldNames.prefix.count))).map { ("field", $0) }
    }
    if name.hasPrefix(lines) { return Int32(name.dropFirst(lines.count)).map { ("transcript", $0.description) } }
    return TextCopies.original(of: name).flatMap { $0.rows.isEmpty ? (name, "") : nil }
  }

  private static func noEntry(_ index: Int) -> ServiceError {
    ServiceError(
      .entryNotFound, violations: [FieldViolation("spans[\(index)].entry", "is no entry of the ticket")])
  }

  var count: Int { spans.count }

  /// The texts outside the ticket's own row that have spans.
  func addresses(on ticket: TicketLink) -> Set<TextAddress> {
    Set(spans.compactMap { TextAddress(field: $0.field, row: $0.row, of: ticket) }.filter { $0.copy.table != "ticket" })
  }

  /// The fields that have spans.
  var fields: [String] { Array(Set(spans.map(\.field))) }

  /// Where the texts stand.
  var sources: Set<Source> { Set(spans.map(\.source)) }

  /// The words of the spans as a query of one column: what stands in the texts at the time. A span that lies outside
  /// its text has fewer words or none, and ``read(from:texts:)`` refuses it.
  func words(of ticket: TicketID, _ service: ServiceID) -> Query {
    let inEntries = spans.compactMap { wanted in wanted.entry.map { (entry: $0, span: wanted.span) } }
    let inFields = spans.filter { $0.source == .ticket }
    let inRows = spans.filter { $0.source == .other }
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
    if !inRows.isEmpty {
      parts.append(
        """
        SELECT substr(CASE s.field \(unescaped: Self.textOfField) END, s.start + 1, s.length)
        FROM unnest(\(inRows.map(\.field)), \(inRows.map(\.row)), \(Self.starts(inRows.map(\.span))),
          \(Self.lengths(inRows.map(\.span)))) AS s (field, row_key, start, length)
        JOIN ticket AS t ON t.service_id = \(service) AND t.id = \(ticket)
        """)
    }
    guard let first = parts.first else { return "SELECT ''" }
    return parts.dropFirst().reduce(first) { "\(fragment: $0) UNION ALL \(fragment: $1)" }
  }

  private static let textOfField = TextCopies.all.filter { $0.relation == .original && $0.table != "ticket" }
    .compactMap { copy in
      copy.field.map { field in
        """
        WHEN '\(field)' THEN (SELECT x.\(copy.column) FROM \(copy.table) AS x
          WHERE x.\(copy.keys[0]) = t.service_id AND x.\(copy.keys[1]) = t.id AND \(CopyStore.rowKey(copy)) = s.row_key)
        """
      }
    }.joined(separator: " ")

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
  /// - Parameter texts: those outside the ticket's own row.
  /// - Throws: ENTRY_NOT_FOUND; REQUEST_INVALID; both name the span that has no text, or lies outside it.
  func read(
    from ticket: TicketRecord, texts: [TextAddress: String]
  ) throws(ServiceError) -> [RequestedSpan] {
    var scalarsByAddress: [TextAddress: [Unicode.Scalar]] = [:]
    var requested: [RequestedSpan] = []
    for (index, wanted) in spans.enumerated() {
      let address = TextAddress(field: wanted.field, row: wanted.row, of: ticket.link)
      guard let address, let text = texts[address] ?? ticket.text(of: wanted.field) else {
        if wanted.entry != nil { throw Self.noEntry(index) }
        throw .invalid("spans[\(index)].field", "names no text of the ticket")
      }
      let scalars = scalarsByAddress[address] ?? [Unicode.Scalar](scalarsOf: text)
      scalarsByAddress[address] = scalars
      let span = wanted.span
      guard span.start >= 0, span.length > 0, span.length <= scalars.count, span.start <= scalars.count - span.length
      else { throw MaskRefusal.outsideText(index: index).error }
      var words = String.UnicodeScalarView()
      words.append(contentsOf: scalars[span.start..<span.end])
      requested.append(
        RequestedSpan(
          index: index, address: address, name: wanted.name, span: span, words: String(words), text: text))
    }
    return requested
  }
}
