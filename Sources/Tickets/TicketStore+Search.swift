import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Where a search for words goes on, and what its default period means.
  struct SearchBounds: Sendable {
    let now: Instant
    /// Six months ago.
    let halfYearAgo: Instant
    /// No ticket of the service was received earlier.
    let oldest: Instant
    /// When the last ticket of the page before was received.
    let cursor: Instant?
  }

  /// Reads them. The counters know the first minute in which the service received a ticket.
  func searchBounds(of service: ServiceID, after cursor: TicketID, deadline: Deadline) async throws -> SearchBounds {
    try await ServiceError.translating {
      let row = try await pool.query(Self.bounds(of: service, after: cursor), deadline: deadline)[0]
      return SearchBounds(
        now: try row.instant(0), halfYearAgo: try row.instant(1), oldest: try row.instant(2),
        cursor: try row.optionalInstant(3))
    }
  }

  static func bounds(of service: ServiceID, after cursor: TicketID) -> Query {
    """
    SELECT clock_timestamp(), clock_timestamp() - interval '6 months', coalesce(least(
        (SELECT min(m.minute) FROM ticket_minute_count AS m WHERE m.service_id = \(service)),
        (SELECT min(c.minute) FROM ticket_count_change AS c WHERE c.service_id = \(service))), clock_timestamp()),
      (SELECT t.create_time FROM ticket AS t WHERE t.service_id = \(service) AND t.id = \(cursor))
    """
  }

  /// The statement that takes the newest tickets of some windows of days in which the words' grams stand.
  ///
  /// It reads the windows one after the other, and ends as soon as it has enough: a frequent word costs one window, a
  /// rare one a look into the index for each.
  ///
  /// The tokens name their service, so its column is compared in a way that no index serves: of files as long as those
  /// of millions of tickets, PostgreSQL would else plan to go through the whole key of `ticket_search` in each window
  /// that has a hit, to leave the rows of other services out.
  ///
  /// - Parameters:
  ///   - windows: for every condition on words, a `tsquery` for each window, the newest window first.
  ///   - before: the last ticket looked at: behind it the statement goes on.
  static func found(
    _ search: TicketSearch, windows: [[String]], from: Instant, before: (time: Instant, id: TicketID), limit: Int
  ) -> Query {
    let service = search.filter.service
    var others: Query = ""
    for index in windows.indices.dropFirst() {
      others = """
        \(fragment: others) AND EXISTS (SELECT FROM ticket_search AS o WHERE o.service_id = \(service)
          AND o.ticket_id = c.ticket_id AND o.tokens @@ (\(unescaped: "w.query_\(index)"))::tsquery)
        """
    }
    let names = windows.indices.map { "query_\($0)" }.joined(separator: ", ")
    var lists: Query = "\(windows[0])"
    for list in windows.dropFirst() { lists = "\(fragment: lists), \(list)" }
    return """
      WITH hit AS MATERIALIZED (
        SELECT h.ticket_id FROM unnest(\(fragment: lists)) AS w (\(unescaped: names)) CROSS JOIN LATERAL (
          SELECT c.ticket_id FROM (
            SELECT x.ticket_id, x.create_time FROM ticket_search AS x
            WHERE x.tokens @@ (w.query_0)::tsquery AND x.service_id + 0 = \(service) AND x.create_time >= \(from)
              AND (x.create_time, x.ticket_id) < (\(before.time), \(before.id))
            GROUP BY x.create_time, x.ticket_id ORDER BY x.create_time DESC, x.ticket_id DESC OFFSET 0
          ) AS c CROSS JOIN LATERAL (
            SELECT FROM ticket AS t
            WHERE t.id = c.ticket_id AND \(fragment: conditions(search)) \(fragment: stars(search.filter))
              \(fragment: others) OFFSET 0
          ) AS fit LIMIT \(limit)
        ) AS h LIMIT \(limit)
      )
      SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: search.filter.viewer))
      FROM ticket AS t WHERE t.service_id = \(service) AND t.id = ANY (ARRAY(SELECT ticket_id FROM hit))
      ORDER BY t.create_time DESC, t.id DESC
      """
  }

  /// Tickets of a ``PageStatement`` or of ``found(_:windows:from:before:limit:)``.
  func tickets(_ statement: Query, deadline: Deadline) async throws -> [TicketRecord] {
    try await ServiceError.translating {
      try await pool.query(statement, deadline: deadline).map { try TicketRecord(starred: $0) }
    }
  }

  /// The entries and field values of tickets, for words that the index alone cannot decide about.
  func searchedTexts(
    of tickets: [TicketRecord], in service: ServiceID, deadline: Deadline
  ) async throws -> [TicketID: [(SearchPlace, String)]] {
    let ids = tickets.map(\.id)
    var texts: [TicketID: [(SearchPlace, String)]] = [:]
    for ticket in tickets { texts[ticket.id] = [(.title, ticket.title), (.customerName, ticket.customerName)] }
    try await ServiceError.translating {
      async let entries = pool.query(Self.entries(of: ids, in: service), deadline: deadline)
      async let values = pool.query(Self.values(of: ids, in: service), deadline: deadline)
      for row in try await entries {
        texts[try row.value(0), default: []].append((.entry(try row.value(1)), try row.string(2)))
      }
      for row in try await values {
        texts[try row.value(0), default: []].append((.field(try row.value(1)), try row.string(2)))
      }
    }
    return texts
  }

  /// Whether tickets of a service have each of some choices in a field.
  func areChosen(
    _ choices: [String], in field: FieldID, of service: ServiceID, deadline: Deadline
  ) async throws -> Bool {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT 1 FROM unnest(\(choices)) AS c (choice) WHERE NOT EXISTS (
          SELECT FROM ticket_field_value AS v WHERE v.service_id = \(service) AND v.field_id = \(field)
            AND c.choice = ANY (string_to_array(v.value, E'\\n')))
        LIMIT 1
        """, deadline: deadline
      ).first == nil
    }
  }

  static func entries(of tickets: [TicketID], in service: ServiceID) -> Query {
    """
    SELECT e.ticket_id, e.id, e.body FROM ticket_entry AS e
    WHERE e.service_id = \(service) AND e.ticket_id = ANY(\(tickets))
    """
  }

  static func values(of tickets: [TicketID], in service: ServiceID) -> Query {
    """
    SELECT v.ticket_id, v.field_id, v.value FROM ticket_field_value AS v
    WHERE v.service_id = \(service) AND v.ticket_id = ANY(\(tickets))
    """
  }

  /// What a ticket must meet beside words and stars.
  static func conditions(_ search: TicketSearch) -> Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 24)
    sql.appendInterpolation(fragment: conditions(search.filter))
    func all<Value: PostgresBindable>(_ literal: StaticString, _ values: [Value]) {
      guard !values.isEmpty else { return }
      sql.appendLiteral(literal)
      sql.appendInterpolation(values)
      sql.appendLiteral(")")
    }
    func one<Value: PostgresBindable>(_ literal: StaticString, _ value: Value?) {
      guard let value else { return }
      sql.appendLiteral(literal)
      sql.appendInterpolation(value)
    }
    one(" AND t.id = ", search.ticketID)
    one(" AND t.organization_id = ", search.customer?.organization)
    one(" AND t.customer_id = ", search.customer?.id)
    one(" AND t.create_time >= ", search.from)
    one(" AND t.create_time < ", search.before)
    if let groups = search.filter.groups { all(" AND t.group_id = ANY(", groups) }
    all(" AND t.group_id = ANY(", search.groups)
    all(" AND t.agent_id = ANY(", search.agents)
    all(" AND t.state = ANY(", search.states.map(\.rawValue))
    all(" AND t.priority = ANY(", search.priorities.map(\.rawValue))
    all(" AND t.channel = ANY(", search.channels.map(\.rawValue))
    all(" AND t.language = ANY(", search.languages)
    all(" AND t.submission_type_id = ANY(", search.submissionTypes)
    all(" AND t.processing_type_id = ANY(", search.processingTypes)
    if let code = search.userCode {
      sql.appendContact("customer_user_code", TicketSearch.Contact(text: code, isBeginning: false))
    }
    if let email = search.email { sql.appendContact("customer_email", email) }
    if let phone = search.phone { sql.appendContact("customer_phone", phone) }
    for field in search.fields { sql.appendField(field, of: search.filter.service) }
    return Query(stringInterpolation: sql)
  }

  private static func stars(_ filter: TicketFilter) -> Query {
    guard filter.isStarred, let viewer = filter.viewer else { return "" }
    return """
      AND t.id = ANY(ARRAY(SELECT x.ticket_id FROM ticket_star AS x WHERE x.service_id = \(filter.service)
        AND x.agent_id = \(viewer)))
      """
  }
}

extension Query.Interpolation {
  /// Worded as the partial indexes of the three columns are; a beginning is a range of texts in the order of their
  /// bytes.
  fileprivate mutating func appendContact(_ column: StaticString, _ contact: TicketSearch.Contact) {
    for (comparison, text) in contact.isBeginning
      ? [(" >= ", contact.text), (" < ", contact.text + "\u{10FFFF}")] : [(" = ", contact.text)]
    {
      appendLiteral(" AND t.")
      appendLiteral(column)
      appendLiteral(" COLLATE \"C\"")
      appendInterpolation(unescaped: comparison)
      appendInterpolation(text)
    }
    appendLiteral(" AND t.")
    appendLiteral(column)
    appendLiteral(" <> ''")
  }

  fileprivate mutating func appendField(_ match: TicketSearch.FieldMatch, of service: ServiceID) {
    appendLiteral(" AND EXISTS (SELECT FROM ticket_field_value AS v WHERE v.ticket_id = t.id AND v.service_id = ")
    appendInterpolation(service)
    appendLiteral(" AND v.field_id = ")
    appendInterpolation(match.field)
    if !match.options.isEmpty {
      appendLiteral(" AND string_to_array(v.value, E'\\n') && ")
      appendInterpolation(match.options)
    }
    // Times of one kind are written in the same width, so their order is that of their texts.
    if !match.from.isEmpty {
      appendLiteral(
        match.isPeriod ? " AND split_part(v.value, ' ~ ', 2) COLLATE \"C\" >= " : " AND v.value COLLATE \"C\" >= ")
      appendInterpolation(match.from)
    }
    if !match.to.isEmpty {
      appendLiteral(
        match.isPeriod ? " AND split_part(v.value, ' ~ ', 1) COLLATE \"C\" <= " : " AND v.value COLLATE \"C\" <= ")
      appendInterpolation(match.to)
    }
    appendLiteral(")")
  }
}
