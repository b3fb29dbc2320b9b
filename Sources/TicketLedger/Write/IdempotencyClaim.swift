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
  /// Keyed hash of the request as sent: what is masked later cannot be found out by hashing what was perhaps asked.
  package let requestHash: [UInt8]
  /// SHA-256 of it, which earlier versions kept for their 24 hours.
  private let formerHash: [UInt8]

  /// Claims a request; nil when the caller gave no request id.
  ///
  /// - Parameter request: the request's serialized bytes; the same id with other bytes is refused.
  /// - Throws: as ``check(requestID:)``.
  package static func claim(
    caller: String, method: String, requestID: String, request: [UInt8], key: LedgerKey
  ) throws(ServiceError) -> IdempotencyClaim? {
    try check(requestID: requestID)
    guard !requestID.isEmpty else { return nil }
    let hash = SHA256.hash(request)
    return IdempotencyClaim(
      caller: caller, method: method, requestID: requestID, requestHash: key.requests.authenticate(hash),
      formerHash: hash)
  }

  /// Checks a request id; none is fine.
  ///
  /// - Throws: REQUEST_INVALID for an id that is too long or holds white space, control or other than ASCII characters.
  package static func check(requestID: String) throws(ServiceError) {
    guard requestID.utf8.count <= requestIDCharactersMax, requestID.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalid("request_id", "must be at most \(requestIDCharactersMax) visible ASCII characters")
    }
  }

  /// Whether a hash that was kept is of the same request.
  package func isSame(as kept: [UInt8]?) -> Bool { kept == requestHash || kept == formerHash }
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
    guard claim.isSame(as: requestHash) else { throw ServiceError(.requestIDReused) }
  }
}
