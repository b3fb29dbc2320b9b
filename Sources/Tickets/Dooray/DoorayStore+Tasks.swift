import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `dooray_task`: a task that is being created, or exists.
struct DoorayTaskRecord: Sendable {
  enum State: String, Sendable, PostgresDecodable {
    case sending = "SENDING"
    case open = "OPEN"
    case stray = "STRAY"
  }

  let serviceID: ServiceID
  let id: DoorayTaskID
  let ticketID: TicketID
  let projectID: DoorayProjectID
  let agentID: AgentID
  let requestID: String
  let marker: String
  let state: State
  let subject: String
  let body: String
  let tags: [String]
  let assignees: [String]
  let cc: [String]
  /// Empty while it is not known to exist.
  let doorayID: String
  /// Whether a task may still come to be by itself, because an answer was lost.
  let isSettling: Bool
  /// Whether an answer was ever lost, or its daemon ended before there was one.
  let isInDoubt: Bool
  let createTime: Instant
  /// Files that go with it.
  let attachments: [AttachmentID]
  /// How long ago it was begun.
  let age: Duration
  /// The project at Dooray! that it was moved to; empty: it is where it was created.
  var movedTo: String
  /// Whether no key saw it when it was last looked at.
  let isMissed: Bool

  static let columns: Query = """
    t.service_id, t.id, t.ticket_id, t.project_id, t.agent_id, t.request_id, t.marker, t.state, t.subject, t.body, \
    t.tag_ids, t.assignee_ids, t.cc_ids, coalesce(t.dooray_id, ''), \
    coalesce(t.settle_time > clock_timestamp(), false), t.settle_time IS NOT NULL, t.create_time, \
    t.attachment_ids, (extract(epoch FROM clock_timestamp() - t.create_time) * 1000)::bigint, \
    coalesce(t.moved_to, ''), t.missing_time IS NOT NULL
    """

  init(_ row: Row) throws(PostgresError) {
    serviceID = try row.value(0)
    id = try row.value(1)
    ticketID = try row.value(2)
    projectID = try row.value(3)
    agentID = try row.value(4)
    requestID = try row.value(5)
    marker = try row.value(6)
    state = try row.value(7)
    subject = try row.value(8)
    body = try row.value(9)
    tags = try row.strings(10)
    assignees = try row.strings(11)
    cc = try row.strings(12)
    doorayID = try row.value(13)
    isSettling = try row.value(14)
    isInDoubt = try row.value(15)
    createTime = try row.value(16)
    attachments = try row.int64s(17).map { AttachmentID($0) }
    age = .milliseconds(try row.value(18) as Int64)
    movedTo = try row.value(19)
    isMissed = try row.value(20)
  }

  /// The id of the project at Dooray! in which it is now.
  func place(from project: DoorayProjectRecord) -> String { movedTo.isEmpty ? project.doorayID : movedTo }

  /// What is created at Dooray!: the text, and the line by which the task is found again.
  func draft(in project: DoorayProjectRecord) -> DoorayTaskDraft {
    DoorayTaskDraft(
      project: project.doorayID, subject: subject, body: DoorayMarker.marked(body, marker), tags: tags,
      assignees: assignees, cc: cc)
  }
}

extension DoorayStore {
  /// For how long who creates a task keeps others from it; longer than it works on it.
  static let leaseSeconds: Int64 = 60
  /// For how long after a lost answer a task may still come to be by itself. Dooray! answers or fails long before.
  static let settleSeconds: Int64 = 60
  private static let shownMax = 100

  /// Notes that a task is going to be created; it counts as in doubt until the attempt has ended.
  ///
  /// - Returns: nil when the ticket is not as it was read any more, or the same request has a task already.
  /// - Throws: CONFLICT when another one of the ticket is being created.
  func begin(
    _ escalation: DoorayEscalation, by agent: AgentID, on ticket: TicketRecord, marker: String, deadline: Deadline
  ) async throws -> DoorayTaskRecord? {
    do {
      return try await pool.query(
        """
        INSERT INTO dooray_task AS t (service_id, ticket_id, project_id, agent_id, request_id, marker, subject, body,
          tag_ids, assignee_ids, cc_ids, attachment_ids, lease_time, settle_time)
        SELECT k.service_id, k.id, \(escalation.project.id), \(agent), \(escalation.requestID),
          \(marker), \(escalation.subject), \(escalation.text), \(escalation.tags), \(escalation.assignees),
          \(escalation.cc), \(escalation.attachments.ids),
          clock_timestamp() + \(Self.leaseSeconds) * interval '1 second',
          clock_timestamp() + \(Self.leaseSeconds + Self.settleSeconds) * interval '1 second'
        FROM ticket AS k
        WHERE k.service_id = \(ticket.serviceID) AND k.id = \(ticket.id) AND k.version = \(ticket.version)
          AND k.state = \(ticket.state) AND k.delete_time IS NULL
        FOR SHARE OF k
        RETURNING \(fragment: DoorayTaskRecord.columns)
        """, deadline: deadline
      ).first.map { try DoorayTaskRecord($0) }
    } catch let error as PostgresError {
      if error.violates("dooray_task_request_idx") { return nil }
      if error.violates("dooray_task_sending_idx") { throw Self.underway }
      if error.violates("dooray_task_project_fkey") { throw ServiceError(.resourceNotFound) }
      throw ServiceError(postgres: error)
    }
  }

