import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What a mail that came in is; raw values as in the database.
enum InboundState: String, Sendable, CaseIterable, PostgresDecodable, PostgresBindable {
  /// Not decided yet.
  case waiting = "WAITING"
  /// It opened a ticket.
  case ticket = "TICKET"
  /// It was added to one.
  case reply = "REPLY"
  /// No person wrote it to us.
  case suppressed = "SUPPRESSED"
  /// An agent is to decide.
  case quarantined = "QUARANTINED"
}

/// What a mail is going to be; raw values as in the database.
enum InboundPlan: String, Sendable, PostgresDecodable, PostgresBindable {
  /// Not known yet.
  case none = ""
  /// A new ticket.
  case ticket = "TICKET"
  /// A reply to one.
  case reply = "REPLY"
}

/// A row of `inbound_mail`.
struct InboundRecord: Sendable {
  /// Its id.
  let id: Int64
  /// The service that it came in for.
  let serviceID: ServiceID
  /// What it is.
  var state: InboundState
  /// Why it is suppressed or quarantined.
  var reason: String
  /// The ticket that it opened, joined or points to.
  var ticketID: TicketID?
  let accountID: Int64
  let contentHash: [UInt8]
  let sizeBytes: Int64
  var plan: InboundPlan
  var attachmentIDs: [AttachmentID]
  let sealedSummary: [UInt8]?
  let attemptCount: Int32
  let failureCount: Int32
  /// Of these, how many ended by waiting for an earlier mail, or by being given back.
  let waitCount: Int32
  let receiveTime: Instant
  var decideTime: Instant?
  let deciderID: AgentID?
  /// Whether its bytes are still kept.
  let hasRaw: Bool
  /// Whether a mail with another body had come in before under its Message-ID. A list's copy, which is suppressed, does
  /// not count.
  let isNamesake: Bool
  /// The type of the tickets that its account's mails open; nil: none, or one that is not used any more.
  let submissionTypeID: SubmissionTypeID?

  static let columns: Query = """
    i.id, i.service_id, i.state, i.reason, i.ticket_id, i.account_id, i.content_hash, i.size_bytes, i.plan, \
    i.attachment_ids, i.sealed_summary, i.attempt_count, i.failure_count, i.receive_time, i.decide_time, i.decider_id, \
    i.has_raw, EXISTS (SELECT 1 FROM inbound_mail AS n WHERE n.service_id = i.service_id AND n.identity = i.identity \
    AND n.account_id = i.account_id AND n.id < i.id AND n.state <> 'SUPPRESSED'), \
    (SELECT y.id FROM mail_account AS a JOIN submission_type AS y ON y.service_id = a.service_id \
    AND y.id = a.submission_type_id WHERE a.service_id = i.service_id AND a.id = i.account_id AND y.is_active), \
    i.wait_count
    """
  static let columnCount = 20

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    serviceID = try row.value(1)
    state = try row.value(2)
    reason = try row.value(3)
    ticketID = try row.value(4)
    accountID = try row.value(5)
    contentHash = try row.value(6)
    sizeBytes = try row.value(7)
    plan = try row.value(8)
    attachmentIDs = try row.value(9)
    sealedSummary = try row.value(10)
    attemptCount = try row.value(11)
    failureCount = try row.value(12)
    receiveTime = try row.value(13)
    decideTime = try row.value(14)
    deciderID = try row.value(15)
    hasRaw = try row.bool(16)
    isNamesake = try row.bool(17)
    submissionTypeID = try row.value(18)
    waitCount = try row.value(19)
  }
}

/// Somebody whom a customer wrote to as well.
struct ParticipantDraft: Sendable {
  let displayName: String
  let address: String
}

extension ParticipantDraft {
  init(_ row: Row) throws(PostgresError) { (displayName, address) = (try row.string(0), try row.string(1)) }
}

extension MailStore {
  /// How long an attempt may take before another process takes the mail up.
  static let inboundLease: Duration = .seconds(90)
  static var inboundLeaseSeconds: Int64 { inboundLease.components.seconds }

  /// A mail as it comes in.
  struct Arrival: Sendable {
    let service: ServiceID
    let account: Int64
    let prints: MessageIdentity.Prints
    let sizeBytes: Int64
  }

  /// Sealed bytes of mails that are stored together; more travel alone.
  private static let gatheredBytesMax = 64 << 10

