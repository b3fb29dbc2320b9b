import EventLoop
import Postgres

/// A ticket to be, worked out and ready to be written.
struct Creation: Sendable {
  let plan: ChangePlan
  let claim: IdempotencyClaim?
  let resultIDs: [Int64]
}

/// The one statement that creates many tickets with everything that belongs to them, or none of them.
///
/// PostgreSQL opens all indexes of `ticket` and reads its constraints, and the conditions of its indexes, for each
/// statement that writes to it: more work than the row is. Tickets that come at the same moment share that, and the
/// commit.
struct JointCreation {
  private let creations: [Creation]
  private let plans: [ChangePlan]

  init(_ creations: [Creation]) {
    self.creations = creations
    plans = creations.map(\.plan)
  }

  /// Writes tickets: one as ``ChangePlan/insertStatement(_:resultIDs:attachments:)`` has it, more of them together.
  static func write(_ creations: [Creation], _ pool: PostgresPool, _ deadline: Deadline) async throws {
    let statement =
      creations.count == 1
      ? creations[0].plan.insertStatement(creations[0].claim, resultIDs: creations[0].resultIDs, attachments: [])
      : JointCreation(creations).query
    _ = try await pool.query(statement, deadline: deadline)
  }

  var query: Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 90)
    sql.appendLiteral("WITH event AS (")
    sql.appendInterpolation(fragment: events)
    sql.appendLiteral("), told AS (")
    sql.appendInterpolation(fragment: told)
    sql.appendLiteral(")")
    for (name, part) in [
      ("entry", entries), ("value", values), ("fillable", fillableFields), ("stored", fieldValues),
      ("searched", searched), ("counted", counted), ("work", work), ("claimed", claimed),
    ] {
      guard let part else { continue }
      sql.appendInterpolation(unescaped: ", \(name) AS (")
      sql.appendInterpolation(fragment: part)
      sql.appendLiteral(")")
    }
    sql.appendLiteral(" ")
    sql.appendInterpolation(fragment: tickets)
    return Query(stringInterpolation: sql)
  }

  private var tickets: Query {
    let tickets = plans.map(\.after)
    return """
      INSERT INTO ticket (service_id, id, state, group_id, agent_id, priority, channel, language, title,
        submission_type_id, organization_id, customer_id, customer_name, customer_email, customer_phone,
        customer_user_code, creator_agent_id, source_service_id, source_ticket_id, previous_ticket_id, call_back_phone,
        call_back_time, call_back_active, entry_count, event_count, event_hash, event_seal, create_time, update_time,
        privacy_consent)
      SELECT v.* FROM unnest(
        \(tickets.map(\.serviceID)), \(tickets.map(\.id)), \(tickets.map(\.state)), \(tickets.map(\.groupID)),
        \(tickets.map(\.agentID)), \(tickets.map(\.priority)), \(tickets.map(\.channel)), \(tickets.map(\.language)),
        \(tickets.map(\.title)), \(tickets.map(\.submissionTypeID)), \(tickets.map(\.organizationID)),
        \(tickets.map(\.customerID)), \(tickets.map(\.customerName)), \(tickets.map(\.customerEmail)),
        \(tickets.map(\.customerPhone)), \(tickets.map(\.customerUserCode)), \(tickets.map(\.creatorAgentID)),
        \(tickets.map(\.source?.serviceID)), \(tickets.map(\.source?.ticketID)), \(tickets.map(\.previousID)),
        \(tickets.map { $0.callBack?.phone ?? "" }),
        \(tickets.map(\.callBack?.time)), \(tickets.map { $0.callBack?.isActive ?? false }),
        \(tickets.map(\.entryCount)), \(tickets.map(\.eventCount)), \(tickets.map(\.eventHash)),
        \(tickets.map(\.eventSeal)), \(tickets.map(\.createTime)), \(tickets.map(\.updateTime)),
        \(tickets.map(\.hasPrivacyConsent))
      ) AS v
      """
  }

  private var events: Query {
    let rows = plans.flatMap { plan in plan.events.map { (plan.after, $0) } }
    return """
      INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence, changes,
        create_time, hash, first_texts, version)
      SELECT v.* FROM unnest(
        \(rows.map(\.0.serviceID)), \(rows.map(\.0.id)), \(rows.map(\.1.sequence)), \(rows.map(\.1.code)),
        \(rows.map(\.1.actor.kind)), \(rows.map(\.1.actor.name)), \(rows.map(\.1.causeSequence)),
        \(rows.map(\.1.changes)), \(rows.map(\.1.createTime)), \(rows.map(\.1.hash)), \(rows.map(\.1.firstTexts)),
        \(rows.map(\.0.version))
      ) AS v
      """
  }

  /// What readers of the change stream will be told, once it has been numbered.
  private var told: Query {
    let tickets = plans.map(\.after)
    return """
      INSERT INTO ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
      SELECT v.service_id, v.id, 1, v.event_count, v.version FROM unnest(
        \(tickets.map(\.serviceID)), \(tickets.map(\.id)), \(tickets.map(\.eventCount)), \(tickets.map(\.version))
      ) AS v (service_id, id, event_count, version)
      """
  }

  private var entries: Query? {
    let rows = plans.flatMap { plan in plan.entries.map { (plan.after.serviceID, $0) } }
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, body_salt,
        body_hash, create_time)
      SELECT v.* FROM unnest(
        \(rows.map(\.0)), \(rows.map(\.1.ticketID)), \(rows.map(\.1.id)), \(rows.map(\.1.kind)), \(rows.map(\.1.act)),
        \(rows.map(\.1.actor.kind)), \(rows.map(\.1.actor.name)), \(rows.map(\.1.body)), \(rows.map(\.1.bodySalt)),
        \(rows.map(\.1.bodyHash)), \(rows.map(\.1.createTime))
      ) AS v
      """
  }

  private var values: Query? {
    let rows = plans.flatMap { plan in plan.values.map { (plan.after, $0) } }
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO ticket_event_value (service_id, ticket_id, sequence, field, before_text, after_text, salt,
        before_hash, after_hash)
      SELECT v.* FROM unnest(
        \(rows.map(\.0.serviceID)), \(rows.map(\.0.id)), \(rows.map(\.1.sequence)), \(rows.map(\.1.field)),
        \(rows.map(\.1.before)), \(rows.map(\.1.after)), \(rows.map(\.1.salt)), \(rows.map(\.1.beforeHash)),
        \(rows.map(\.1.afterHash))
      ) AS v
      """
  }

  /// A new ticket has no values before.
  private var filled: [(ticket: TicketRecord, field: FieldID, value: String)] {
    plans.flatMap { plan in
      plan.fieldValues.compactMap { change in
        change.after.map { (ticket: plan.after, field: change.fieldID, value: $0) }
      }
    }
  }

  /// The fields among those of the values that are not deleted, nor can be until the tickets are written.
  private var fillableFields: Query? {
    let rows = filled
    guard !rows.isEmpty else { return nil }
    return """
      SELECT f.service_id, f.id FROM ticket_field AS f
      WHERE (f.service_id, f.id) IN (
          SELECT w.service_id, w.field_id
          FROM unnest(\(rows.map(\.ticket.serviceID)), \(rows.map(\.field))) AS w (service_id, field_id))
        AND f.delete_time IS NULL
      FOR KEY SHARE
      """
  }

  /// A value of a deleted field points to a field that never is, and fails the statement, as in an update.
  private var fieldValues: Query? {
    let rows = filled
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      SELECT v.service_id, v.ticket_id, coalesce(f.id, -v.field_id), v.value
      FROM unnest(
        \(rows.map(\.ticket.serviceID)), \(rows.map(\.ticket.id)), \(rows.map(\.field)), \(rows.map(\.value))
      ) AS v (service_id, ticket_id, field_id, value)
      LEFT JOIN fillable AS f ON f.service_id = v.service_id AND f.id = v.field_id
      """
  }

  /// Every text can be found as soon as it can be read.
  private var searched: Query? {
    let rows = plans.flatMap { plan in plan.searchRows.map { (plan.after, $0) } }
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO ticket_search (service_id, ticket_id, create_time, place, tokens)
      SELECT v.* FROM unnest(
        \(rows.map(\.0.serviceID)), \(rows.map(\.0.id)), \(rows.map(\.0.createTime)), \(rows.map(\.1.place.key)),
        \(rows.map(\.1.tokens))
      ) AS v
      """
  }

  private var counted: Query? {
    let rows = plans.flatMap { plan in plan.countChanges.map { (plan.after, $0) } }
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO ticket_count_change (service_id, minute, agent_id, state, change)
      SELECT v.* FROM unnest(
        \(rows.map(\.0.serviceID)), \(rows.map(\.0.createTime.startOfMinute)), \(rows.map(\.1.agentID)),
        \(rows.map(\.1.state)), \(rows.map(\.1.change))
      ) AS v
      """
  }

  private var work: Query? {
    let rows = plans.flatMap { plan in plan.outbox.map { (plan.after, $0) } }
    guard !rows.isEmpty else { return nil }
    return """
      INSERT INTO outbox (service_id, ticket_id, topic, event_sequence, payload)
      SELECT v.* FROM unnest(
        \(rows.map(\.0.serviceID)), \(rows.map(\.0.id)), \(rows.map(\.1.topic)), \(rows.map(\.1.eventSequence)),
        \(rows.map(\.1.payload))
      ) AS v
      """
  }

  private var claimed: Query? {
    var rows = creations.compactMap { creation in creation.claim.map { (creation, $0) } }
    guard !rows.isEmpty else { return nil }
    // In one order, so that two who repeat the same requests wait for each other instead of failing.
    rows.sort { ($0.1.caller, $0.1.method, $0.1.requestID) < ($1.1.caller, $1.1.method, $1.1.requestID) }
    // An array of arrays cannot be taken apart into arrays.
    let results = rows.map { creation, _ in "{\(creation.resultIDs.map(String.init).joined(separator: ","))}" }
    return """
      INSERT INTO idempotency_key (caller, method, request_id, request_hash, result_ids, service_id, ticket_id)
      SELECT v.caller, v.method, v.request_id, v.request_hash, v.result_ids::bigint[], v.service_id, v.ticket_id
      FROM unnest(
        \(rows.map(\.1.caller)), \(rows.map(\.1.method)), \(rows.map(\.1.requestID)), \(rows.map(\.1.requestHash)),
        \(results), \(rows.map(\.0.plan.after.serviceID)), \(rows.map(\.0.plan.after.id))
      ) AS v (caller, method, request_id, request_hash, result_ids, service_id, ticket_id)
      """
  }
}
