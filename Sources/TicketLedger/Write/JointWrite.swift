package import Postgres

/// What another owner keeps of one event of a change, such as how an assignment was made: a row with the columns
/// `service_id`, `ticket_id`, `event_sequence` and `record`.
package struct EventAnnex: Sendable {
  /// The owner's table.
  package let table: StaticString
  /// Index of the event in the change.
  package let event: Int
  /// A protobuf message of the owner's.
  package let record: [UInt8]

  /// Describes a row.
  package init(to table: StaticString, event: Int, record: [UInt8]) {
    self.table = table
    self.event = event
    self.record = record
  }
}

extension TicketChange {
  /// The conditions without which nothing is written.
  var allGuards: [Query] { guards + (ends.map { [$0.isHeld] } ?? []) }

  /// The statements that are parts of the change's own one, as it was worked out.
  func allAttachments(of plan: ChangePlan) -> [Query] {
    let first = plan.before.eventCount + 1
    let rows = annexes.map { annex -> Query in
      """
      INSERT INTO \(unescaped: "\(annex.table)") (service_id, ticket_id, event_sequence, record)
      SELECT c.service_id, c.id, \(first + Int32(annex.event)), \(annex.record) FROM changed AS c
      """
    }
    return attachments + rows + (ends.map { [$0.removal] } ?? [])
  }
}

extension PreparedWrite {
  /// The statements that write changes of different tickets, for a transaction that is to write all or none.
  ///
  /// Those that set only what assigning a ticket sets are written by one statement, for which the server reads
  /// constraints and conditions of indexes once; the others by one each. Each fails (``PostgresError/isLostRace``)
  /// unless it writes all that it is to.
  package static func statements(of writes: [PreparedWrite]) -> [Query] {
    // In one order, so that two of them wait for each other instead of failing.
    let writes = writes.sorted { $0.plan.after.id.rawValue < $1.plan.after.id.rawValue }
    var together: [ServiceID: [PreparedWrite]] = [:]
    var alone: [PreparedWrite] = []
    for write in writes {
      let service = write.plan.after.serviceID
      if write.isJoinable, together[service]?.last?.plan.after.id != write.plan.after.id {
        together[service, default: []].append(write)
      } else {
        alone.append(write)
      }
    }
    return together.map { JointStatement($0, $1).query } + alone.map(\.statement)
  }

  private var isJoinable: Bool {
    change.idempotency == nil && change.guards.isEmpty && change.attachments.isEmpty && !change.isSilent
      && onLostRace == .failure && plan.setsOnlyAssignment
      && change.annexes.allSatisfy { "\($0.table)" == "\(change.annexes[0].table)" }
  }
}

extension ChangePlan {
  /// Whether nothing is written beside events, counters and work, and of the ticket only what ``JointStatement`` sets.
  fileprivate var setsOnlyAssignment: Bool {
    guard values.isEmpty, entries.isEmpty, fieldValues.isEmpty else { return false }
    var set = before
    set.state = after.state
    set.agentID = after.agentID
    set.groupID = after.groupID
    set.priority = after.priority
    set.submissionTypeID = after.submissionTypeID
    set.version = after.version
    set.updateTime = after.updateTime
    set.eventCount = after.eventCount
    set.eventHash = after.eventHash
    set.eventSeal = after.eventSeal
    return set == after
  }
}

/// The one statement that writes changes of many tickets of a service, or fails.
private struct JointStatement {
  private let service: ServiceID
  private let writes: [PreparedWrite]
  private let plans: [ChangePlan]

  init(_ service: ServiceID, _ writes: [PreparedWrite]) {
    self.service = service
    self.writes = writes
    plans = writes.map(\.plan)
  }

  var query: Query {
    """
    WITH \(fragment: given), \(fragment: changed), \(fragment: events), \(fragment: told)\(fragment: counted)
    \(fragment: work)\(fragment: annexed), ended AS (
      DELETE FROM outbox AS o USING given AS g, changed AS c WHERE c.id = g.id AND o.id = g.work_id
    )
    SELECT 1 / (count(*) / \(Int64(plans.count))) FROM changed
    """
  }

