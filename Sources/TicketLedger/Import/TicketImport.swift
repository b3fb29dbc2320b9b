package import Postgres
import ServiceKit

/// Works out whole lives of tickets without asking the database, for filling an empty one with many of them: the rows,
/// hash chains, counters and search tokens that the ledger would have written one change at a time.
///
/// Nobody else may write the tickets meanwhile, the caller hands out the ids, and what a ticket leaves in the outbox is
/// not for an import.
package struct TicketImport: Sendable {
  private let key: LedgerKey
  private(set) var rows = ImportRows()

  /// Seals histories with a key.
  package init(key: LedgerKey) { self.key = key }

  /// How many tickets wait to be written.
  package var count: Int { rows.tickets.count }

  /// A ticket that comes to be; its last state is told by ``add(_:)``.
  ///
  /// - Parameter entryIDs: as many as the draft has entries.
  package mutating func create(_ draft: TicketDraft, id: TicketID, at time: Instant, entryIDs: [EntryID])
    -> TicketRecord
  {
    precondition(draft.companions.isEmpty && draft.idempotency == nil, "an import has no companions and no claim")
    let plan = ChangePlan(creating: TicketRecord(draft, id: id, at: time), draft.event, entryIDs: entryIDs, key: key)
    take(plan)
    return plan.after
  }

  /// What happened to a ticket next.
  ///
  /// - Parameter entryIDs: as many as the change has entries.
  package mutating func change(_ change: TicketChange, on ticket: TicketRecord, entryIDs: [EntryID]) -> TicketRecord {
    let plan = ChangePlan(change, on: ticket, entryIDs: entryIDs, key: key)
    take(plan)
    return plan.after
  }

  /// A ticket as it is at last; it is counted.
  package mutating func add(_ ticket: TicketRecord) { rows.tickets.append(ticket) }

  /// The statements that write what was worked out so far, each table's rows in one; they are taken out. Between two
  /// calls lie whole lives of tickets.
  package mutating func statements() -> [Query] {
    defer { rows = ImportRows() }
    return rows.tickets.isEmpty ? [] : rows.statements
  }

  private mutating func take(_ plan: ChangePlan) {
    precondition(plan.outbox.isEmpty && plan.fieldValues.isEmpty, "an import leaves no work and fills no fields")
    let ticket = plan.after
    rows.events += plan.events.map { (ticket.serviceID, ticket.id, $0) }
    rows.values += plan.values.map { (ticket.serviceID, ticket.id, $0) }
    rows.entries += plan.entries.map { (ticket.serviceID, $0) }
    for row in plan.searchRows { take(row, of: ticket, isNew: plan.before.eventCount == 0) }
  }

  private mutating func take(_ row: SearchRow, of ticket: TicketRecord, isNew: Bool) {
    // An entry is written once; what else a ticket says may be said anew, and is found by its last words.
    if !isNew, row.place.scope != .entry,
      let index = rows.texts.lastIndex(where: { text in
        text.0 == ticket.serviceID && text.1 == ticket.id && text.3.place == row.place
      })
    {
      rows.texts[index].3 = row
    } else {
      rows.texts.append((ticket.serviceID, ticket.id, ticket.createTime, row))
    }
  }
}

/// Rows of many tickets, table by table.
struct ImportRows: Sendable {
  var tickets: [TicketRecord] = []
  var events: [(ServiceID, TicketID, EventRecord)] = []
  var values: [(ServiceID, TicketID, EventValueRecord)] = []
  var entries: [(ServiceID, EntryRecord)] = []
  var texts: [(ServiceID, TicketID, Instant, SearchRow)] = []

  var statements: [Query] {
    var statements = [ticketStatement, eventStatement, entryStatement, textStatement]
    if !values.isEmpty { statements.append(valueStatement) }
    return statements + counterStatements
  }

  private var ticketStatement: Query {
    """
    INSERT INTO ticket (service_id, id, state, version, group_id, agent_id, priority, channel, language, title,
      submission_type_id, processing_type_id, internal_reason, is_spam, state_before_spam, organization_id, customer_id,
      customer_name, customer_email, customer_phone, customer_user_code, call_back_phone, call_back_time,
      call_back_active,
      creator_agent_id, entry_count, event_count, event_hash, event_seal,
      create_time, update_time, resolve_time, complete_time, source_service_id, source_ticket_id, target_service_id,
      target_ticket_id, escalated_to, privacy_consent)
    SELECT * FROM unnest(\(tickets.map(\.serviceID)), \(tickets.map(\.id)), \(tickets.map(\.state)),
      \(tickets.map(\.version)), \(tickets.map(\.groupID)), \(tickets.map(\.agentID)), \(tickets.map(\.priority)),
      \(tickets.map(\.channel)), \(tickets.map(\.language)), \(tickets.map(\.title)),
      \(tickets.map(\.submissionTypeID)), \(tickets.map(\.processingTypeID)), \(tickets.map(\.internalReason)),
      \(tickets.map(\.isSpam)), \(tickets.map(\.stateBeforeSpam)), \(tickets.map(\.organizationID)),
      \(tickets.map(\.customerID)), \(tickets.map(\.customerName)), \(tickets.map(\.customerEmail)),
      \(tickets.map(\.customerPhone)), \(tickets.map(\.customerUserCode)), \(tickets.map { $0.callBack?.phone ?? "" }),
      \(tickets.map { $0.callBack?.time }), \(tickets.map { $0.callBack?.isActive ?? false }),
      \(tickets.map(\.creatorAgentID)), \(tickets.map(\.entryCount)),
      \(tickets.map(\.eventCount)), \(tickets.map(\.eventHash)), \(tickets.map(\.eventSeal)),
      \(tickets.map(\.createTime)), \(tickets.map(\.updateTime)), \(tickets.map(\.resolveTime)),
      \(tickets.map(\.completeTime)), \(tickets.map(\.source?.serviceID)), \(tickets.map(\.source?.ticketID)),
      \(tickets.map(\.target?.serviceID)), \(tickets.map(\.target?.ticketID)),
      \(tickets.map(\.escalatedTo)), \(tickets.map(\.hasPrivacyConsent)))
    """
  }

