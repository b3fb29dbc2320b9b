package import Postgres
package import ServiceKit

/// A row of `ticket`, with the database's time at which it was read.
package struct TicketRecord: Sendable, Equatable {
  /// The service it belongs to.
  package var serviceID: ServiceID
  /// Its id.
  package var id: TicketID
  /// Where it stands.
  package var state: TicketState
  /// Grows with every change that people see.
  package var version: Int64
  /// The group in charge.
  package var groupID: GroupID?
  /// The agent who holds it.
  package var agentID: AgentID?
  /// How urgent it is.
  package var priority: TicketPriority
  /// How it came in.
  package var channel: TicketChannel
  /// ISO 639-1 code of the inquiry's language.
  package var language: String
  /// What it is about; masked spans are asterisks.
  package var title: String
  /// What it is about, by type.
  package var submissionTypeID: SubmissionTypeID?
  /// How it was handled.
  package var processingTypeID: ProcessingTypeID?
  /// Why it was resolved internally, if it was.
  package var internalReason: InternalReason?
  /// Whether it is in the spam box.
  package var isSpam: Bool
  /// Where it stood before the spam box.
  package var stateBeforeSpam: TicketState?
  /// The organization of its service.
  package var organizationID: OrganizationID
  /// Who it is from.
  package var customerID: CustomerID?
  /// The customer's name as this ticket knows it.
  package var customerName: String
  /// Where answers go; empty: nowhere.
  package var customerEmail: String
  /// The customer's phone number.
  package var customerPhone: String
  /// By which the organization's own systems know the customer.
  package var customerUserCode: String
  /// Whether the customer agreed, with the inquiry, that their personal data is collected and used.
  package var hasPrivacyConsent: Bool
  /// The agent who wrote it down, if one did.
  package var creatorAgentID: AgentID?
  /// The consultation ticket that it answers.
  package var source: TicketLink?
  /// The issue ticket that it was escalated to last.
  package var target: TicketLink?
  /// Where it was ever escalated to; nil: nowhere. Follows from ``target`` and from the states that the ticket had.
  package var escalatedTo: EscalatedTo?
  /// The ticket of the same service that the customer's reply came to when this one was opened for it.
  package var previousID: TicketID?
  /// When the customer wants to be called back, if somebody promised it.
  package var callBack: CallBackRecord?
  /// When it was deleted from the spam box; only who writes that sees such a ticket.
  package var deleteTime: Instant?
  /// Number of history entries.
  package var entryCount: Int32
  /// Number of events, which is the sequence of the last one.
  package var eventCount: Int32
  /// Hash of the last event.
  package var eventHash: [UInt8]
  /// Seal of the chain's head.
  package var eventSeal: [UInt8]
  /// When it was received.
  package var createTime: Instant
  /// When it changed last.
  package var updateTime: Instant
  /// When it was resolved last.
  package var resolveTime: Instant?
  /// When it was completed.
  package var completeTime: Instant?
  /// The database's clock when the row was read; the time of what is written on it.
  package var readTime: Instant
  /// Whether the reading agent has starred it; no column of the ticket.
  package var isStarred = false
  /// Counts the masks that were made on it or on tickets that belong to it. Who writes words that were searched for
  /// masked ones compares it.
  package var maskGeneration: Int32 = 0
  /// Whether masks lie on it or on a ticket that belongs to it, or did once; no column of the ticket, and told of one
  /// that is read by itself.
  package var hasMasks = false

  /// Its ids.
  package var link: TicketLink { TicketLink(serviceID: serviceID, ticketID: id) }

  /// Whether it answers a consultation ticket.
  package var isEscalated: Bool { source != nil }

  /// What the rules need to know of it.
  ///
  /// - Parameter hasActiveHolder: whether the holder is active and still a member; only acts that reopen a ticket ask.
  package func standing(in kind: ServiceKind, hasActiveHolder: Bool = true) -> Standing {
    Standing(
      kind: kind, state: state, isSpam: isSpam, origin: isEscalated ? .escalated : .direct,
      hasHolder: agentID != nil && hasActiveHolder, stateBeforeSpam: stateBeforeSpam)
  }
}

/// A ticket of another service.
package struct TicketLink: Hashable, Sendable, CustomStringConvertible {
  /// The other service.
  package let serviceID: ServiceID
  /// The ticket there.
  package let ticketID: TicketID
  /// Points at a ticket.
  package init(serviceID: ServiceID, ticketID: TicketID) {
    self.serviceID = serviceID
    self.ticketID = ticketID
  }
  /// The two ids, as events write them: `3/1064`.
  package var description: String { "\(serviceID)/\(ticketID)" }
}