  static let underway = ServiceError(
    .conflict, "the ticket is being escalated to Dooray! by another request; look at it again in a minute")

  /// The task of a ticket that is being created, if there is one.
  func sending(of ticket: TicketRecord, deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      SELECT \(fragment: DoorayTaskRecord.columns) FROM dooray_task AS t
      WHERE t.service_id = \(ticket.serviceID) AND t.ticket_id = \(ticket.id) AND t.state = 'SENDING'
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// Takes up a task whose creation was left off; nil when somebody works on it, or it is not there any more.
  func resume(_ task: DoorayTaskRecord, deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      UPDATE dooray_task AS t SET lease_time = clock_timestamp() + \(Self.leaseSeconds) * interval '1 second'
      WHERE t.service_id = \(task.serviceID) AND t.id = \(task.id) AND t.state = 'SENDING'
        AND t.lease_time <= clock_timestamp()
      RETURNING \(fragment: DoorayTaskRecord.columns)
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// Takes up the oldest task whose creation was left off and is settled by now; nil when there is none.
  func claimSettled(deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      UPDATE dooray_task AS t SET lease_time = clock_timestamp() + \(Self.leaseSeconds) * interval '1 second'
      FROM (
        SELECT x.service_id, x.id FROM dooray_task AS x
        WHERE x.state = 'SENDING' AND x.lease_time <= clock_timestamp() AND x.settle_time <= clock_timestamp()
        ORDER BY x.lease_time LIMIT 1 FOR UPDATE SKIP LOCKED
      ) AS due
      WHERE t.service_id = due.service_id AND t.id = due.id RETURNING \(fragment: DoorayTaskRecord.columns)
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// Renews the doubt before an attempt to create.
  ///
  /// - Returns: the task as it is now, since parts of its text may have been masked after it was read; nil when it is
  ///   not being created any more.
  func doubt(_ task: DoorayTaskRecord, deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      UPDATE dooray_task AS t SET settle_time =
        clock_timestamp() + \(Self.leaseSeconds + Self.settleSeconds) * interval '1 second'
      WHERE t.service_id = \(task.serviceID) AND t.id = \(task.id) AND t.state = 'SENDING'
      RETURNING \(fragment: DoorayTaskRecord.columns)
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// Leaves a task off whose answer was lost.
  func leaveOff(_ task: DoorayTaskRecord, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task SET lease_time = clock_timestamp(),
        settle_time = clock_timestamp() + \(Self.settleSeconds) * interval '1 second'
      WHERE service_id = \(task.serviceID) AND id = \(task.id) AND state = 'SENDING'
      """, deadline)
  }

  /// Lets others take up a task; for how long it is in doubt stays as it was.
  func release(_ task: DoorayTaskRecord, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task SET lease_time = clock_timestamp()
      WHERE service_id = \(task.serviceID) AND id = \(task.id) AND state = 'SENDING'
      """, deadline)
  }

  /// Has a task taken up later.
  func putOff(_ task: DoorayTaskRecord, by wait: Duration, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task SET lease_time = clock_timestamp() + \(wait.wholeSeconds) * interval '1 second'
      WHERE service_id = \(task.serviceID) AND id = \(task.id) AND state = 'SENDING'
      """, deadline)
  }

  /// What a request has led to: the state and the project of its task; nil when it has none.
  func outcome(
    of requestID: String, by agent: AgentID, on ticket: TicketID, in service: ServiceID, deadline: Deadline
  ) async throws -> (state: DoorayTaskRecord.State, project: DoorayProjectID)? {
    guard !requestID.isEmpty else { return nil }
    return try await query(
      """
      SELECT t.state, t.project_id FROM dooray_task AS t
      WHERE t.service_id = \(service) AND t.ticket_id = \(ticket) AND t.agent_id = \(agent)
        AND t.request_id = \(requestID)
      """, deadline
    ).first.map { (try $0.value(0), try $0.value(1)) }
  }

  /// Forgets a task that does not exist and never will.
  func drop(_ task: DoorayTaskRecord, deadline: Deadline) async throws {
    // The task before it counts again.
    _ = try await query(
      """
      WITH gone AS (
        DELETE FROM dooray_task AS x WHERE x.service_id = \(task.serviceID) AND x.id = \(task.id)
          AND x.state = 'SENDING' RETURNING x.service_id, x.ticket_id
      )
      UPDATE dooray_task AS t SET poll_time = clock_timestamp()
      FROM gone WHERE t.service_id = gone.service_id AND t.ticket_id = gone.ticket_id AND t.state = 'OPEN'
      """, deadline)
  }

  /// The statement that forgets a task of which nobody knows whether it exists, as a part of the change of its ticket.
  static func givingUp(_ task: DoorayTaskRecord) -> Query {
    """
    DELETE FROM dooray_task AS t USING changed AS c
    WHERE t.service_id = c.service_id AND t.ticket_id = c.id AND t.id = \(task.id) AND t.state = 'SENDING'
    """
  }

  /// Holds as long as nobody has made anything else of a task, nor masked parts of its text, as a guard of the change
  /// that opens it.
  static func isSending(_ task: DoorayTaskRecord) -> Query {
    """
    EXISTS (SELECT 1 FROM dooray_task AS x WHERE x.service_id = \(task.serviceID) AND x.id = \(task.id)
      AND x.state = 'SENDING' AND x.body = \(task.body) FOR UPDATE)
    """
  }

  /// The statement that opens a task, as a part of the change of its ticket.
  static func opening(_ task: DoorayTaskRecord, as doorayID: String) -> Query {
    """
    UPDATE dooray_task AS t SET state = 'OPEN', dooray_id = \(doorayID), settle_time = NULL,
      poll_time = clock_timestamp()
    FROM changed AS c WHERE t.service_id = c.service_id AND t.ticket_id = c.id AND t.id = \(task.id)
      AND t.state = 'SENDING'
    """
  }

  /// Keeps a task that exists though its ticket is there no more.
  func stray(_ task: DoorayTaskRecord, as doorayID: String, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task SET state = 'STRAY', dooray_id = \(doorayID), settle_time = NULL
      WHERE service_id = \(task.serviceID) AND id = \(task.id) AND state = 'SENDING'
      """, deadline)
  }

  /// The same as a part of the change of its ticket.
  static func straying(_ task: DoorayTaskRecord, as doorayID: String) -> Query {
    """
    UPDATE dooray_task AS t SET state = 'STRAY', dooray_id = \(doorayID), settle_time = NULL
    FROM changed AS c WHERE t.service_id = c.service_id AND t.ticket_id = c.id AND t.id = \(task.id)
      AND t.state = 'SENDING'
    """
  }

  /// The tasks of a ticket, the newest first, each with its project and its files.
  func tasks(
    of ticket: TicketRecord, in service: ServiceRecord, deadline: Deadline
  ) async throws -> [DoorayTask] {
    let ticketName = TicketName(service: service.code, id: ticket.id)
    let rows = try await query(
      """
      SELECT t.id, t.project_id, p.display_name, t.dooray_id, p.address, t.subject, t.agent_id, t.create_time,
        t.progress, t.body
      FROM dooray_task AS t JOIN dooray_project AS p ON p.service_id = t.service_id AND p.id = t.project_id
      WHERE t.service_id = \(ticket.serviceID) AND t.ticket_id = \(ticket.id) AND t.state = 'OPEN'
      ORDER BY t.id DESC LIMIT \(Self.shownMax)
      """, deadline)
    let files = Dictionary(
      grouping: try await files(
        of: try rows.map { try $0.value(0) }, in: ticket.serviceID, deadline: deadline), by: \.taskID)
    return try rows.map { row in
      let (id, doorayID): (DoorayTaskID, String) = (try row.value(0), try row.string(3))
      return DoorayTask(
        name: DoorayTaskName(ticket: ticketName, id: id).description,
        project: DoorayProjectName(service: service.code, id: try row.value(1)).description,
        projectDisplayName: try row.string(2), doorayId: doorayID,
        address: Self.address(ofTask: doorayID, project: try row.string(4)), subject: try row.string(5),
        agent: AgentName(id: try row.value(6)).description, createTime: Timestamp(try row.value(7) as Instant),
        progress: .init(rawValue: (try row.value(8) as DoorayProgress).number), text: try row.string(9),
        files: (files[id] ?? []).map { $0.message(in: service.code) })
    }
  }

  /// Where a task is opened: at the host of its project's address.
  static func address(ofTask doorayID: String, project address: String) -> String {
    let scheme = "https://"
    guard address.hasPrefix(scheme) else { return "" }
    let host = address.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    return "\(scheme)\(host)/project/tasks/\(doorayID)"
  }
}