  /// Stores a mail under a lease for the caller, unless the same mail has come in before: then that one is returned.
  ///
  /// - Parameter pieces: its bytes, sealed; none: they are not to be had, and an agent is to decide.
  func storeInbound(
    _ arrival: Arrival, pieces: [RawMailVault.Piece], deadline: Deadline
  ) async throws -> (mail: InboundRecord, isNew: Bool) {
    let arrived = InboundWrites.Arrived(arrival: arrival, pieces: pieces)
    let isSmall = arrival.sizeBytes <= Self.gatheredBytesMax
    let made = try await ServiceError.translating {
      isSmall
        ? try await inboundWrites.store.perform(arrived, deadline: deadline)
        : try await InboundWrites.store([arrived], pool, deadline)[0]
    }
    if let made { return (made, true) }
    // A mail from before bodies were kept is known by its Message-ID alone. Writing it anew puts it on the disk: who
    // stored it may not have come so far.
    let identities = [arrival.prints.identity, arrival.prints.formerIdentity]
    let bodies = [arrival.prints.bodyHash, arrival.prints.formerBodyHash, []]
    let known = try await query(
      """
      WITH known AS (
        UPDATE inbound_mail AS k SET account_id = k.account_id
        WHERE k.service_id = \(arrival.service) AND k.identity = ANY (\(identities))
          AND k.account_id = \(arrival.account) AND k.body_hash = ANY (\(bodies)) AND k.state = 'WAITING'
      )
      SELECT \(fragment: InboundRecord.columns) FROM inbound_mail AS i
      WHERE i.service_id = \(arrival.service) AND i.identity = ANY (\(identities))
        AND i.account_id = \(arrival.account) AND i.body_hash = ANY (\(bodies))
      """, deadline: deadline)
    guard let row = known.first else { throw ServiceError(.conflict) }
    return (try InboundRecord(row), false)
  }

  /// Takes mails up that are due, the longest due first; what others are taking up is left to them.
  ///
  /// - Parameter suspects: whether those over which a process has died, or the others.
  func claimInbound(limit: Int, suspects: Bool, deadline: Deadline) async throws -> [InboundRecord] {
    try await query(
      """
      WITH due AS (
        SELECT service_id, id FROM inbound_mail
        WHERE state = 'WAITING' AND due_time <= clock_timestamp() AND (attempt_count > failure_count) = \(suspects)
        ORDER BY due_time LIMIT \(limit) FOR UPDATE SKIP LOCKED
      )
      UPDATE inbound_mail AS i SET attempt_count = i.attempt_count + 1, behind_id = NULL,
        due_time = clock_timestamp() + \(Self.inboundLeaseSeconds) * interval '1 second'
      FROM due WHERE i.service_id = due.service_id AND i.id = due.id
      RETURNING \(fragment: InboundRecord.columns)
      """, deadline: deadline
    ).map { try InboundRecord($0) }
  }

  /// The sealed bytes of a mail, in order; empty when they are kept no longer.
  func pieces(of mail: InboundRecord, deadline: Deadline) async throws -> [[UInt8]] {
    try await query(
      """
      SELECT p.sealed FROM inbound_mail_piece AS p
      WHERE p.service_id = \(mail.serviceID) AND p.mail_id = \(mail.id) ORDER BY p.number
      """, deadline: deadline
    ).map { try $0.value(0) }
  }

  /// How long a mail waits for earlier ones at most, so that one that cannot be decided holds up no conversation.
  private static let behindSeconds: Int64 = 3_600

  /// What comes of fixing what a mail is going to be.
  enum Fixing: Sendable {
    case fixed
    /// It is a reply, and an earlier one to the same ticket, of this id, is not written yet.
    case behind(Int64)
    /// Somebody else has taken it up meanwhile.
    case leaseLost
  }

  /// Fixes what a mail is going to be.
  func plan(_ mail: InboundRecord, deadline: Deadline) async throws -> Fixing {
    let rows = try await query(
      """
      WITH planned AS (
        UPDATE inbound_mail AS i SET plan = \(mail.plan), ticket_id = \(mail.ticketID),
          attachment_ids = \(mail.attachmentIDs)
        WHERE i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
          AND i.attempt_count = \(mail.attemptCount)
        RETURNING i.service_id, i.id, i.ticket_id, i.receive_time
      )
      SELECT max(e.id) FROM planned AS i LEFT JOIN inbound_mail AS e
        ON e.service_id = i.service_id AND e.ticket_id = i.ticket_id AND e.state = 'WAITING' AND e.plan = 'REPLY'
        AND e.id < i.id AND \(mail.plan) = 'REPLY' AND \(fragment: Self.isPatient)
      GROUP BY i.id
      """, deadline: deadline)
    guard let row = rows.first else { return .leaseLost }
    let earlier: Int64? = try row.value(0)
    return earlier.map { .behind($0) } ?? .fixed
  }

  /// Holds while a mail `i` waits for earlier ones.
  static let isPatient: Query =
    "i.receive_time > clock_timestamp() - \(behindSeconds) * interval '1 second'"

