package import Postgres
import ServiceKit

/// Works out whole lives of tickets without asking the database, for filling an empty one with many of them: the rows,
/// hash chains and search tokens that the ledger would have written one change at a time. What the counters get is
/// counted once, when all tickets are there.
///
/// Nobody else may write the tickets meanwhile, the caller hands out the ids, and what a ticket leaves in the outbox is
/// not for an import.
package struct TicketImport: Sendable {
  private let key: LedgerKey
  private var tables = ImportTables()
  /// What tickets say whose last state was not told yet.
  private var texts: [ImportTables.Text] = []

  /// Seals histories with a key.
  package init(key: LedgerKey) { self.key = key }

  /// A ticket that comes to be; its last state is told by ``add(_:)``.
  ///
  /// - Parameter entryIDs: as many as the draft has entries.
  package mutating func create(_ draft: TicketDraft, id: TicketID, at time: Instant, entryIDs: [EntryID])
    -> TicketRecord
  {
    precondition(draft.companions.isEmpty && draft.idempotency == nil, "an import has no companions and no claim")
    let plan = ChangePlan(creating: draft, id: id, at: time, entryIDs: entryIDs, key: key)
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

  /// A ticket as it is at last.
  package mutating func add(_ ticket: TicketRecord) {
    tables.tickets.append(ticket)
    texts.removeAll { text in
      guard text.ticketID == ticket.id, text.serviceID == ticket.serviceID else { return false }
      tables.texts.append(text)
      return true
    }
  }

  /// The rows of what was worked out so far, table by table; they are taken out. Between two calls lie whole lives of
  /// tickets.
  package mutating func takeRows() -> [CopyRows] {
    precondition(texts.isEmpty, "a ticket whose last state was not told")
    return tables.takeRows()
  }

  /// The statements that count the tickets from an id on, in the transaction that wrote them.
  package static func countingStatements(from first: TicketID) -> [Query] {
    [
      """
      INSERT INTO ticket_holder_count AS h (service_id, agent_id, state, count)
      SELECT t.service_id, coalesce(t.agent_id, 0), t.state, count(*)
      FROM ticket AS t WHERE t.id >= \(first) AND NOT t.is_spam
      GROUP BY 1, 2, 3
      ON CONFLICT (service_id, agent_id, state) DO UPDATE SET count = h.count + excluded.count
      """,
      """
      INSERT INTO ticket_minute_count AS m (service_id, minute, received, unassigned, resolved)
      SELECT t.service_id, date_trunc('minute', t.create_time), count(*), count(*) FILTER (WHERE t.agent_id IS NULL),
        count(*) FILTER (WHERE t.state IN ('RESOLVED', 'COMPLETED'))
      FROM ticket AS t WHERE t.id >= \(first) AND NOT t.is_spam
      GROUP BY 1, 2
      ON CONFLICT (service_id, minute) DO UPDATE SET received = m.received + excluded.received,
        unassigned = m.unassigned + excluded.unassigned, resolved = m.resolved + excluded.resolved
      """,
      """
      INSERT INTO ticket_hour_count AS o (service_id, hour, received, unassigned, resolved)
      SELECT t.service_id, date_trunc('hour', t.create_time, 'UTC'), count(*),
        count(*) FILTER (WHERE t.agent_id IS NULL), count(*) FILTER (WHERE t.state IN ('RESOLVED', 'COMPLETED'))
      FROM ticket AS t WHERE t.id >= \(first) AND NOT t.is_spam
      GROUP BY 1, 2
      ON CONFLICT (service_id, hour) DO UPDATE SET received = o.received + excluded.received,
        unassigned = o.unassigned + excluded.unassigned, resolved = o.resolved + excluded.resolved
      """,
    ]
  }

  private mutating func take(_ plan: ChangePlan) {
    precondition(plan.outbox.isEmpty && plan.fieldValues.isEmpty, "an import leaves no work and fills no fields")
    let ticket = plan.after
    for event in plan.events { tables.events.append((ticket.serviceID, ticket.id, event)) }
    for value in plan.values { tables.values.append((ticket.serviceID, ticket.id, value)) }
    for entry in plan.entries { tables.entries.append((ticket.serviceID, entry)) }
    for row in plan.searchRows { take(row, of: ticket, isNew: plan.before.eventCount == 0) }
  }

  private mutating func take(_ row: SearchRow, of ticket: TicketRecord, isNew: Bool) {
    // An entry is written once; what else a ticket says may be said anew, and is found by its last words.
    if !isNew, row.place.scope != .entry,
      let index = texts.firstIndex(where: { text in
        text.serviceID == ticket.serviceID && text.ticketID == ticket.id && text.row.place == row.place
      })
    {
      texts[index].row = row
    } else {
      texts.append((ticket.serviceID, ticket.id, ticket.createTime, row))
    }
  }
}