  private var eventStatement: Query {
    """
    INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence, changes,
      create_time, hash)
    SELECT * FROM unnest(\(events.map(\.0)), \(events.map(\.1)), \(events.map(\.2.sequence)), \(events.map(\.2.code)),
      \(events.map(\.2.actor.kind)), \(events.map(\.2.actor.name)), \(events.map(\.2.causeSequence)),
      \(events.map(\.2.changes)), \(events.map(\.2.createTime)), \(events.map(\.2.hash)))
    """
  }

  private var valueStatement: Query {
    """
    INSERT INTO ticket_event_value (service_id, ticket_id, sequence, field, before_text, after_text, salt, before_hash,
      after_hash)
    SELECT * FROM unnest(\(values.map(\.0)), \(values.map(\.1)), \(values.map(\.2.sequence)), \(values.map(\.2.field)),
      \(values.map(\.2.before)), \(values.map(\.2.after)), \(values.map(\.2.salt)), \(values.map(\.2.beforeHash)),
      \(values.map(\.2.afterHash)))
    """
  }

  private var entryStatement: Query {
    """
    INSERT INTO ticket_entry (service_id, id, ticket_id, kind, act, actor_kind, actor_name, body, body_salt, body_hash,
      create_time)
    SELECT * FROM unnest(\(entries.map(\.0)), \(entries.map(\.1.id)), \(entries.map(\.1.ticketID)),
      \(entries.map(\.1.kind)), \(entries.map(\.1.act)), \(entries.map(\.1.actor.kind)), \(entries.map(\.1.actor.name)),
      \(entries.map(\.1.body)), \(entries.map(\.1.bodySalt)), \(entries.map(\.1.bodyHash)),
      \(entries.map(\.1.createTime)))
    """
  }

  private var textStatement: Query {
    """
    INSERT INTO ticket_search (service_id, ticket_id, create_time, place, tokens)
    SELECT * FROM unnest(\(texts.map(\.0)), \(texts.map(\.1)), \(texts.map(\.2)), \(texts.map(\.3.place.key)),
      \(texts.map(\.3.tokens)))
    """
  }

  private var counterStatements: [Query] {
    let counted = tickets.filter { !$0.isSpam }
    let holders = counted.map { $0.agentID?.rawValue ?? 0 }
    return [
      """
      INSERT INTO ticket_holder_count AS h (service_id, agent_id, state, count)
      SELECT r.service_id, r.agent_id, r.state, count(*)
      FROM unnest(\(counted.map(\.serviceID)), \(holders), \(counted.map(\.state))) AS r (service_id, agent_id, state)
      GROUP BY r.service_id, r.agent_id, r.state
      ON CONFLICT (service_id, agent_id, state) DO UPDATE SET count = h.count + excluded.count
      """,
      """
      INSERT INTO ticket_minute_count AS m (service_id, minute, received, unassigned, resolved)
      SELECT r.service_id, r.minute, count(*), count(*) FILTER (WHERE r.agent_id = 0),
        count(*) FILTER (WHERE r.state IN ('RESOLVED', 'COMPLETED'))
      FROM unnest(\(counted.map(\.serviceID)), \(counted.map(\.createTime.startOfMinute)), \(holders),
        \(counted.map(\.state))) AS r (service_id, minute, agent_id, state)
      GROUP BY r.service_id, r.minute
      ON CONFLICT (service_id, minute) DO UPDATE SET received = m.received + excluded.received,
        unassigned = m.unassigned + excluded.unassigned, resolved = m.resolved + excluded.resolved
      """,
      """
      INSERT INTO ticket_hour_count AS o (service_id, hour, received, unassigned, resolved)
      SELECT r.service_id, date_trunc('hour', r.time, 'UTC'), count(*), count(*) FILTER (WHERE r.agent_id = 0),
        count(*) FILTER (WHERE r.state IN ('RESOLVED', 'COMPLETED'))
      FROM unnest(\(counted.map(\.serviceID)), \(counted.map(\.createTime)), \(holders),
        \(counted.map(\.state))) AS r (service_id, time, agent_id, state)
      GROUP BY 1, 2
      ON CONFLICT (service_id, hour) DO UPDATE SET received = o.received + excluded.received,
        unassigned = o.unassigned + excluded.unassigned, resolved = o.resolved + excluded.resolved
      """,
    ]
  }
}
