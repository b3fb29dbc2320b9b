package import Postgres

/// How texts get into the index, and change there: always in the transaction that changes the text.
package enum SearchStatements {
  /// A text's new tokens, for a text that was changed beside the ledger's own statement, as masking does.
  ///
  /// - Parameters:
  ///   - ticket: whose text it is, whatever service acts.
  ///   - text: the text as it is from now on.
  package static func update(_ place: SearchPlace, of ticket: TicketLink, to text: String, receivedAt time: Instant)
    -> Query
  {
    let row = SearchRow(place, text, of: ticket.serviceID, receivedAt: time)
    return """
      UPDATE ticket_search SET tokens = \(row.tokens)
      WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID) AND place = \(place.key)
      """
  }

  /// Rows that a ticket lacks; those that it has stay.
  package static func insert(_ rows: [SearchRow], of ticket: TicketLink, receivedAt time: Instant) -> [Query] {
    rows.map { row in
      """
      INSERT INTO ticket_search (service_id, ticket_id, place, create_time, tokens)
      VALUES (\(ticket.serviceID), \(ticket.ticketID), \(row.place.key), \(time), \(row.tokens))
      ON CONFLICT ON CONSTRAINT ticket_search_pkey DO NOTHING
      """
    }
  }
}
