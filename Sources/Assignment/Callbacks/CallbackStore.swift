import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// SQL of callbacks that are not delivered, and of the secrets that they are signed with.
struct CallbackStore: Sendable {
  /// A callback as it is to be sent.
  struct Record: Sendable {
    let id: Int64
    let url: String
    /// Complete but for the callback's name.
    let body: CallbackBody
  }

  /// A callback and where it stands.
  struct Standing: Sendable {
    let record: Record
    let ticket: TicketID
    let attemptCount: Int32
    let createTime: Instant
    let dueTime: Instant
    let deadTime: Instant?
    let deadReason: String
  }

  /// The secrets of a service, sealed.
  struct Secrets: Sendable {
    let sealed: [UInt8]
    /// The one before it, while it still counts.
    let previousSealed: [UInt8]?
    let createTime: Instant
  }

  /// For how many hours after a change callbacks are signed with the secret before it, too.
  static let overlapHours: Int64 = 24

  let pool: PostgresPool

  /// What a piece of work is to send; nil when it is gone.
  func record(of item: OutboxItem, deadline: Deadline) async throws -> Record? {
    try await query(
      """
      SELECT \(fragment: Self.columns) FROM callback AS c
      WHERE c.service_id = \(item.serviceID) AND c.ticket_id = \(item.ticketID)
        AND c.event_sequence = \(item.eventSequence)
      """, deadline
    ).first.map { try Record($0) }
  }

  /// Callbacks of a service, the oldest first.
  ///
  /// - Parameter isDead: only those given up, or only the others; nil: all.
  func callbacks(
    of service: ServiceID, isDead: Bool?, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [Standing] {
    let condition: Query =
      switch isDead {
      case nil: ""
      case true?: " AND o.dead_time IS NOT NULL"
      case false?: " AND o.dead_time IS NULL"
      }
    return try await standings(
      """
      WHERE c.service_id = \(service) AND c.id > \(after)\(fragment: condition) ORDER BY c.id LIMIT \(limit)
      """, deadline)
  }

  /// One callback; nil when it was delivered or never was.
  func callback(_ id: Int64, of service: ServiceID, deadline: Deadline) async throws -> Standing? {
    try await standings("WHERE c.service_id = \(service) AND c.id = \(id)", deadline).first
  }

  /// The statement that makes a dead callback wait again, as a part of the change that says so.
  static func revival(of record: Record) -> Query {
    """
    UPDATE outbox AS o SET dead_time = NULL, dead_reason = NULL, attempt_count = 0, due_time = clock_timestamp(),
      create_time = clock_timestamp()
    FROM changed AS c WHERE o.service_id = c.service_id AND o.ticket_id = c.id AND o.topic = 'CALLBACKS'
      AND o.event_sequence = \(record.body.eventSequence) AND o.dead_time IS NOT NULL
    """
  }

  /// The secrets of a service; nil when it has none.
  func secrets(of service: ServiceID, deadline: Deadline) async throws -> Secrets? {
    try await query(
      """
      SELECT s.sealed, CASE WHEN s.create_time > clock_timestamp() - \(Self.overlapHours) * interval '1 hour'
        THEN s.previous_sealed END, s.create_time
      FROM callback_secret AS s WHERE s.service_id = \(service)
      """, deadline
    ).first.map { Secrets(sealed: try $0.bytes(0), previousSealed: try $0.value(1), createTime: try $0.value(2)) }
  }

  /// The seals of services' secrets that another key of masking's than this one made, with the service's code.
  func seals(
    butOf key: String, deadline: Deadline
  ) async throws -> [(service: ServiceID, code: String, sealed: [UInt8])] {
    try await query(
      """
      SELECT s.id, s.code, v.sealed FROM callback_secret AS c JOIN service AS s ON s.id = c.service_id
      CROSS JOIN LATERAL (VALUES (c.sealed), (c.previous_sealed)) AS v (sealed)
      WHERE v.sealed IS NOT NULL AND \(fragment: SealForm.keyID(of: "v.sealed")) <> \(key) ORDER BY s.id
      """, deadline
    ).map { (try $0.value(0), try $0.string(1), try $0.value(2)) }
  }

  /// Stores a new secret; the one there is becomes the one before it.
  func rotate(to sealed: [UInt8], of service: ServiceID, deadline: Deadline) async throws {
    _ = try await query(
      """
      INSERT INTO callback_secret AS s (service_id, sealed) VALUES (\(service), \(sealed))
      ON CONFLICT (service_id) DO UPDATE
      SET sealed = excluded.sealed, previous_sealed = s.sealed, create_time = clock_timestamp()
      """, deadline)
  }

  /// Stores a secret sealed anew in the place of its old seal.
  func reseal(_ old: [UInt8], as new: [UInt8], of service: ServiceID, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE callback_secret SET sealed = CASE WHEN sealed = \(old) THEN \(new) ELSE sealed END,
        previous_sealed = CASE WHEN previous_sealed = \(old) THEN \(new) ELSE previous_sealed END
      WHERE service_id = \(service)
      """, deadline)
  }

  private func standings(_ condition: Query, _ deadline: Deadline) async throws -> [Standing] {
    try await query(
      """
      SELECT \(fragment: Self.columns), c.ticket_id, o.attempt_count, o.create_time, o.due_time, o.dead_time,
        o.dead_reason
      FROM callback AS c JOIN outbox AS o ON o.service_id = c.service_id AND o.ticket_id = c.ticket_id
        AND o.event_sequence = c.event_sequence AND o.topic = c.topic
      \(fragment: condition)
      """, deadline
    ).map { row in
      let reason: String? = try row.value(14)
      return Standing(
        record: try Record(row), ticket: try row.value(9), attemptCount: try row.value(10),
        createTime: try row.value(11), dueTime: try row.value(12), deadTime: try row.value(13),
        deadReason: reason ?? "")
    }
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }

  private static let columns: Query = """
    c.id, c.url, c.body, c.event_sequence, c.title, c.customer_name, c.customer_email, c.customer_phone, \
    c.customer_user_code
    """
}

extension CallbackStore.Record {
  fileprivate init(_ row: Row) throws {
    id = try row.int64(0)
    url = try row.value(1)
    var body = try CallbackBody(serialized: try row.bytes(2))
    body.eventSequence = try row.value(3)
    body.ticket?.title = try row.value(4)
    body.ticket?.customer?.displayName = try row.value(5)
    body.ticket?.customer?.email = try row.value(6)
    body.ticket?.customer?.phone = try row.value(7)
    body.ticket?.customer?.userCode = try row.value(8)
    self.body = body
  }
}
