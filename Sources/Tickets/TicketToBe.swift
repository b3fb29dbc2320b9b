import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// What is known of a ticket that is being made, to fill a template for it.
struct TicketToBe: Sendable {
  let title: String
  let customer: TicketCustomerDraft
  let submissionType: SubmissionTypeName?
  let group: GroupName?
  let fieldValues: FieldValues

  /// Reads a request and notes everything that is wrong with it; what was noted stands here as something harmless.
  init(_ request: InsertTemplateRequest, _ check: inout RequestCheck) {
    let draft = request.draft ?? Ticket()
    check.name(request.service, "service", ServiceName.self)
    title = check.line(
      draft.title, "draft.title", charactersMax: FieldLimits.titleCharactersMax, mayBeBlank: true)
    customer = NewTicket.customer(draft.customer ?? TicketCustomer(), at: "draft.customer", &check)
    submissionType = check.optionalName(draft.submissionType, "draft.submission_type")
    group = check.optionalName(draft.group, "draft.group")
    fieldValues = FieldValues(draft.fieldValues, at: "draft.field_values", &check)
  }

  /// Refuses names of another service's things as if they did not exist.
  ///
  /// - Throws: TYPE_NOT_FOUND, GROUP_NOT_FOUND.
  func requireNames(of service: ServiceRecord) throws(ServiceError) {
    if let submissionType, submissionType.service != service.code { throw ServiceError(.typeNotFound) }
    if let group, group.service != service.code { throw ServiceError(.groupNotFound) }
  }
}

extension TicketStore {
  /// Counts a use of a template, and tells what its codes stand for on a ticket that is being made: what the ticket is
  /// still to get is empty.
  ///
  /// - Throws: TYPE_NOT_FOUND, GROUP_NOT_FOUND, CUSTOMER_NOT_FOUND; then no use is counted.
  func use(
    _ template: TemplateRecord, for wanted: TicketToBe, in service: ServiceRecord, deadline: Deadline
  ) async throws -> [TemplateCode: String] {
    try await ServiceError.translating {
      let known = try await pool.query(Self.known(of: wanted, in: service), deadline: deadline)
      let values = try Self.values(known[0], of: wanted, in: service)
      _ = try await pool.query(
        """
        UPDATE template SET use_count = use_count + 1
        WHERE service_id = \(template.serviceID) AND id = \(template.id)
        """, deadline: deadline)
      return values
    }
  }

  private static func known(of wanted: TicketToBe, in service: ServiceRecord) -> Query {
    """
    SELECT y.display_name, g.display_name, c.id, c.display_name, c.email, c.phone, c.user_code
    FROM (VALUES (1)) AS one (row)
    LEFT JOIN submission_type AS y ON y.service_id = \(service.id) AND y.id = \(wanted.submissionType?.id)
    LEFT JOIN agent_group AS g ON g.service_id = \(service.id) AND g.id = \(wanted.group?.id)
    LEFT JOIN customer AS c ON c.organization_id = \(service.organizationID) AND c.id = \(wanted.customer.id)
    """
  }

  private static func values(
    _ row: Row, of wanted: TicketToBe, in service: ServiceRecord
  ) throws -> [TemplateCode: String] {
    let (type, group) = (try row.optionalString(0), try row.optionalString(1))
    if wanted.submissionType != nil, type == nil { throw ServiceError(.typeNotFound) }
    if wanted.group != nil, group == nil { throw ServiceError(.groupNotFound) }
    var customer = wanted.customer
    if customer.id != nil {
      guard let found = try CustomerRecord(row, at: 2) else { throw ServiceError(.customerNotFound) }
      customer.complete(from: found)
    }
    return [
      .subject: wanted.title, .customerName: customer.name, .customerID: customer.id?.description ?? "",
      .email: customer.email, .phone: customer.phone, .userCode: customer.userCode, .submissionType: type ?? "",
      .groupName: group ?? "", .serviceName: service.displayName,
    ]
  }
}
