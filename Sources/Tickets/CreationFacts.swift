import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What the database knows of what a request to create a ticket names.
struct CreationFacts: Sendable {
  /// Nil: the service has no such submission type.
  let isTypeActive: Bool?
  let hasGroup: Bool
  /// Whether a trigger of the service is active, so that somebody has to look at the new ticket.
  let hasTriggers: Bool
  let customer: CustomerRecord?
}

/// What a new ticket names, to be looked up.
struct CreationQuestion: Sendable {
  let serviceID: ServiceID
  let organizationID: OrganizationID
  let submissionTypeID: SubmissionTypeID?
  let groupID: GroupID?
  let customer: TicketCustomerDraft
  /// Whether the ticket is opened by the same question.
  let opens: Bool

  init(_ wanted: NewTicket, in service: ServiceRecord, opens: Bool) {
    serviceID = service.id
    organizationID = service.organizationID
    submissionTypeID = wanted.submissionType?.id
    groupID = wanted.group?.id
    customer = wanted.customer
    self.opens = opens
  }
}

extension TicketStore {
  /// Facts, and the opening; without meaning where it was not asked for.
  typealias CreationAnswer = (facts: CreationFacts, opening: CreateOpening)

  /// Looks up everything that a new ticket names. Questions of the same moment are one statement.
  func facts(for question: CreationQuestion, deadline: Deadline) async throws -> CreationAnswer {
    try await ServiceError.translating { try await creationFacts.perform(question, deadline: deadline) }
  }

  /// Answers questions in their order.
  ///
  /// - Throws: ``PostgresError``.
  static func answers(
    to questions: [CreationQuestion], _ pool: PostgresPool, _ deadline: Deadline
  ) async throws -> [CreationAnswer] {
    try await pool.query(statement(of: questions), deadline: deadline).map { row in
      let facts = CreationFacts(
        isTypeActive: try row.value(2), hasGroup: try row.value(3), hasTriggers: try row.value(4),
        customer: try CustomerRecord(row, at: 5))
      return (facts, try CreateOpening(fresh: row))
    }
  }

  /// A customer is known by number, else by code, else by address, else by phone number; who has another code is
  /// another person. Taking a ticket's id does not wait for the disk: whoever uses it writes after it, and waits.
  private static func statement(of questions: [CreationQuestion]) -> Query {
    """
    SELECT CASE WHEN q.opens THEN \(fragment: TicketLedger.nextTicketID) ELSE 0 END, clock_timestamp(), y.is_active,
      g.id IS NOT NULL,
      EXISTS (SELECT 1 FROM trigger_rule AS u WHERE u.service_id = q.service_id AND u.is_active),
      known.id, known.display_name, known.email, known.phone, known.user_code
    FROM unnest(
      \(questions.map(\.opens)), \(questions.map(\.serviceID)), \(questions.map(\.organizationID)),
      \(questions.map(\.submissionTypeID)), \(questions.map(\.groupID)), \(questions.map(\.customer.id)),
      \(questions.map { given($0.customer.userCode) }), \(questions.map { given($0.customer.email) }),
      \(questions.map { given($0.customer.phone) })
    ) WITH ORDINALITY AS q (
      opens, service_id, organization_id, submission_type_id, group_id, customer_id, user_code, email, phone, position)
    CROSS JOIN (SELECT set_config('synchronous_commit', 'off', true)) AS eased
    LEFT JOIN submission_type AS y ON y.service_id = q.service_id AND y.id = q.submission_type_id
    LEFT JOIN agent_group AS g ON g.service_id = q.service_id AND g.id = q.group_id
    LEFT JOIN LATERAL (
      SELECT c.id, c.display_name, c.email, c.phone, c.user_code FROM (
        (SELECT 1 AS rank, n.id, n.display_name, n.email, n.phone, n.user_code FROM customer AS n
          WHERE n.organization_id = q.organization_id AND n.id = q.customer_id)
        UNION ALL
        (SELECT 2, u.id, u.display_name, u.email, u.phone, u.user_code FROM customer AS u
          WHERE q.customer_id IS NULL AND u.organization_id = q.organization_id AND u.user_code = q.user_code)
        UNION ALL
        (SELECT 3, e.id, e.display_name, e.email, e.phone, e.user_code FROM customer AS e
          WHERE q.customer_id IS NULL AND e.organization_id = q.organization_id AND e.email = q.email
            AND (q.user_code IS NULL OR e.user_code IS NULL))
        UNION ALL
        (SELECT 4, p.id, p.display_name, p.email, p.phone, p.user_code FROM customer AS p
          WHERE q.customer_id IS NULL AND p.organization_id = q.organization_id AND p.phone = q.phone
            AND (q.user_code IS NULL OR p.user_code IS NULL) ORDER BY p.id LIMIT 1)
      ) AS c ORDER BY c.rank LIMIT 1
    ) AS known ON true
    ORDER BY q.position
    """
  }
}
