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

  init?(_ row: Row, at column: Int) throws(PostgresError) {
    guard let id: CustomerID = try row.value(column) else { return nil }
    self.id = id
    name = try row.value(column + 1, as: String?.self) ?? ""
    email = try row.value(column + 2, as: String?.self) ?? ""
    phone = try row.value(column + 3, as: String?.self) ?? ""
  }
}

extension TicketStore {
  /// Whether a customer can be made by the statement that writes their first ticket: who is known by an address alone,
  /// which is unique in the database.
  static func isMadeWithTicket(_ wanted: TicketCustomerDraft) -> Bool {
    wanted.id == nil && wanted.phone.isEmpty && !wanted.email.isEmpty
  }

  /// The part of a ticket's statement that makes its customer. It fails when there is one of that address by then
  /// (``isCustomerTaken(_:)``).
  static func makeCustomer(_ customer: TicketCustomerDraft, of organization: OrganizationID) -> Query {
    """
    INSERT INTO customer (organization_id, id, display_name, email)
    VALUES (\(organization), \(customer.id), \(customer.name), \(customer.email))
    """
  }

  /// Whether a ticket was not written because its customer came to be meanwhile.
  static func isCustomerTaken(_ error: any Error) -> Bool {
    ((error as? ServiceError)?.cause as? PostgresError)?.violates("customer_email_key") == true
  }

  /// Makes a customer, unless one of the same address or number came to be meanwhile: of several calls at once one
  /// makes the customer, and all get the same.
  ///
  /// The calls queue on locks named after the address and the phone number. An address is unique in the database too; a
  /// phone number cannot be, because several people share one.
  func makeCustomer(
    _ wanted: TicketCustomerDraft, of organization: OrganizationID, deadline: Deadline
  ) async throws -> CustomerID {
    var keys: [String] = []
    if !wanted.email.isEmpty { keys.append("customer/\(organization)/email/\(wanted.email)") }
    if !wanted.phone.isEmpty { keys.append("customer/\(organization)/phone/\(wanted.phone)") }
    let known = Self.customers(wanted, of: organization)
    return try await ServiceError.translating {
      let statements: [Query] = [
        "SELECT pg_advisory_xact_lock(hashtextextended(k.key, 0)) FROM unnest(\(keys)) AS k (key)",
        """
        WITH known AS (\(fragment: known)), made AS (
          INSERT INTO customer (organization_id, display_name, email, phone)
          SELECT \(organization), \(wanted.name), \(Self.given(wanted.email)), \(Self.given(wanted.phone))
          WHERE NOT EXISTS (SELECT 1 FROM known)
          ON CONFLICT DO NOTHING RETURNING id
        )
        SELECT id FROM known UNION ALL SELECT id FROM made
        """,
      ]
      // A ticket may have made the customer at the same moment without the lock; then the second look finds them.
      for _ in 1...2 {
        let rows = try await pool.transactionBatch(statements, deadline: deadline)
        if let row = rows[1].first { return try row.value(0) }
      }
      throw ServiceError(.conflict)
    }
  }

  /// The customer whom a ticket's data name: by number, else by address, else by phone number; at most one row.
  private static func customers(_ wanted: TicketCustomerDraft, of organization: OrganizationID) -> Query {
    if let id = wanted.id {
      return """
        SELECT c.id, c.display_name, c.email, c.phone FROM customer AS c
        WHERE c.organization_id = \(organization) AND c.id = \(id)
        """
    }
    return """
      SELECT c.id, c.display_name, c.email, c.phone FROM (
        (SELECT 1 AS rank, e.id, e.display_name, e.email, e.phone FROM customer AS e
          WHERE e.organization_id = \(organization) AND e.email = \(given(wanted.email)))
        UNION ALL
        (SELECT 2, p.id, p.display_name, p.email, p.phone FROM customer AS p
          WHERE p.organization_id = \(organization) AND p.phone = \(given(wanted.phone)) ORDER BY p.id LIMIT 1)
      ) AS c ORDER BY c.rank LIMIT 1
      """
  }

  static func given(_ text: String) -> String? { text.isEmpty ? nil : text }
}
