import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// A customer of an organization.
struct CustomerRecord: Sendable {
  let id: CustomerID
  let name: String
  let email: String
  let phone: String
  /// By which the organization's own systems know them.
  let userCode: String

  init?(_ row: Row, at column: Int) throws(PostgresError) {
    guard let id: CustomerID = try row.value(column) else { return nil }
    self.id = id
    name = try row.value(column + 1, as: String?.self) ?? ""
    email = try row.value(column + 2, as: String?.self) ?? ""
    phone = try row.value(column + 3, as: String?.self) ?? ""
    userCode = try row.value(column + 4, as: String?.self) ?? ""
  }

  /// Whether the customer is to be known by a ticket's code from now on: they had none, and were found by their own
  /// number, or by an address that an agent says is theirs. A program's customers type any address, and several people
  /// share a phone number.
  func takesUserCode(of wanted: TicketCustomerDraft, saidByAgent: Bool) -> Bool {
    guard !wanted.userCode.isEmpty, userCode.isEmpty else { return false }
    return wanted.id != nil || saidByAgent && !email.isEmpty && email == wanted.email
  }
}

extension TicketCustomerDraft {
  /// Takes over from a customer's record what a request did not say.
  mutating func complete(from found: CustomerRecord) {
    if name.isEmpty { name = found.name }
    if email.isEmpty { email = found.email }
    if phone.isEmpty { phone = found.phone }
    if userCode.isEmpty { userCode = found.userCode }
  }
}

extension TicketStore {
  /// Whether a customer can be made by the statement that writes their first ticket: who is known by an address alone,
  /// which is unique in the database.
  static func isMadeWithTicket(_ wanted: TicketCustomerDraft) -> Bool {
    wanted.id == nil && wanted.phone.isEmpty && wanted.userCode.isEmpty && !wanted.email.isEmpty
  }

  /// The part of a ticket's statement that makes its customer. It fails when there is one of that address by then
  /// (``isCustomerTaken(_:)``).
  static func makeCustomer(_ customer: TicketCustomerDraft, of organization: OrganizationID) -> Query {
    """
    INSERT INTO customer (organization_id, id, display_name, email)
    VALUES (\(organization), \(customer.id), \(customer.name), \(customer.email))
    """
  }

  /// By which a customer is known by a code from now on, unless they or somebody else came to be known by one; a row
  /// when they are. It fails when somebody else came to be at the same moment.
  private static func setUserCode(
    _ code: String, of customer: CustomerID, in organization: OrganizationID
  ) -> Query {
    """
    UPDATE customer AS c SET user_code = \(code)
    WHERE c.organization_id = \(organization) AND c.id = \(customer) AND c.user_code IS NULL
      AND NOT EXISTS (SELECT FROM customer AS o WHERE o.organization_id = \(organization) AND o.user_code = \(code))
    RETURNING c.id
    """
  }

  /// Whether a ticket was not written because its customer came to be meanwhile.
  static func isCustomerTaken(_ error: any Error) -> Bool {
    let cause = (error as? ServiceError)?.cause as? PostgresError
    return cause?.violates("customer_email_key") ?? false
  }

  /// Finds a customer, or makes them: of several calls at once one makes the customer, and all get the same. Whoever is
  /// found and takes the code (``CustomerRecord/takesUserCode(of:saidByAgent:)``) is known by it from then on.
  ///
  /// The calls queue on locks named after the code, the address and the phone number. Code and address are unique in
  /// the database too; a phone number cannot be, because several people share one. Who is made beside another customer
  /// of the same address goes without it.
  func makeCustomer(
    _ wanted: TicketCustomerDraft, saidByAgent: Bool, of organization: OrganizationID, deadline: Deadline
  ) async throws -> CustomerID {
    let keys = [("code", wanted.userCode), ("email", wanted.email), ("phone", wanted.phone)]
      .filter { !$0.1.isEmpty }.map { "customer/\(organization)/\($0.0)/\($0.1)" }
    let known = Self.customers(wanted, of: organization)
    let (code, email) = (Self.given(wanted.userCode), Self.given(wanted.email))
    return try await ServiceError.translating {
      let statements: [Query] = [
        "SELECT pg_advisory_xact_lock(hashtextextended(k.key, 0)) FROM unnest(\(keys)) AS k (key)",
        """
        WITH known AS (\(fragment: known)), made AS (
          INSERT INTO customer (organization_id, display_name, email, phone, user_code)
          SELECT \(organization), \(wanted.name), CASE WHEN NOT EXISTS (SELECT FROM customer AS o
            WHERE o.organization_id = \(organization) AND o.email = \(email)) THEN \(email) END,
            \(Self.given(wanted.phone)), \(code)
          WHERE NOT EXISTS (SELECT 1 FROM known)
          ON CONFLICT DO NOTHING RETURNING id, display_name, email, phone, user_code
        )
        SELECT * FROM known UNION ALL SELECT * FROM made
        """,
      ]
      // A ticket may have made the customer at the same moment without the lock, or somebody may have said another code
      // of theirs; then the next look finds who is meant, or that they are still to be made.
      for _ in 1...3 {
        let rows = try await pool.transactionBatch(statements, deadline: deadline)
        guard let row = rows[1].first, let customer = try CustomerRecord(row, at: 0) else { continue }
        guard customer.takesUserCode(of: wanted, saidByAgent: saidByAgent) else { return customer.id }
        let setting = Self.setUserCode(wanted.userCode, of: customer.id, in: organization)
        do {
          let isKnown = try await !pool.query(setting, deadline: deadline).isEmpty
          if isKnown || wanted.id != nil { return customer.id }
        } catch let error as PostgresError where error.violates("customer_user_code_key") {
          continue
        }
      }
      throw ServiceError(.conflict)
    }
  }

  /// The customer whom a ticket's data name: by number, else by code, else by address, else by phone number; at most
  /// one row. Who has another code is another person, whatever the address and the phone number.
  private static func customers(_ wanted: TicketCustomerDraft, of organization: OrganizationID) -> Query {
    if let id = wanted.id {
      return """
        SELECT c.id, c.display_name, c.email, c.phone, c.user_code FROM customer AS c
        WHERE c.organization_id = \(organization) AND c.id = \(id)
        """
    }
    let code = given(wanted.userCode)
    return """
      SELECT c.id, c.display_name, c.email, c.phone, c.user_code FROM (
        (SELECT 1 AS rank, u.id, u.display_name, u.email, u.phone, u.user_code FROM customer AS u
          WHERE u.organization_id = \(organization) AND u.user_code = \(code))
        UNION ALL
        (SELECT 2, e.id, e.display_name, e.email, e.phone, e.user_code FROM customer AS e
          WHERE e.organization_id = \(organization) AND e.email = \(given(wanted.email))
            AND (\(code)::text IS NULL OR e.user_code IS NULL))
        UNION ALL
        (SELECT 3, p.id, p.display_name, p.email, p.phone, p.user_code FROM customer AS p
          WHERE p.organization_id = \(organization) AND p.phone = \(given(wanted.phone))
            AND (\(code)::text IS NULL OR p.user_code IS NULL) ORDER BY p.id LIMIT 1)
      ) AS c ORDER BY c.rank LIMIT 1
      """
  }

  static func given(_ text: String) -> String? { text.isEmpty ? nil : text }
}