extension TicketRecord {
  /// The columns, for `SELECT \(fragment: TicketRecord.columns) FROM ticket AS t`; read by ``init(_:)``.
  package static let columns: Query = """
    t.service_id, t.id, t.state, t.version, t.group_id, t.agent_id, t.priority, t.channel, t.language, t.title, \
    t.submission_type_id, t.processing_type_id, t.internal_reason, t.is_spam, t.state_before_spam, \
    t.organization_id, t.customer_id, t.customer_name, t.customer_email, t.customer_phone, t.creator_agent_id, \
    t.source_service_id, t.source_ticket_id, t.target_service_id, t.target_ticket_id, t.entry_count, \
    t.event_count, t.event_hash, t.event_seal, t.create_time, t.update_time, t.resolve_time, t.complete_time, \
    clock_timestamp(), t.previous_ticket_id, t.call_back_phone, t.call_back_time, t.call_back_active, t.delete_time, \
    t.escalated_to, t.mask_generation, t.customer_user_code, t.privacy_consent
    """
  /// What ``hasMasks`` tells of a row `t`.
  static let hasMasks: Query = """
    t.mask_generation > 0 OR EXISTS (SELECT FROM mask_place AS k
      WHERE k.ticket_service_id = t.service_id AND k.ticket_id = t.id AND k.is_on) \
    OR t.source_ticket_id IS NOT NULL AND EXISTS (SELECT FROM mask_place AS k
      WHERE k.ticket_service_id = t.source_service_id AND k.ticket_id = t.source_ticket_id AND k.is_on) \
    OR t.target_ticket_id IS NOT NULL AND EXISTS (SELECT FROM mask_place AS k
      WHERE k.ticket_service_id = t.target_service_id AND k.ticket_id = t.target_ticket_id AND k.is_on) \
    OR t.previous_ticket_id IS NOT NULL AND EXISTS (SELECT FROM mask_place AS k
      WHERE k.ticket_service_id = t.service_id AND k.ticket_id = t.previous_ticket_id AND k.is_on) \
    OR EXISTS (SELECT FROM ticket AS n JOIN mask_place AS k
        ON k.ticket_service_id = n.service_id AND k.ticket_id = n.id AND k.is_on
      WHERE n.service_id = t.service_id AND n.previous_ticket_id = t.id)
    """
  /// The number of columns; the caller's own columns follow from here.
  package static let columnCount = 43

  /// Reads a row that begins with ``columns``.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(_ row: Row) throws(PostgresError) {
    // Lists read many of these: each column by a function of its own type, which the compiler has no need to look up.
    serviceID = ServiceID(try row.int64(0))
    id = TicketID(try row.int64(1))
    state = try row.code(2)
    version = try row.int64(3)
    groupID = try row.optionalInt64(4).map { GroupID($0) }
    agentID = try row.optionalInt64(5).map { AgentID($0) }
    priority = try row.code(6)
    channel = try row.code(7)
    language = try row.string(8)
    title = try row.string(9)
    submissionTypeID = try row.optionalInt64(10).map { SubmissionTypeID($0) }
    processingTypeID = try row.optionalInt64(11).map { ProcessingTypeID($0) }
    internalReason = try row.isNull(12) ? nil : row.code(12)
    isSpam = try row.bool(13)
    stateBeforeSpam = try row.isNull(14) ? nil : row.code(14)
    organizationID = OrganizationID(try row.int64(15))
    customerID = try row.optionalInt64(16).map { CustomerID($0) }
    customerName = try row.string(17)
    customerEmail = try row.string(18)
    customerPhone = try row.string(19)
    creatorAgentID = try row.optionalInt64(20).map { AgentID($0) }
    source = try TicketLink(row, 21)
    target = try TicketLink(row, 23)
    entryCount = try row.int32(25)
    eventCount = try row.int32(26)
    eventHash = try row.bytes(27)
    eventSeal = try row.bytes(28)
    createTime = try row.instant(29)
    updateTime = try row.instant(30)
    resolveTime = try row.optionalInstant(31)
    completeTime = try row.optionalInstant(32)
    readTime = try row.instant(33)
    previousID = try row.optionalInt64(34).map { TicketID($0) }
    callBack = try row.isNull(36) ? nil : CallBackRecord(row, 35)
    deleteTime = try row.optionalInstant(38)
    escalatedTo = try row.isNull(39) ? nil : row.code(39)
    maskGeneration = try row.int32(40)
    customerUserCode = try row.string(41)
    hasPrivacyConsent = try row.bool(42)
  }
}

extension Row {
  /// A word that is one of a type's values; what is none of them is refused as by ``value(_:as:)``.
  fileprivate func code<Code: PostgresDecodable & RawRepresentable<String>>(
    _ column: Int
  ) throws(PostgresError) -> Code {
    guard let code = Code(rawValue: try string(column)) else { return try value(column) }
    return code
  }
}

extension TicketRecord {
  /// The column behind ``columns`` that says whether an agent has starred the ticket; nobody has when none is named.
  package static func isStarred(by viewer: AgentID?) -> Query {
    guard let viewer else { return "false" }
    return """
      EXISTS (SELECT FROM ticket_star AS x
        WHERE x.service_id = t.service_id AND x.agent_id = \(viewer) AND x.ticket_id = t.id)
      """
  }

  /// Reads a row that begins with ``columns`` and ``isStarred(by:)``.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(starred row: Row) throws(PostgresError) {
    try self.init(row)
    isStarred = try row.value(Self.columnCount)
  }
}

extension TicketLink {
  init?(_ row: Row, _ column: Int) throws(PostgresError) {
    guard let serviceID = try row.optionalInt64(column), let ticketID = try row.optionalInt64(column + 1) else {
      return nil
    }
    self.init(serviceID: ServiceID(serviceID), ticketID: TicketID(ticketID))
  }
}

// The texts of the CHECK lists are the raw values.
extension TicketState: PostgresDecodable, PostgresBindable {}
extension TicketPriority: PostgresDecodable, PostgresBindable {}
extension TicketChannel: PostgresDecodable, PostgresBindable {}
extension InternalReason: PostgresDecodable, PostgresBindable {}
extension EscalatedTo: PostgresDecodable, PostgresBindable {}
extension ReplyPolicy: PostgresDecodable, PostgresBindable {}
extension ServiceKind: PostgresDecodable, PostgresBindable {}
extension EntryKind: PostgresDecodable, PostgresBindable {}
extension EntryAct: PostgresDecodable, PostgresBindable {}
extension ActorKind: PostgresDecodable, PostgresBindable {}
extension MemberRole: PostgresDecodable, PostgresBindable {}
extension EventCode: PostgresDecodable, PostgresBindable {}
