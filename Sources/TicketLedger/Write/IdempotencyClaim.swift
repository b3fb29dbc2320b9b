import Crypto
import Postgres
package import ServiceKit

/// A request's claim to be carried out once: a repetition within 24 hours is answered as the first was.
package struct IdempotencyClaim: Sendable, Hashable {
  /// Longest request id, in characters.
  package static let requestIDCharactersMax = 128

  /// Who asked: `agents/7`, or a daemon's identity.
  package let caller: String
  /// The method's name.
  package let method: String
  /// The caller's own name for the request.
  package let requestID: String
  /// SHA-256 of the request as sent.
  package let requestHash: [UInt8]

  /// Claims a request; nil when the caller gave no request id.
  ///
  /// - Parameter request: the request's serialized bytes; the same id with other bytes is refused.
  /// - Throws: REQUEST_INVALID for an id that is too long or holds white space, control or other than ASCII characters.
  package static func claim(
    caller: String, method: String, requestID: String, request: [UInt8]
  ) throws(ServiceError) -> IdempotencyClaim? {
    guard !requestID.isEmpty else { return nil }
    guard requestID.utf8.count <= requestIDCharactersMax, requestID.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalid("request_id", "must be at most \(requestIDCharactersMax) visible ASCII characters")
    }
    return IdempotencyClaim(
      caller: caller, method: method, requestID: requestID, requestHash: SHA256.hash(request))
  }
}

/// What the database says about a claim: the first request's result.
struct IdempotencyRecord {
  let requestHash: [UInt8]
  let serviceID: ServiceID
  let ticketID: TicketID
  let resultIDs: [Int64]

  static let columns: Query = "k.request_hash, k.service_id, k.ticket_id, k.result_ids"

  /// The rest of a statement behind ``columns``: one row in any case.
  static func found(by claim: IdempotencyClaim) -> Query {
    """
    FROM (VALUES (1)) AS one LEFT JOIN idempotency_key AS k
      ON k.caller = \(claim.caller) AND k.method = \(claim.method) AND k.request_id = \(claim.requestID)
    """
  }

  /// Nil when the outer join found nothing.
  init?(_ row: Row, at column: Int) throws(PostgresError) {
    guard let requestHash: [UInt8] = try row.value(column) else { return nil }
    self.requestHash = requestHash
    serviceID = try row.value(column + 1)
    ticketID = try row.value(column + 2)
    resultIDs = try row.value(column + 3)
  }

  /// - Throws: REQUEST_ID_REUSED when another request has taken the id.
  func check(_ claim: IdempotencyClaim) throws(ServiceError) {
    guard requestHash == claim.requestHash else { throw ServiceError(.requestIDReused) }
  }
}
