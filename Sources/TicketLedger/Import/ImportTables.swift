import Postgres

/// The tables that an import fills, and where each column's value comes from; columns not named keep their default.
struct ImportTables: Sendable {
  typealias Event = (serviceID: ServiceID, ticketID: TicketID, record: EventRecord)
  typealias Value = (serviceID: ServiceID, ticketID: TicketID, record: EventValueRecord)
  typealias Entry = (serviceID: ServiceID, record: EntryRecord)
  typealias Text = (serviceID: ServiceID, ticketID: TicketID, createTime: Instant, row: SearchRow)

  var tickets = CopyTable("ticket", ticketColumns)
  var events = CopyTable("ticket_event", eventColumns)
  var values = CopyTable("ticket_event_value", valueColumns)
  var entries = CopyTable("ticket_entry", entryColumns)
  var texts = CopyTable("ticket_search", textColumns)

  /// The rows gathered so far, table by table; they are taken out.
  mutating func takeRows() -> [CopyRows] {
    [tickets.takeRows(), events.takeRows(), values.takeRows(), entries.takeRows(), texts.takeRows()].compactMap { $0 }
  }

  static let ticketColumns: [CopyColumn<TicketRecord>] = [
    CopyColumn("service_id") { $0.serviceID },
    CopyColumn("id") { $0.id },
    CopyColumn("state") { $0.state },
    CopyColumn("version") { $0.version },
    CopyColumn("group_id") { $0.groupID },
    CopyColumn("agent_id") { $0.agentID },
    CopyColumn("priority") { $0.priority },
    CopyColumn("channel") { $0.channel },
    CopyColumn("language") { $0.language },
    CopyColumn("title") { $0.title },
    CopyColumn("submission_type_id") { $0.submissionTypeID },
    CopyColumn("processing_type_id") { $0.processingTypeID },
    CopyColumn("internal_reason") { $0.internalReason },
    CopyColumn("is_spam") { $0.isSpam },
    CopyColumn("state_before_spam") { $0.stateBeforeSpam },
    CopyColumn("organization_id") { $0.organizationID },
    CopyColumn("customer_id") { $0.customerID },
    CopyColumn("customer_name") { $0.customerName },
    CopyColumn("customer_email") { $0.customerEmail },
    CopyColumn("customer_phone") { $0.customerPhone },
    CopyColumn("customer_user_code") { $0.customerUserCode },
    CopyColumn("call_back_phone") { $0.callBack?.phone ?? "" },
    CopyColumn("call_back_time") { $0.callBack?.time },
    CopyColumn("call_back_active") { $0.callBack?.isActive ?? false },
    CopyColumn("creator_agent_id") { $0.creatorAgentID },
    CopyColumn("entry_count") { $0.entryCount },
    CopyColumn("event_count") { $0.eventCount },
    CopyColumn("event_hash") { $0.eventHash },
    CopyColumn("event_seal") { $0.eventSeal },
    CopyColumn("create_time") { $0.createTime },
    CopyColumn("update_time") { $0.updateTime },
    CopyColumn("resolve_time") { $0.resolveTime },
    CopyColumn("complete_time") { $0.completeTime },
    CopyColumn("source_service_id") { $0.source?.serviceID },
    CopyColumn("source_ticket_id") { $0.source?.ticketID },
    CopyColumn("target_service_id") { $0.target?.serviceID },
    CopyColumn("target_ticket_id") { $0.target?.ticketID },
    CopyColumn("escalated_to") { $0.escalatedTo },
    CopyColumn("privacy_consent") { $0.hasPrivacyConsent },
  ]

  static let eventColumns: [CopyColumn<Event>] = [
    CopyColumn("service_id") { $0.serviceID },
    CopyColumn("ticket_id") { $0.ticketID },
    CopyColumn("sequence") { $0.record.sequence },
    CopyColumn("code") { $0.record.code },
    CopyColumn("actor_kind") { $0.record.actor.kind },
    CopyColumn("actor_name") { $0.record.actor.name },
    CopyColumn("cause_sequence") { $0.record.causeSequence },
    CopyColumn("changes") { $0.record.changes },
    CopyColumn("create_time") { $0.record.createTime },
    CopyColumn("hash") { $0.record.hash },
    CopyColumn("first_texts") { $0.record.firstTexts },
  ]

  static let entryColumns: [CopyColumn<Entry>] = [
    CopyColumn("service_id") { $0.serviceID },
    CopyColumn("id") { $0.record.id },
    CopyColumn("ticket_id") { $0.record.ticketID },
    CopyColumn("kind") { $0.record.kind },
    CopyColumn("act") { $0.record.act },
    CopyColumn("actor_kind") { $0.record.actor.kind },
    CopyColumn("actor_name") { $0.record.actor.name },
    CopyColumn("body") { $0.record.body },
    CopyColumn("body_salt") { $0.record.bodySalt },
    CopyColumn("body_hash") { $0.record.bodyHash },
    CopyColumn("create_time") { $0.record.createTime },
  ]

  static let valueColumns: [CopyColumn<Value>] = [
    CopyColumn("service_id") { $0.serviceID },
    CopyColumn("ticket_id") { $0.ticketID },
    CopyColumn("sequence") { $0.record.sequence },
    CopyColumn("field") { $0.record.field },
    CopyColumn("before_text") { $0.record.before },
    CopyColumn("after_text") { $0.record.after },
    CopyColumn("salt") { $0.record.salt },
    CopyColumn("before_hash") { $0.record.beforeHash },
    CopyColumn("after_hash") { $0.record.afterHash },
  ]

  static let textColumns: [CopyColumn<Text>] = [
    CopyColumn("service_id") { $0.serviceID },
    CopyColumn("ticket_id") { $0.ticketID },
    CopyColumn("create_time") { $0.createTime },
    CopyColumn("place") { $0.row.place.key },
    CopyColumn("tokens") { $0.row.tokens },
  ]
}
