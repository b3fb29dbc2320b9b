import Crypto
import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// SQL of batches; it throws the database's errors as ``ServiceError``.
struct BatchStore: Sendable {
  /// Batches that an agent may have running in a service at a time.
  static let runningOfAgentMax: Int64 = 5
  /// Batches that may be running in a service at a time.
  static let runningMax: Int64 = 20
  /// How long what was taken is its taker's; an item is to be over well before.
  static let leaseDuration: Duration = .seconds(30)
  /// How long a batch may take; what it has not come to then has failed. Shorter than requests are remembered, by which
  /// no ticket is forwarded twice.
  static let lifetime: Duration = .seconds(12 * 3600)
  /// How long the results of a batch are kept.
  static let resultsKept: Duration = .seconds(30 * 24 * 3600)
  /// Woken on this channel: there is something to do.
  static let channel = "handoff_ticket_batch"

  let pool: PostgresPool

  /// Writes an order down with all its items.
  ///
  /// - Returns: nil when the same request was carried out before.
  /// - Throws: LIMIT_REACHED.
  func insert(
    _ order: BatchOrder, of service: ServiceID, by creator: AgentID, claim: IdempotencyClaim?, deadline: Deadline
  ) async throws -> BatchID? {
    do {
      let rows = try await pool.query(
        """
        WITH running AS (
          SELECT count(*) AS count, count(*) FILTER (WHERE creator_agent_id = \(creator)) AS own FROM ticket_batch
          WHERE service_id = \(service) AND end_time IS NULL
        ), made AS (
          INSERT INTO ticket_batch (service_id, act, body, internal_reason, processing_type_id, priority, group_id,
            agent_id, creator_agent_id, request_id, request_hash, ticket_count)
          SELECT \(service), \(order.act), \(order.text), \(order.internalReason), \(order.processingType?.id),
            \(order.priority), \(order.group?.id), \(order.agent?.id), \(creator), \(claim?.requestID),
            \(claim?.requestHash), \(Int32(order.tickets.count))
          FROM running WHERE count < \(Self.runningMax) AND own < \(Self.runningOfAgentMax)
          RETURNING id
        ), item AS (
          INSERT INTO ticket_batch_item (service_id, batch_id, number, ticket_id)
          SELECT \(service), made.id, t.number::integer, t.id
          FROM made, unnest(\(order.tickets)) WITH ORDINALITY AS t (id, number)
        )
        SELECT id FROM made
        """, deadline: deadline)
      guard let row = rows.first else {
        throw ServiceError(.limitReached, "as many batches are running as can be; wait until one has ended")
      }
      return try row.value(0)
    } catch let error as PostgresError {
      guard error.violates("ticket_batch_request_key") else { throw ServiceError(postgres: error) }
      return nil
    }
  }

