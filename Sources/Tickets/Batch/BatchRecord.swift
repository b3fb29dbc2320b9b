import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `ticket_batch`.
struct BatchRecord: Sendable {
  let serviceID: ServiceID
  let id: BatchID
  let state: BatchState
  let act: BatchAct
  /// Empty once the batch has ended.
  let text: String
  let internalReason: InternalReason?
  let processingTypeID: ProcessingTypeID?
  let priority: TicketPriority?
  let groupID: GroupID?
  let agentID: AgentID?
  let creator: AgentID
  let ticketCount: Int32
  let succeededCount: Int64
  let failedCount: Int64
  let cancelledCount: Int64
  let createTime: Instant
  let endTime: Instant?

  /// The columns, for `FROM ticket_batch AS b` and ``counts``; read by ``init(_:)``.
  static let columns: Query = """
    b.service_id, b.id, b.state, b.act, b.body, b.internal_reason, b.processing_type_id, b.priority, b.group_id, \
    b.agent_id, b.creator_agent_id, b.ticket_count, c.succeeded, c.failed, c.cancelled, b.create_time, b.end_time
    """

  /// How many tickets have which result: what the row says once the batch has ended, before that by its items.
  static let counts: Query = """
    LATERAL (
      SELECT b.succeeded_count::bigint AS succeeded, b.failed_count::bigint AS failed,
        b.cancelled_count::bigint AS cancelled WHERE b.end_time IS NOT NULL
      UNION ALL
      SELECT count(*) FILTER (WHERE i.outcome = 'SUCCEEDED'), count(*) FILTER (WHERE i.outcome = 'FAILED'),
        count(*) FILTER (WHERE i.outcome = 'CANCELLED')
      FROM ticket_batch_item AS i WHERE i.service_id = b.service_id AND i.batch_id = b.id AND b.end_time IS NULL
      HAVING b.end_time IS NULL
    ) AS c
    """

  init(_ row: Row) throws(PostgresError) {
    serviceID = try row.value(0)
    id = try row.value(1)
    state = try row.value(2)
    act = try row.value(3)
    text = try row.value(4)
    internalReason = try row.value(5)
    processingTypeID = try row.value(6)
    priority = try row.value(7)
    groupID = try row.value(8)
    agentID = try row.value(9)
    creator = try row.value(10)
    ticketCount = try row.value(11)
    succeededCount = try row.value(12)
    failedCount = try row.value(13)
    cancelledCount = try row.value(14)
    createTime = try row.value(15)
    endTime = try row.value(16)
  }

  /// The API's message.
  func message(in service: ServiceRecord, creatorDisplayName: String) -> Batch {
    Batch(
      name: BatchName(service: service.code, id: id).description, act: Batch.Act(rawValue: act.number), text: text,
      internalReason: Ticket.InternalReason(rawValue: internalReason?.number ?? 0),
      processingType: processingTypeID.map { ProcessingTypeName(service: service.code, id: $0).description } ?? "",
      priority: Ticket.Priority(rawValue: priority?.number ?? 0),
      group: groupID.map { GroupName(service: service.code, id: $0).description } ?? "",
      agent: agentID.map { AgentName(id: $0).description } ?? "", state: Batch.State(rawValue: state.number),
      ticketCount: ticketCount, succeededCount: Int32(clamping: succeededCount),
      failedCount: Int32(clamping: failedCount), cancelledCount: Int32(clamping: cancelledCount),
      creator: AgentName(id: creator).description, creatorDisplayName: creatorDisplayName,
      createTime: Timestamp(createTime), endTime: endTime.map { Timestamp($0) })
  }
}

/// A ticket of a batch that was taken to be acted on.
struct BatchItem: Sendable {
  let serviceID: ServiceID
  let batchID: BatchID
  let number: Int32
  let ticketID: TicketID
  /// 1 at the first attempt.
  let attempt: Int32
  let leaseHolder: String

  /// Holds while the item is its taker's and has no result; locks it until the change is written. As a change's guard
  /// it keeps a ticket from being acted on twice.
  var isHeld: Query {
    """
    EXISTS (SELECT 1 FROM ticket_batch_item WHERE service_id = \(serviceID) AND batch_id = \(batchID)
      AND number = \(number) AND outcome = 'PENDING' AND lease_holder = \(leaseHolder) FOR UPDATE)
    """
  }

  /// Notes the success together with the change (as its attachment) that ``isHeld`` guards.
  var success: Query {
    """
    UPDATE ticket_batch_item AS i SET outcome = 'SUCCEEDED', result_time = clock_timestamp(), lease_holder = NULL
    FROM changed WHERE i.service_id = \(serviceID) AND i.batch_id = \(batchID) AND i.number = \(number)
    """
  }
}

/// A row of `ticket_batch_item` as it is shown.
struct BatchItemRecord: Sendable {
  let number: Int32
  let ticketID: TicketID
  let outcome: BatchOutcome
  let reason: String
  let message: String
  let resultTime: Instant?

  static let columns: Query = "i.number, i.ticket_id, i.outcome, i.reason, i.message, i.result_time"

  init(_ row: Row) throws(PostgresError) {
    number = try row.value(0)
    ticketID = try row.value(1)
    outcome = try row.value(2)
    reason = try row.value(3)
    message = try row.value(4)
    resultTime = try row.value(5)
  }

  /// The API's message.
  func result(in service: ServiceRecord) -> BatchResult {
    BatchResult(
      ticket: TicketName(service: service.code, id: ticketID).description,
      outcome: BatchResult.Outcome(rawValue: outcome.number), reason: reason, message: message,
      time: resultTime.map { Timestamp($0) })
  }
}

// The texts of the CHECK lists are the raw values.
extension BatchAct: PostgresDecodable, PostgresBindable {}
extension BatchState: PostgresDecodable, PostgresBindable {}
extension BatchOutcome: PostgresDecodable, PostgresBindable {}