  /// Puts a mail off until an earlier one is decided; at once, when that is done already.
  func postpone(_ mail: InboundRecord, behind earlier: Int64, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE inbound_mail AS i SET failure_count = i.failure_count + 1, wait_count = i.wait_count + 1,
        behind_id = \(earlier),
        due_time = coalesce(
          (SELECT greatest(e.due_time, clock_timestamp()) + interval '1 second' FROM inbound_mail AS e
            WHERE e.service_id = i.service_id AND e.id = \(earlier) AND e.state = 'WAITING'), clock_timestamp())
      WHERE i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
        AND i.attempt_count = \(mail.attemptCount)
      """, deadline: deadline)
  }

  /// What became of a mail.
  struct Decision: Sendable {
    var state: InboundState
    var reason = ""
    var ticketID: TicketID?
    var senderHash: [UInt8] = []
    var summary: RawMailVault.Piece?
    /// Of a mail that opened or joined a ticket, to refer to; empty: it has none.
    var messageID = ""
    /// Of a new ticket.
    var participants: [ParticipantDraft] = []
  }

  /// Says what became of a mail, once; nil when somebody else has taken it up meanwhile.
  func decide(_ mail: InboundRecord, _ decision: Decision, deadline: Deadline) async throws -> InboundRecord? {
    let time = try await ServiceError.translating {
      try await inboundWrites.decide.perform(.init(mail: mail, decision: decision), deadline: deadline)
    }
    guard let time else { return nil }
    var decided = mail
    (decided.state, decided.reason) = (decision.state, decision.reason)
    (decided.ticketID, decided.decideTime) = (decision.ticketID, time)
    return decided
  }

  /// Puts a mail off after an attempt that failed.
  func postpone(_ mail: InboundRecord, milliseconds: Int64, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE inbound_mail AS i SET failure_count = i.failure_count + 1,
        due_time = clock_timestamp() + \(milliseconds) * interval '1 millisecond'
      WHERE i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
        AND i.attempt_count = \(mail.attemptCount)
      """, deadline: deadline)
  }

  /// Gives a mail back that was not decided: it is due at once, and nobody failed or died over it.
  func giveBack(_ mail: InboundRecord, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE inbound_mail AS i SET failure_count = i.failure_count + 1, wait_count = i.wait_count + 1,
        due_time = clock_timestamp()
      WHERE i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
        AND i.attempt_count = \(mail.attemptCount)
      """, deadline: deadline)
  }

  /// A mail of a service; nil when there is none of this id.
  func inbound(_ id: Int64, of service: ServiceID, deadline: Deadline) async throws -> InboundRecord? {
    try await query(
      """
      SELECT \(fragment: InboundRecord.columns) FROM inbound_mail AS i
      WHERE i.service_id = \(service) AND i.id = \(id)
      """, deadline: deadline
    ).first.map { try InboundRecord($0) }
  }

  /// Mails of a service in a state, newest first.
  func inbound(
    _ state: InboundState, of service: ServiceID, before: Int64, limit: Int, deadline: Deadline
  ) async throws -> [InboundRecord] {
    try await query(
      """
      SELECT \(fragment: InboundRecord.columns) FROM inbound_mail AS i
      WHERE i.service_id = \(service) AND i.state = \(state) AND i.id < \(before)
        AND \(fragment: state == .waiting ? "i.state = 'WAITING'" : "i.state <> 'WAITING'")
      ORDER BY i.id DESC LIMIT \(limit)
      """, deadline: deadline
    ).map { try InboundRecord($0) }
  }

  /// Takes a decided mail up again under a lease for the caller; nil when it is in none of these states, or its bytes
  /// are kept no longer.
  func takeUpAgain(
    _ id: Int64, of service: ServiceID, from states: [InboundState], plan: InboundPlan, ticket: TicketID?,
    by agent: AgentID?, deadline: Deadline
  ) async throws -> InboundRecord? {
    try await query(
      """
      UPDATE inbound_mail AS i SET state = 'WAITING', reason = '', decide_time = NULL, plan = \(plan),
        ticket_id = \(ticket), attachment_ids = '{}', attempt_count = i.attempt_count + 1,
        failure_count = i.attempt_count, wait_count = i.attempt_count, decider_id = \(agent),
        due_time = clock_timestamp() + \(Self.inboundLeaseSeconds) * interval '1 second'
      WHERE i.service_id = \(service) AND i.id = \(id) AND i.state = ANY(\(states.map(\.rawValue))) AND i.has_raw
      RETURNING \(fragment: InboundRecord.columns)
      """, deadline: deadline
    ).first.map { try InboundRecord($0) }
  }

  /// Turns a quarantined mail away; nil when it is not quarantined.
  func reject(
    _ id: Int64, of service: ServiceID, by agent: AgentID?, deadline: Deadline
  ) async throws -> InboundRecord? {
    try await query(
      """
      UPDATE inbound_mail AS i SET state = 'SUPPRESSED', reason = \(SuppressionReason.rejected.rawValue),
        decider_id = \(agent), decide_time = clock_timestamp()
      WHERE i.service_id = \(service) AND i.id = \(id) AND i.state = 'QUARANTINED'
      RETURNING \(fragment: InboundRecord.columns)
      """, deadline: deadline
    ).first.map { try InboundRecord($0) }
  }
}
