import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `messenger_hook`.
struct MessengerHookRecord: Sendable {
  let id: MessengerHookID
  let displayName: String
  let sealedURL: [UInt8]
  let urlTime: Instant
  let version: Int64

  static let columns: Query = "h.id, h.display_name, h.sealed_url, h.url_time, h.version"

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    displayName = try row.value(1)
    sealedURL = try row.bytes(2)
    urlTime = try row.value(3)
    version = try row.value(4)
  }

  /// The hook as the API shows it: without its URL.
  func message(in service: String) -> MessengerHook {
    MessengerHook(
      name: MessengerHookName(service: service, id: id).description, displayName: displayName,
      urlTime: Timestamp(urlTime), version: version)
  }
}

/// SQL of messenger hooks. Errors of the database arrive as `ServiceError`.
struct MessengerHookStore: Sendable {
  /// Most hooks of a service.
  static let hooksMax: Int64 = 50

  let pool: PostgresPool

  /// The hooks of a service, in the order in which they were added.
  func hooks(of service: ServiceID, deadline: Deadline) async throws -> [MessengerHookRecord] {
    try await query(
      """
      SELECT \(fragment: MessengerHookRecord.columns) FROM messenger_hook AS h
      WHERE h.service_id = \(service) ORDER BY h.id LIMIT \(Self.hooksMax)
      """, deadline
    ).map { try MessengerHookRecord($0) }
  }

  /// A hook of a service; nil when there is none.
  func hook(
    _ id: MessengerHookID, of service: ServiceID, deadline: Deadline
  ) async throws -> MessengerHookRecord? {
    try await query(
      """
      SELECT \(fragment: MessengerHookRecord.columns) FROM messenger_hook AS h
      WHERE h.service_id = \(service) AND h.id = \(id)
      """, deadline
    ).first.map { try MessengerHookRecord($0) }
  }

  /// The id of a hook to be, under which its URL is sealed.
  func newID(deadline: Deadline) async throws -> MessengerHookID {
    try await query("SELECT nextval('messenger_hook_id_seq')", deadline)[0].value(0)
  }

  /// Adds a hook; nil when the service has as many as it can have.
  func create(
    _ id: MessengerHookID, _ displayName: String, _ sealedURL: [UInt8], in service: ServiceID, deadline: Deadline
  ) async throws -> MessengerHookRecord? {
    // One after the other, so that the limit holds.
    let lock: Query = "SELECT pg_advisory_xact_lock(hashtextextended(\("messenger hooks/\(service)"), 0))"
    let insertion: Query = """
      INSERT INTO messenger_hook AS h (service_id, id, display_name, sealed_url)
      SELECT \(service), \(id), \(displayName), \(sealedURL)
      WHERE (SELECT count(*) FROM messenger_hook AS x WHERE x.service_id = \(service)) < \(Self.hooksMax)
      RETURNING \(fragment: MessengerHookRecord.columns)
      """
    let rows = try await ServiceError.translating {
      try await pool.transactionBatch([lock, insertion], deadline: deadline)[1]
    }
    return try rows.first.map { try MessengerHookRecord($0) }
  }

  /// Changes a hook; nil when its version is another one, or there is none.
  ///
  /// - Parameters:
  ///   - displayName: nil: unchanged.
  ///   - sealedURL: nil: unchanged.
  func update(
    _ id: MessengerHookID, _ displayName: String?, _ sealedURL: [UInt8]?, version: Int64, of service: ServiceID,
    deadline: Deadline
  ) async throws -> MessengerHookRecord? {
    try await query(
      """
      UPDATE messenger_hook AS h SET version = h.version + 1, display_name = coalesce(\(displayName), h.display_name),
        sealed_url = coalesce(\(sealedURL), h.sealed_url),
        url_time = CASE WHEN \(sealedURL)::bytea IS NULL THEN h.url_time ELSE clock_timestamp() END
      WHERE h.service_id = \(service) AND h.id = \(id) AND h.version = \(version)
      RETURNING \(fragment: MessengerHookRecord.columns)
      """, deadline
    ).first.map { try MessengerHookRecord($0) }
  }

  /// Stores a URL that was sealed anew, unless another one was entered meanwhile.
  func reseal(
    _ id: MessengerHookID, _ old: [UInt8], as new: [UInt8], of service: ServiceID, deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE messenger_hook SET sealed_url = \(new)
      WHERE service_id = \(service) AND id = \(id) AND sealed_url = \(old)
      """, deadline)
  }

  /// The hooks of all services whose URLs another key of masking's than this one seals, with the services' codes.
  func hooks(
    sealedButBy key: String, deadline: Deadline
  ) async throws -> [(hook: MessengerHookRecord, service: ServiceID, code: String)] {
    try await query(
      """
      SELECT \(fragment: MessengerHookRecord.columns), s.id, s.code
      FROM messenger_hook AS h JOIN service AS s ON s.id = h.service_id
      WHERE \(fragment: SealForm.keyID(of: "h.sealed_url")) <> \(key) ORDER BY h.service_id, h.id
      """, deadline
    ).map { (try MessengerHookRecord($0), try $0.value(5), try $0.string(6)) }
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }
}
