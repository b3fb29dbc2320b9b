package import Postgres
package import ServiceKit

/// A service with its settings.
package struct ServiceRecord: Sendable, Equatable {
  /// Its id.
  package let id: ServiceID
  /// The organization it belongs to.
  package let organizationID: OrganizationID
  /// Its code in resource names; never changes.
  package let code: String
  /// What it is for.
  package let kind: ServiceKind
  /// The name people know.
  package let displayName: String
  /// ISO 639-1 code of its default language.
  package let language: String
  /// IANA time zone.
  package let timeZone: String
  /// Whether personal data can be masked.
  package let hasSecurity: Bool
  /// Days after which a resolved ticket completes by itself; 0: never.
  package let autoCompleteDays: Int32
  /// Whether only the holder may process a ticket.
  package let isAssigneeOnly: Bool
  /// What becomes of a customer's reply to a resolved ticket.
  package let replyPolicy: ReplyPolicy
  /// Days within which a reply reopens; 0 for other policies.
  package let reopenDays: Int32
  /// Grows with every change of the settings.
  package let version: Int64
  /// The sender's name of its mails; may be empty.
  package let mailSenderName: String
  /// The sender's address of its mails; may be empty.
  package let mailSenderAddress: String

  /// Its resource name.
  package var name: ServiceName { ServiceName(code: code) }

  /// The columns, for `SELECT \(fragment: ServiceRecord.columns) FROM service AS s`; read by ``init(_:)``.
  package static let columns: Query = """
    s.id, s.organization_id, s.code, s.kind, s.display_name, s.language, s.time_zone, s.has_security, \
    s.auto_complete_days, s.assignee_only, s.mail_sender_name, s.mail_sender_address, s.reply_policy, s.reopen_days, \
    s.version
    """

  /// Reads a row of ``columns``.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    organizationID = try row.value(1)
    code = try row.value(2)
    kind = try row.value(3)
    displayName = try row.value(4)
    language = try row.value(5)
    timeZone = try row.value(6)
    hasSecurity = try row.value(7)
    autoCompleteDays = try row.value(8)
    isAssigneeOnly = try row.value(9)
    mailSenderName = try row.value(10)
    mailSenderAddress = try row.value(11)
    replyPolicy = try row.value(12)
    reopenDays = try row.value(13)
    version = try row.value(14)
  }
}

/// What an agent is and may do in one service.
package struct MemberRecord: Sendable, Equatable {
  /// The agent.
  package let agentID: AgentID
  /// The service.
  package let serviceID: ServiceID
  /// The agent's name.
  package let displayName: String
  /// Whether the agent's account is active; an inactive member may do nothing.
  package let isActive: Bool
  /// The basic permission.
  package let role: MemberRole
  /// May see and process tickets; administrators may anyway.
  package let hasTicketRight: Bool
  /// May hand tickets to others; administrators may anyway.
  package let hasForwardRight: Bool
  /// May bring masked data back; administrators too need it.
  package let hasUnmaskRight: Bool
  /// Whether agents and triggers can give this agent tickets.
  package let isAssignable: Bool
  /// The groups the agent is in, by id.
  package let groups: [GroupID]

  /// Whether the member may see and process tickets.
  package var mayWorkOnTickets: Bool { isActive && (hasTicketRight || role == .administrator) }

  /// The role in which the rules see the member; nil: none.
  package var lifecycleRole: LifecycleRole? {
    guard mayWorkOnTickets else { return nil }
    return role == .administrator ? .administrator : hasForwardRight ? .forwarder : .agent
  }

  init(_ row: Row, _ agentID: AgentID, _ serviceID: ServiceID) throws(PostgresError) {
    self.agentID = agentID
    self.serviceID = serviceID
    displayName = try row.value(0)
    isActive = try row.value(1)
    role = try row.value(2)
    hasTicketRight = try row.value(3)
    hasForwardRight = try row.value(4)
    hasUnmaskRight = try row.value(5)
    isAssignable = try row.value(6)
    groups = try row.value(7)
  }
}

/// An agent's account.
package struct AgentRecord: Sendable, Equatable {
  /// Its id.
  package let id: AgentID
  /// The organization it belongs to.
  package let organizationID: OrganizationID
  /// The name people know.
  package let displayName: String
  /// Whether it can be used.
  package let isActive: Bool

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    organizationID = try row.value(1)
    displayName = try row.value(2)
    isActive = try row.value(3)
  }
}