  /// Each ticket as it is to be; locks the work that is to end, which must still be its claimer's.
  private var given: Query {
    """
    given AS MATERIALIZED (
      SELECT v.* FROM unnest(
        \(plans.map(\.after.id)), \(plans.map(\.before.version)), \(plans.map(\.before.eventCount)),
        \(plans.map(\.after.version)), \(plans.map(\.after.updateTime)), \(plans.map(\.after.eventCount)),
        \(plans.map(\.after.eventHash)), \(plans.map(\.after.eventSeal)), \(plans.map(\.after.state)),
        \(plans.map(\.after.agentID)), \(plans.map(\.after.groupID)), \(plans.map(\.after.priority)),
        \(plans.map(\.after.submissionTypeID)), \(writes.map(\.change.ends?.id)),
        \(writes.map(\.change.ends?.leaseHolder))
      ) AS v (id, old_version, old_event_count, version, update_time, event_count, event_hash, event_seal, state,
        agent_id, group_id, priority, submission_type_id, work_id, holder)
    ), held AS MATERIALIZED (
      SELECT o.id FROM given AS g JOIN outbox AS o ON o.id = g.work_id
      WHERE o.lease_holder = g.holder OR (g.holder IS NULL AND \(fragment: Outbox.isUnclaimed)) FOR UPDATE OF o
    )
    """
  }

  private var changed: Query {
    """
    changed AS (
      UPDATE ticket AS t SET version = g.version, update_time = g.update_time, event_count = g.event_count,
        event_hash = g.event_hash, event_seal = g.event_seal, state = g.state, agent_id = g.agent_id,
        group_id = g.group_id, priority = g.priority, submission_type_id = g.submission_type_id
      FROM given AS g
      WHERE t.service_id = \(service) AND t.id = g.id AND t.version = g.old_version
        AND t.event_count = g.old_event_count AND (g.work_id IS NULL OR g.work_id IN (SELECT id FROM held))
      RETURNING t.service_id, t.id
    )
    """
  }

  private var events: Query {
    let rows = plans.flatMap { plan in plan.events.map { (plan, $0) } }
    return """
      event AS (
        INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
          changes, create_time, hash, version)
        SELECT c.service_id, v.* FROM unnest(
          \(rows.map(\.0.after.id)), \(rows.map(\.1.sequence)), \(rows.map(\.1.code)), \(rows.map(\.1.actor.kind)),
          \(rows.map(\.1.actor.name)), \(rows.map(\.1.causeSequence)), \(rows.map(\.1.changes)),
          \(rows.map(\.1.createTime)), \(rows.map(\.1.hash)), \(rows.map(\.0.after.version))
        ) AS v (ticket_id) JOIN changed AS c ON c.id = v.ticket_id
      )
      """
  }

  /// What readers of the change stream will be told, once it has been numbered.
  private var told: Query {
    """
    told AS (
      INSERT INTO ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
      SELECT c.service_id, g.id, g.old_event_count + 1, g.event_count, g.version
      FROM given AS g JOIN changed AS c ON c.id = g.id
    )
    """
  }

  private var counted: Query {
    let rows = plans.flatMap { plan in plan.countChanges.map { (plan.after, $0) } }
    guard !rows.isEmpty else { return "" }
    return """
      , counted AS (
        INSERT INTO ticket_count_change (service_id, minute, agent_id, state, change)
        SELECT c.service_id, v.minute, v.agent_id, v.state, v.change FROM unnest(
          \(rows.map(\.0.id)), \(rows.map(\.0.createTime.startOfMinute)), \(rows.map(\.1.agentID)),
          \(rows.map(\.1.state)), \(rows.map(\.1.change))
        ) AS v (ticket_id, minute, agent_id, state, change) JOIN changed AS c ON c.id = v.ticket_id
      )
      """
  }

  private var work: Query {
    let rows = plans.flatMap { plan in plan.outbox.map { (plan.after.id, $0) } }
    guard !rows.isEmpty else { return "" }
    return """
      , work AS (
        INSERT INTO outbox (service_id, ticket_id, topic, event_sequence, payload)
        SELECT c.service_id, v.* FROM unnest(
          \(rows.map(\.0)), \(rows.map(\.1.topic)), \(rows.map(\.1.eventSequence)), \(rows.map(\.1.payload))
        ) AS v (ticket_id) JOIN changed AS c ON c.id = v.ticket_id
      )
      """
  }

  private var annexed: Query {
    let rows = writes.flatMap { write in
      write.change.annexes.map { annex in
        (write.plan.after.id, write.plan.before.eventCount + 1 + Int32(annex.event), annex)
      }
    }
    guard let table = rows.first?.2.table else { return "" }
    return """
      , annexed AS (
        INSERT INTO \(unescaped: "\(table)") (service_id, ticket_id, event_sequence, record)
        SELECT c.service_id, v.* FROM unnest(
          \(rows.map(\.0)), \(rows.map(\.1)), \(rows.map(\.2.record))
        ) AS v (ticket_id) JOIN changed AS c ON c.id = v.ticket_id
      )
      """
  }
}
