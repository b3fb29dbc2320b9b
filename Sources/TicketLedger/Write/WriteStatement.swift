package import Postgres

/// What becomes of a statement whose guard found the ticket changed.
package enum LostRace: Sendable {
  /// It returns no row.
  case noRow
  /// It fails (``PostgresError/isLostRace``), so that its companions in the same transaction fail with it.
  case failure
}

extension PostgresError {
  // Division by zero.
  fileprivate static let lostRaceState = "22012"

  /// Whether a guard found a ticket changed, in a statement that was to fail then.
  package var isLostRace: Bool { sqlState == Self.lostRaceState }
}

extension ChangePlan {
  /// The one statement that writes the plan: the guarded update, and with it everything that follows, or nothing.
  ///
  /// The claim is taken after the update, so that a failed or lost change never keeps it; a claim that another request
  /// holds fails the whole statement (23505, `idempotency_key_pkey`).
  func updateStatement(
    _ claim: IdempotencyClaim?, resultIDs: [Int64], isSilent: Bool, onLostRace: LostRace, guards: [Query] = [],
    attachments: [Query] = []
  ) -> Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 48)
    sql.appendLiteral("WITH changed AS (UPDATE ticket SET event_count = ")
    sql.appendInterpolation(after.eventCount)
    sql.appendLiteral(", event_hash = ")
    sql.appendInterpolation(after.eventHash)
    sql.appendLiteral(", event_seal = ")
    sql.appendInterpolation(after.eventSeal)
    if !isSilent {
      sql.appendLiteral(", version = ")
      sql.appendInterpolation(after.version)
      sql.appendLiteral(", update_time = ")
      sql.appendInterpolation(after.updateTime)
      appendAssignments(&sql)
    }
    sql.appendLiteral(" WHERE service_id = ")
    sql.appendInterpolation(before.serviceID)
    sql.appendLiteral(" AND id = ")
    sql.appendInterpolation(before.id)
    sql.appendLiteral(" AND version = ")
    sql.appendInterpolation(before.version)
    sql.appendLiteral(" AND event_count = ")
    sql.appendInterpolation(before.eventCount)
    sql.appendLiteral(" AND mask_generation = ")
    sql.appendInterpolation(before.maskGeneration)
    for condition in guards {
      sql.appendLiteral(" AND ")
      sql.appendInterpolation(fragment: condition)
    }
    sql.appendLiteral(" RETURNING service_id, id)")
    appendRows(&sql, claim, resultIDs)
    sql.attach(attachments)
    switch onLostRace {
    case .noRow: sql.appendLiteral(" SELECT 1 FROM changed")
    case .failure: sql.appendLiteral(" SELECT 1 / count(*) FROM changed")
    }
    return Query(stringInterpolation: sql)
  }

  /// The one statement that creates the ticket with everything that belongs to it.
  func insertStatement(_ claim: IdempotencyClaim?, resultIDs: [Int64], attachments: [Query]) -> Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 80)
    sql.appendLiteral(
      """
      WITH changed AS (INSERT INTO ticket (service_id, id, state, group_id, agent_id, priority, channel, language, \
      title, submission_type_id, organization_id, customer_id, customer_name, customer_email, customer_phone, \
      customer_user_code, creator_agent_id, source_service_id, source_ticket_id, previous_ticket_id, call_back_phone, \
      call_back_time, call_back_active, entry_count, event_count, event_hash, event_seal, \
      create_time, update_time, mask_generation, privacy_consent) VALUES (
      """)
    sql.appendInterpolation(after.serviceID)
    sql.next(after.id)
    sql.next(after.state)
    sql.next(after.groupID)
    sql.next(after.agentID)
    sql.next(after.priority)
    sql.next(after.channel)
    sql.next(after.language)
    sql.next(after.title)
    sql.next(after.submissionTypeID)
    sql.next(after.organizationID)
    sql.next(after.customerID)
    sql.next(after.customerName)
    sql.next(after.customerEmail)
    sql.next(after.customerPhone)
    sql.next(after.customerUserCode)
    sql.next(after.creatorAgentID)
    sql.next(after.source?.serviceID)
    sql.next(after.source?.ticketID)
    sql.next(after.previousID)
    sql.next(after.callBack?.phone ?? "")
    sql.next(after.callBack?.time)
    sql.next(after.callBack?.isActive ?? false)
    sql.next(after.entryCount)
    sql.next(after.eventCount)
    sql.next(after.eventHash)
    sql.next(after.eventSeal)
    sql.next(after.createTime)
    sql.next(after.updateTime)
    sql.next(after.maskGeneration)
    sql.next(after.hasPrivacyConsent)
    sql.appendLiteral(") RETURNING service_id, id)")
    appendRows(&sql, claim, resultIDs)
    sql.attach(attachments)
    sql.appendLiteral(" SELECT 1 FROM changed")
    return Query(stringInterpolation: sql)
  }

  /// Only what changed is named: each daemon's role may update certain columns and no others.
  private func appendAssignments(_ sql: inout Query.Interpolation) {
    func assign<Value: PostgresBindable & Equatable>(_ column: StaticString, _ old: Value, _ new: Value) {
      guard old != new else { return }
      sql.appendLiteral(", ")
      sql.appendLiteral(column)
      sql.appendLiteral(" = ")
      sql.appendInterpolation(new)
    }
    assign("state", before.state, after.state)
    assign("agent_id", before.agentID, after.agentID)
    assign("group_id", before.groupID, after.groupID)
    assign("priority", before.priority, after.priority)
    assign("submission_type_id", before.submissionTypeID, after.submissionTypeID)
    assign("processing_type_id", before.processingTypeID, after.processingTypeID)
    assign("internal_reason", before.internalReason, after.internalReason)
    assign("is_spam", before.isSpam, after.isSpam)
    assign("state_before_spam", before.stateBeforeSpam, after.stateBeforeSpam)
    assign("title", before.title, after.title)
    assign("customer_id", before.customerID, after.customerID)
    assign("customer_name", before.customerName, after.customerName)
    assign("customer_email", before.customerEmail, after.customerEmail)
    assign("customer_phone", before.customerPhone, after.customerPhone)
    assign("customer_user_code", before.customerUserCode, after.customerUserCode)
    assign("target_service_id", before.target?.serviceID, after.target?.serviceID)
    assign("target_ticket_id", before.target?.ticketID, after.target?.ticketID)
    assign("escalated_to", before.escalatedTo, after.escalatedTo)
    assign("language", before.language, after.language)
    assign("call_back_phone", before.callBack?.phone ?? "", after.callBack?.phone ?? "")
    assign("call_back_time", before.callBack?.time, after.callBack?.time)
    assign("call_back_active", before.callBack?.isActive ?? false, after.callBack?.isActive ?? false)
    assign("delete_time", before.deleteTime, after.deleteTime)
    assign("entry_count", before.entryCount, after.entryCount)
    assign("resolve_time", before.resolveTime, after.resolveTime)
    assign("complete_time", before.completeTime, after.completeTime)
    assign("mask_generation", before.maskGeneration, after.maskGeneration)
  }

  /// What stands beside the ticket's own row; every part hangs on the row of `changed`.
  private func appendRows(_ sql: inout Query.Interpolation, _ claim: IdempotencyClaim?, _ resultIDs: [Int64]) {
    appendEvents(&sql)
    appendChange(&sql)
    if !values.isEmpty { appendValues(&sql) }
    if !entries.isEmpty { appendEntries(&sql) }
    if !fieldValues.isEmpty { appendFieldValues(&sql) }
    appendSearchRows(&sql)
    appendCounts(&sql)
    if !outbox.isEmpty { appendOutbox(&sql) }
    guard let claim else { return }
    sql.appendLiteral(
      """
      , claimed AS (INSERT INTO idempotency_key \
      (caller, method, request_id, request_hash, result_ids, service_id, ticket_id) SELECT 
      """)
    sql.appendInterpolation(claim.caller)
    sql.next(claim.method)
    sql.next(claim.requestID)
    sql.next(claim.requestHash)
    sql.next(resultIDs)
    sql.appendLiteral(", service_id, id FROM changed)")
  }

  /// The version that the change makes; 0 for one that nobody sees.
  private var madeVersion: Int64 {
    before.eventCount == 0 || after.version > before.version ? after.version : 0
  }

  private func appendEvents(_ sql: inout Query.Interpolation) {
    sql.appendLiteral(
      """
      , event AS (INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, \
      cause_sequence, changes, create_time, hash, first_texts, version) \
      SELECT c.service_id, c.id, v.* FROM changed AS c, (VALUES 
      """)
    for (index, event) in events.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(event.sequence)
      sql.next(event.code)
      sql.next(event.actor.kind)
      sql.next(event.actor.name)
      sql.next(event.causeSequence)
      sql.next(event.changes)
      sql.next(event.createTime)
      sql.next(event.hash)
      sql.next(event.firstTexts)
      sql.next(madeVersion)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(") AS v)")
  }

  /// What readers of the change stream will be told, once it has been numbered.
  private func appendChange(_ sql: inout Query.Interpolation) {
    sql.appendLiteral(
      """
      , told AS (INSERT INTO ticket_change (service_id, ticket_id, first_sequence, last_sequence, version) \
      SELECT service_id, id, 
      """)
    sql.appendInterpolation(before.eventCount + 1)
    sql.next(after.eventCount)
    sql.next(after.version)
    sql.appendLiteral(" FROM changed)")
  }

  private func appendValues(_ sql: inout Query.Interpolation) {
    sql.appendLiteral(
      """
      , value AS (INSERT INTO ticket_event_value (service_id, ticket_id, sequence, field, before_text, after_text, \
      salt, before_hash, after_hash) SELECT c.service_id, c.id, v.* FROM changed AS c, (VALUES 
      """)
    for (index, value) in values.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(value.sequence)
      sql.next(value.field)
      sql.next(value.before)
      sql.next(value.after)
      sql.next(value.salt)
      sql.next(value.beforeHash)
      sql.next(value.afterHash)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(") AS v)")
  }

  private func appendEntries(_ sql: inout Query.Interpolation) {
    sql.appendLiteral(
      """
      , entry AS (INSERT INTO ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, \
      body_salt, body_hash, create_time) SELECT c.service_id, c.id, v.* FROM changed AS c, (VALUES 
      """)
    for (index, entry) in entries.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(entry.id)
      sql.next(entry.kind)
      sql.next(entry.act)
      sql.next(entry.actor.kind)
      sql.next(entry.actor.name)
      sql.next(entry.body)
      sql.next(entry.bodySalt)
      sql.next(entry.bodyHash)
      sql.next(entry.createTime)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(") AS v)")
  }

  /// A deleted field keeps its row, and would take values. Whoever waits here for the one who deletes it finds it
  /// deleted, and their value points to a field that never is: that fails the statement (23503,
  /// `ticket_field_value_field_fkey`).
  private func appendFieldValues(_ sql: inout Query.Interpolation) {
    let kept = fieldValues.filter { $0.after != nil }
    sql.appendLiteral(", fillable AS MATERIALIZED (SELECT f.id FROM ticket_field AS f WHERE f.service_id = ")
    sql.appendInterpolation(after.serviceID)
    sql.appendLiteral(" AND f.id = ANY (")
    sql.appendInterpolation(kept.map(\.fieldID))
    sql.appendLiteral(
      """
      ) AND f.delete_time IS NULL FOR KEY SHARE), \
      stored AS (INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value) \
      SELECT c.service_id, c.id, coalesce(f.id, -v.field_id), v.value FROM changed AS c, unnest(
      """)
    sql.appendInterpolation(kept.map(\.fieldID))
    sql.next(kept.map { $0.after ?? "" })
    sql.appendLiteral(
      """
      ) AS v (field_id, value) LEFT JOIN fillable AS f ON f.id = v.field_id \
      ON CONFLICT ON CONSTRAINT ticket_field_value_pkey DO UPDATE SET value = excluded.value), \
      emptied AS (DELETE FROM ticket_field_value AS d USING changed AS c \
      WHERE d.service_id = c.service_id AND d.ticket_id = c.id AND d.field_id = ANY (
      """)
    sql.appendInterpolation(fieldValues.filter { $0.after == nil }.map(\.fieldID))
    sql.appendLiteral("))")
  }

  /// Every text that is new or changed can be found as soon as it can be read.
  private func appendSearchRows(_ sql: inout Query.Interpolation) {
    let rows = searchRows
    guard !rows.isEmpty else { return }
    sql.appendLiteral(
      """
      , searched AS (INSERT INTO ticket_search (service_id, ticket_id, create_time, place, tokens) \
      SELECT c.service_id, c.id, 
      """)
    sql.appendInterpolation(after.createTime)
    sql.appendLiteral(", v.place, v.tokens FROM changed AS c, (VALUES ")
    for (index, row) in rows.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(row.place.key)
      sql.next(row.tokens)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(
      """
      ) AS v (place, tokens) \
      ON CONFLICT ON CONSTRAINT ticket_search_pkey DO UPDATE SET tokens = excluded.tokens)
      """)
  }

  private func appendCounts(_ sql: inout Query.Interpolation) {
    let changes = countChanges
    guard !changes.isEmpty else { return }
    sql.appendLiteral(
      """
      , counted AS (INSERT INTO ticket_count_change (service_id, minute, agent_id, state, change) \
      SELECT c.service_id, v.* FROM changed AS c, (VALUES 
      """)
    for (index, change) in changes.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(after.createTime.startOfMinute)
      sql.next(change.agentID)
      sql.next(change.state)
      sql.next(change.change)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(") AS v)")
  }

  private func appendOutbox(_ sql: inout Query.Interpolation) {
    sql.appendLiteral(
      """
      , work AS (INSERT INTO outbox (service_id, ticket_id, topic, event_sequence, payload, receiver) \
      SELECT c.service_id, c.id, v.* FROM changed AS c, (VALUES 
      """)
    for (index, row) in outbox.enumerated() {
      sql.appendLiteral(index == 0 ? "(" : ", (")
      sql.appendInterpolation(row.topic)
      sql.next(row.eventSequence)
      sql.next(row.payload)
      sql.next(row.receiver)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(") AS v)")
  }
}

extension Query.Interpolation {
  /// Makes statements parts of this one.
  fileprivate mutating func attach(_ attachments: [Query]) {
    for (index, attachment) in attachments.enumerated() {
      appendInterpolation(unescaped: ", attached_\(index) AS (")
      appendInterpolation(fragment: attachment)
      appendLiteral(")")
    }
  }

  /// Binds the next value of a list.
  fileprivate mutating func next<Value: PostgresBindable>(_ value: Value) {
    appendLiteral(", ")
    appendInterpolation(value)
  }
}

extension Instant {
  /// The minute that the instant lies in.
  var startOfMinute: Instant {
    let minute: Int64 = 60_000_000
    let past = microsecondsSinceEpoch % minute
    return Instant(microsecondsSinceEpoch: microsecondsSinceEpoch - (past < 0 ? past + minute : past))
  }
}