  /// The batch that an earlier request made.
  ///
  /// - Throws: REQUEST_ID_REUSED when it was another request.
  func earlier(
    _ claim: IdempotencyClaim, by creator: AgentID, deadline: Deadline
  ) async throws -> (service: ServiceID, id: BatchID)? {
    let row = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT b.service_id, b.id, b.request_hash FROM ticket_batch AS b
        WHERE b.creator_agent_id = \(creator) AND b.request_id = \(claim.requestID)
        """, deadline: deadline
      ).first
    }
    guard let row else { return nil }
    guard claim.isSame(as: try row.value(2)) else { throw ServiceError(.requestIDReused) }
    return (try row.value(0), try row.value(1))
  }

  /// A batch.
  ///
  /// - Throws: BATCH_NOT_FOUND.
  func batch(_ id: BatchID, of service: ServiceID, deadline: Deadline) async throws -> BatchRecord {
    let rows = try await rows(
      """
      SELECT \(fragment: BatchRecord.columns) FROM ticket_batch AS b, \(fragment: BatchRecord.counts)
      WHERE b.service_id = \(service) AND b.id = \(id)
      """, deadline)
    guard let row = rows.first else { throw ServiceError(.batchNotFound) }
    return try BatchRecord(row)
  }

  /// A page of a service's batches, newest first.
  ///
  /// - Parameters:
  ///   - creator: only those of this agent; nil: all.
  ///   - before: the last of the page before; nil: from the newest.
  func batches(
    of service: ServiceID, by creator: AgentID?, before: BatchID?, limit: Int, deadline: Deadline
  ) async throws -> [BatchRecord] {
    let own: Query = creator.map { "AND b.creator_agent_id = \($0)" } ?? ""
    return try await rows(
      """
      SELECT \(fragment: BatchRecord.columns) FROM ticket_batch AS b, \(fragment: BatchRecord.counts)
      WHERE b.service_id = \(service) AND b.id < \(before ?? BatchID(Int64.max)) \(fragment: own)
      ORDER BY b.id DESC LIMIT \(limit)
      """, deadline
    ).map { try BatchRecord($0) }
  }

  /// A page of a batch's items, in their order.
  func items(
    of batch: BatchRecord, outcome: BatchOutcome?, after: Int32, limit: Int, deadline: Deadline
  ) async throws -> [BatchItemRecord] {
    let filter: Query = outcome.map { "AND i.outcome = \($0)" } ?? ""
    return try await rows(
      """
      SELECT \(fragment: BatchItemRecord.columns) FROM ticket_batch_item AS i
      WHERE i.service_id = \(batch.serviceID) AND i.batch_id = \(batch.id) AND i.number > \(after) \(fragment: filter)
      ORDER BY i.number LIMIT \(limit)
      """, deadline
    ).map { try BatchItemRecord($0) }
  }

  /// Cancels a running batch: nothing more is begun, and what is under way ends as it ends.
  ///
  /// What was taken is cancelled too: an act writes nothing when its item has a result. Only of a ticket that is being
  /// forwarded, assignment decides.
  func cancel(_ batch: BatchRecord, deadline: Deadline) async throws {
    _ = try await ServiceError.translating {
      try await pool.transactionBatch(
        [
          """
          UPDATE ticket_batch SET state = 'CANCELLED'
          WHERE service_id = \(batch.serviceID) AND id = \(batch.id) AND state = 'RUNNING'
          """,
          """
          UPDATE ticket_batch_item AS i SET outcome = 'CANCELLED', result_time = clock_timestamp(), lease_holder = NULL
          FROM ticket_batch AS b
          WHERE b.service_id = \(batch.serviceID) AND b.id = \(batch.id) AND b.state = 'CANCELLED'
            AND i.service_id = b.service_id AND i.batch_id = b.id AND i.outcome = 'PENDING'
            AND (i.lease_holder IS NULL OR b.act <> 'FORWARD')
          """,
        ], deadline: deadline)
    }
    try await end(deadline: deadline)
  }

  /// Takes items that are due, for ``leaseDuration``; what others are taking at the moment is left to them.
  ///
  /// All batches that have any get the same part of it, so that a large one keeps no other waiting.
  func take(limit: Int, holder: String, deadline: Deadline) async throws -> [BatchItem] {
    try await rows(
      """
      WITH busy AS MATERIALIZED (
        SELECT b.service_id, b.id FROM ticket_batch AS b WHERE b.end_time IS NULL AND EXISTS (
          SELECT FROM ticket_batch_item AS i WHERE i.service_id = b.service_id AND i.batch_id = b.id
            AND i.outcome = 'PENDING' AND i.due_time <= clock_timestamp())
        -- When there are more of them than items are taken, it is chance whose turn it is.
        ORDER BY random() LIMIT \(limit)
      ), chosen AS (
        SELECT d.service_id, d.batch_id, d.number FROM busy AS b CROSS JOIN LATERAL (
          SELECT i.service_id, i.batch_id, i.number FROM ticket_batch_item AS i
          WHERE i.service_id = b.service_id AND i.batch_id = b.id
            AND i.outcome = 'PENDING' AND i.due_time <= clock_timestamp()
          ORDER BY i.due_time, i.number LIMIT (SELECT \(limit) / greatest(count(*), 1) FROM busy)
          FOR UPDATE SKIP LOCKED
        ) AS d
      )
      UPDATE ticket_batch_item AS i SET lease_holder = \(holder), attempt_count = i.attempt_count + 1,
        due_time = clock_timestamp() + \(Self.leaseDuration.components.seconds) * interval '1 second'
      FROM chosen AS c WHERE i.service_id = c.service_id AND i.batch_id = c.batch_id AND i.number = c.number
      RETURNING i.service_id, i.batch_id, i.number, i.ticket_id, i.attempt_count
      """, deadline
    ).map { row in
      BatchItem(
        serviceID: try row.value(0), batchID: try row.value(1), number: try row.value(2), ticketID: try row.value(3),
        attempt: try row.value(4), leaseHolder: holder)
    }
  }

  /// Notes what became of an item, unless somebody else has taken it over or it has its result.
  func settle(
    _ item: BatchItem, _ outcome: BatchOutcome, reason: String = "", message: String = "", deadline: Deadline
  ) async throws {
    _ = try await rows(
      """
      UPDATE ticket_batch_item AS i SET outcome = \(outcome), reason = \(reason), message = \(message),
        result_time = clock_timestamp(), lease_holder = NULL
      WHERE \(fragment: Self.held(item))
      """, deadline)
  }

  /// Lets an item wait for another attempt.
  func postpone(_ item: BatchItem, milliseconds: Int64, deadline: Deadline) async throws {
    _ = try await rows(
      """
      UPDATE ticket_batch_item AS i
      SET due_time = clock_timestamp() + \(milliseconds) * interval '1 millisecond', lease_holder = NULL
      WHERE \(fragment: Self.held(item))
      """, deadline)
  }

  /// Ends batches of which no item is pending, and those whose time is over.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  func end(deadline: Deadline) async throws {
    _ = try await ServiceError.translating {
      try await pool.transactionBatch(
        [
          // What was to be tried again when its batch was cancelled, and what is too late.
          """
          UPDATE ticket_batch_item AS i SET
            outcome = CASE b.state WHEN 'CANCELLED' THEN 'CANCELLED' ELSE 'FAILED' END,
            reason = CASE b.state WHEN 'CANCELLED' THEN '' ELSE 'DEADLINE_EXCEEDED' END,
            message = CASE b.state WHEN 'CANCELLED' THEN ''
              ELSE 'the batch took too long; order what is left anew' END,
            result_time = clock_timestamp(), lease_holder = NULL
          FROM ticket_batch AS b
          WHERE b.end_time IS NULL AND i.service_id = b.service_id AND i.batch_id = b.id AND i.outcome = 'PENDING'
            AND i.lease_holder IS NULL AND (b.state = 'CANCELLED'
              OR b.create_time < clock_timestamp() - \(Self.lifetime.components.seconds) * interval '1 second')
          """,
          """
          UPDATE ticket_batch AS b SET state = CASE WHEN b.state = 'RUNNING' THEN 'DONE' ELSE b.state END, body = '',
            end_time = clock_timestamp(), succeeded_count = c.succeeded, failed_count = c.failed,
            cancelled_count = c.cancelled
          FROM (
            SELECT i.service_id, i.batch_id, count(*) FILTER (WHERE i.outcome = 'SUCCEEDED') AS succeeded,
              count(*) FILTER (WHERE i.outcome = 'FAILED') AS failed,
              count(*) FILTER (WHERE i.outcome = 'CANCELLED') AS cancelled
            FROM ticket_batch AS r JOIN ticket_batch_item AS i ON i.service_id = r.service_id AND i.batch_id = r.id
            WHERE r.end_time IS NULL GROUP BY i.service_id, i.batch_id
            HAVING count(*) FILTER (WHERE i.outcome = 'PENDING') = 0
          ) AS c
          WHERE b.service_id = c.service_id AND b.id = c.batch_id AND b.end_time IS NULL
          """,
        ], deadline: deadline)
    }
  }

  /// Whether a batch was cancelled.
  func isCancelled(_ item: BatchItem, deadline: Deadline) async throws -> Bool {
    try await !rows(
      """
      SELECT 1 FROM ticket_batch AS b
      WHERE b.service_id = \(item.serviceID) AND b.id = \(item.batchID) AND b.state = 'CANCELLED'
      """, deadline
    ).isEmpty
  }

  /// Whether a batch has not ended.
  func hasRunning(deadline: Deadline) async throws -> Bool {
    try await !rows("SELECT 1 FROM ticket_batch AS b WHERE b.end_time IS NULL LIMIT 1", deadline).isEmpty
  }

  /// Checks that the type and the group that an order names are there.
  ///
  /// - Throws: TYPE_NOT_FOUND, GROUP_NOT_FOUND.
  func requireNamed(_ order: BatchOrder, of service: ServiceID, deadline: Deadline) async throws {
    let (type, group) = (order.processingType?.id, order.group?.id)
    guard type != nil || group != nil else { return }
    let row = try await rows(
      """
      SELECT EXISTS (SELECT FROM processing_type AS p WHERE p.service_id = \(service) AND p.id = \(type)),
        EXISTS (SELECT FROM agent_group AS g WHERE g.service_id = \(service) AND g.id = \(group))
      """, deadline)[0]
    guard try type == nil || row.bool(0) else { throw ServiceError(.typeNotFound) }
    guard try group == nil || row.bool(1) else { throw ServiceError(.groupNotFound) }
  }

  /// One of the tickets that an order names and that are there; nil: none is.
  func someTicket(of order: BatchOrder, _ service: ServiceID, deadline: Deadline) async throws -> TicketID? {
    try await rows(
      """
      SELECT t.id FROM ticket AS t
      WHERE t.service_id = \(service) AND t.id = ANY (\(order.tickets)) AND t.delete_time IS NULL LIMIT 1
      """, deadline
    ).first.map { try $0.value(0) }
  }

  /// Removes batches that ended long ago.
  ///
  /// - Returns: how many.
  func removeOld(limit: Int, deadline: Deadline) async throws -> Int {
    try await rows(
      """
      DELETE FROM ticket_batch WHERE (service_id, id) IN (
        SELECT service_id, id FROM ticket_batch
        WHERE end_time < clock_timestamp() - \(Self.resultsKept.components.seconds) * interval '1 second'
        LIMIT \(limit))
      """, deadline
    ).affected
  }

  /// Wakes the runners.
  func announce(deadline: Deadline) async {
    // They look by themselves, too.
    _ = try? await pool.query("SELECT pg_notify(\(Self.channel), '')", deadline: deadline)
  }

  private static func held(_ item: BatchItem) -> Query {
    """
    i.service_id = \(item.serviceID) AND i.batch_id = \(item.batchID) AND i.number = \(item.number)
      AND i.outcome = 'PENDING' AND i.lease_holder = \(item.leaseHolder)
    """
  }

  private func rows(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }
}
