import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What a message says of a ticket: a trigger's text with its codes filled in.
struct MessageText: Sendable {
  /// What is longer is cut off.
  static let charactersMax = 10_000

  /// SQL condition on a field `f` that everybody in a channel may see. A trigger that names another is refused; one
  /// that became another since is left out.
  static let isShown: Query = "NOT f.is_administrators_only AND f.kind NOT IN ('FILE', 'CAPTION')"

  let ledger: TicketLedger

  /// Fills a text with the ticket's words as they are masked now.
  ///
  /// - Throws: TICKET_NOT_FOUND; the database's errors.
  func filled(_ text: String, on ticket: TicketRecord, deadline: Deadline) async throws -> String {
    let unknown = TemplateText(text) { _ in nil }.unknownCodes
    let prefix = TemplateText.fieldPrefix
    let codes = unknown.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    let answers = try await ServiceError.translating {
      try await ledger.pool.transactionBatch(
        [
          TemplateValues.query(of: ticket),
          """
          SELECT f.code, coalesce(CASE WHEN NOT (\(fragment: Self.isShown)) THEN ''
            WHEN f.kind = 'CHECKBOX' THEN replace(v.value, E'\\n', ', ') ELSE v.value END, '')
          FROM ticket_field AS f LEFT JOIN ticket_field_value AS v
            ON v.service_id = f.service_id AND v.field_id = f.id AND v.ticket_id = \(ticket.id)
          WHERE f.service_id = \(ticket.serviceID) AND f.delete_time IS NULL AND f.code = ANY(\(codes))
          """,
        ], deadline: deadline)
    }
    guard let row = answers[0].first else { throw ServiceError(.ticketNotFound) }
    let values = try TemplateValues.read(row, of: ticket)
    let fields = Dictionary(
      try answers[1].map { (prefix + (try $0.string(0)), try $0.string(1)) }, uniquingKeysWith: { first, _ in first })
    let filled = Self.harmless(
      TemplateText(text) { code in TemplateCode(rawValue: code).map { values[$0] ?? "" } ?? fields[code] })
    guard CanonicalText.count(filled) > Self.charactersMax else { return filled }
    return String(String.UnicodeScalarView(filled.unicodeScalars.prefix(Self.charactersMax))) + "…"
  }

  /// A filled text in which only the trigger's own words call people in the channel, by `[@name](dooray://…)`: where a
  /// value has a part in such a link, and be it a letter beside another value, the link is broken.
  static func harmless(_ filled: TemplateText) -> String {
    let bytes = Array(filled.text.utf8)
    let scheme = Array("dooray:".utf8)
    let link = scheme + Array("//".utf8)
    var ranges = filled.valueRanges[...]
    var safe: [UInt8] = []
    safe.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let end = index + link.count
      let isLink = end <= bytes.count && zip(bytes[index..<end], link).allSatisfy { $0 | 0x20 == $1 | 0x20 }
      while let range = ranges.first, range.upperBound <= index { ranges.removeFirst() }
      guard isLink, ranges.contains(where: { $0.overlaps(index..<end) }) else {
        safe.append(bytes[index])
        index += 1
        continue
      }
      safe += bytes[index..<(index + scheme.count)]
      safe.append(UInt8(ascii: " "))
      index += scheme.count
    }
    return String(decoding: safe, as: UTF8.self)
  }
}
