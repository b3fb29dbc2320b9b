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
    title, customer.display_name, customer.email, customer.phone, customer.user_code, call_back.phone, \
    call_record.phone, transcript.{number}, or field.{code} of a field of free text
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
  var fields: Set<String> { Set(spans.map(\.field)) }

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
