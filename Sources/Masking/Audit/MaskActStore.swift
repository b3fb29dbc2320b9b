import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// SQL of the record of who masked, unmasked and saw what.
struct MaskActStore: Sendable {
  let pool: PostgresPool

  /// A row of the record.
  struct Record: Sendable {
    let id: Int64
    let ticket: TicketID
    let act: MaskAct
    let agent: AgentID?
    let masks: [MaskID]
    let sealedReason: [UInt8]?
    let keyID: String
    let createTime: Instant

    init(_ row: Row) throws(PostgresError) {
      id = try row.int64(0)
      ticket = try row.value(1)
      act = try row.value(2)
      agent = try row.optionalInt64(3).map { AgentID($0) }
      masks = try row.int64s(4).map { MaskID($0) }
      sealedReason = try row.optionalBytes(5)
      keyID = try row.string(6)
      createTime = try row.instant(7)
    }
  }

  /// What a report is about.
  struct Filter: Sendable {
    let service: ServiceID
    var agent: AgentID?
    var act: MaskAct?
    /// From this time on.
    var start: Instant?
    /// Before this time.
    var end: Instant?
  }

  /// Acts, the newest first.
  ///
  /// - Parameter before: only acts older than this one; 0: from the newest.
  func acts(_ filter: Filter, before id: Int64, limit: Int, deadline: Deadline) async throws -> [Record] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT id, ticket_id, act, agent_id, mask_ids, sealed_reason, key_id, create_time FROM mask_act
        WHERE service_id = \(filter.service) AND (\(id) = 0 OR id < \(id))
          AND (\(filter.agent) IS NULL OR agent_id = \(filter.agent))
          AND (\(filter.act) IS NULL OR act = \(filter.act))
          AND (\(filter.start) IS NULL OR create_time >= \(filter.start))
          AND (\(filter.end) IS NULL OR create_time < \(filter.end))
        ORDER BY id DESC LIMIT \(Int64(limit))
        """, deadline: deadline
      ).map(Record.init)
    }
  }

  /// Records an act: an attachment of the change that it is part of.
  static func insert(_ act: MaskAct, of masks: [MaskID], by agent: AgentID, reason: VaultKeys.Sealed?) -> Query {
    """
    INSERT INTO mask_act (service_id, ticket_id, act, agent_id, mask_ids, sealed_reason, key_id)
    SELECT c.service_id, c.id, \(act), \(agent), \(masks.map(\.rawValue)), \(reason?.bytes), \(reason?.keyID ?? "")
    FROM changed AS c
    """
  }
}
