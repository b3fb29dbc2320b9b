package import Postgres

/// What the codes of templates stand for on a ticket: the words as they are masked now.
package enum TemplateValues {
  /// Asks for what the ticket's own row does not tell; one row, or none when the ticket is not there.
  package static func query(of ticket: TicketRecord) -> Query {
    """
    SELECT coalesce(q.body, ''), coalesce(st.display_name, ''), coalesce(pt.display_name, ''),
      coalesce(g.display_name, ''), s.display_name,
      to_char(t.create_time AT TIME ZONE s.time_zone, 'YYYY-MM-DD HH24:MI'), coalesce(a.display_name, '')
    FROM ticket AS t JOIN service AS s ON s.id = t.service_id
    LEFT JOIN agent_group AS g ON g.service_id = t.service_id AND g.id = t.group_id
    LEFT JOIN agent AS a ON a.id = t.agent_id
    LEFT JOIN submission_type AS st ON st.service_id = t.service_id AND st.id = t.submission_type_id
    LEFT JOIN processing_type AS pt ON pt.service_id = t.service_id AND pt.id = t.processing_type_id
    LEFT JOIN LATERAL (SELECT i.body FROM ticket_entry AS i
      WHERE i.service_id = t.service_id AND i.ticket_id = t.id AND i.kind = 'INQUIRY'
      ORDER BY i.create_time DESC, i.id DESC LIMIT 1) AS q ON true
    WHERE t.service_id = \(ticket.serviceID) AND t.id = \(ticket.id)
    """
  }

  /// Reads the row; the agent is the one who holds the ticket.
  ///
  /// - Throws: `PostgresError` for a row of another form.
  package static func read(
    _ row: Row, of ticket: TicketRecord
  ) throws(PostgresError) -> [TemplateCode: String] {
    [
      .ticketID: ticket.id.description, .subject: ticket.title, .inquiry: try row.string(0),
      .customerName: ticket.customerName, .customerID: ticket.customerID?.description ?? "",
      .email: ticket.customerEmail, .phone: ticket.customerPhone, .userCode: ticket.customerUserCode,
      .submissionType: try row.string(1), .processingType: try row.string(2), .groupName: try row.string(3),
      .serviceName: try row.string(4), .createdAt: try row.string(5), .agentName: try row.string(6),
    ]
  }
}
