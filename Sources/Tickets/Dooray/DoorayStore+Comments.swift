import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `dooray_comment`: a comment of either side.
struct DoorayCommentRecord: Sendable {
  /// Where it stands; raw values and order as in the API.
  enum State: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
    case sending = "SENDING"
    case sent = "SENT"
    case failed = "FAILED"
    case received = "RECEIVED"
  }

  let id: DoorayCommentID
  let ticketID: TicketID
  let taskID: DoorayTaskID
  let state: State
  /// Nil: somebody's at Dooray!.
  let agentID: AgentID?
  /// The agent's name, or that of who wrote it at Dooray!.
  let authorName: String
  let body: String
  /// Empty for what was written at Dooray!.
  let marker: String
  let failure: String
  /// How long ago it was sent without an answer that told what became of it; nil: never, or that is known.
  let sinceTry: Duration?
  let createTime: Instant

  static let columns: Query = """
    m.id, m.ticket_id, m.task_id, m.state, m.agent_id, coalesce(a.display_name, m.author_name), m.body, \
    coalesce(m.marker, ''), m.failure, \
    (extract(epoch FROM clock_timestamp() - m.try_time) * 1000)::bigint, m.create_time
    """
  static let tables: Query = "dooray_comment AS m LEFT JOIN agent AS a ON a.id = m.agent_id"

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    ticketID = try row.value(1)
    taskID = try row.value(2)
    state = try row.value(3)
    agentID = try row.value(4)
    authorName = try row.value(5)
    body = try row.value(6)
    marker = try row.value(7)
    failure = try row.value(8)
    sinceTry = try row.optionalInt64(9).map { .milliseconds($0) }
    createTime = try row.value(10)
  }

  func message(on ticket: TicketName) -> DoorayComment {
    DoorayComment(
      name: DoorayCommentName(ticket: ticket, id: id).description,
      task: DoorayTaskName(ticket: ticket, id: taskID).description, state: .init(rawValue: state.number),
      agent: agentID.map { AgentName(id: $0).description } ?? "", authorDisplayName: authorName, text: body,
      createTime: Timestamp(createTime), failure: failure)
  }
}

extension DoorayStore {
  /// The task that a ticket follows: its newest; nil when it has none.
  func newestTask(of ticket: TicketRecord, deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      SELECT \(fragment: DoorayTaskRecord.columns) FROM dooray_task AS t
      WHERE t.service_id = \(ticket.serviceID) AND t.ticket_id = \(ticket.id) AND t.state = 'OPEN'
      ORDER BY t.id DESC LIMIT 1
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// A task by its id.
  func task(_ id: DoorayTaskID, of service: ServiceID, deadline: Deadline) async throws -> DoorayTaskRecord? {
    try await query(
      """
      SELECT \(fragment: DoorayTaskRecord.columns) FROM dooray_task AS t
      WHERE t.service_id = \(service) AND t.id = \(id)
      """, deadline
    ).first.map { try DoorayTaskRecord($0) }
  }

  /// The id of a comment to be.
  func newCommentID(deadline: Deadline) async throws -> DoorayCommentID {
    try await query("SELECT nextval('dooray_comment_id_seq')", deadline)[0].value(0)
  }

  /// The statement that keeps an agent's comment, as a part of the change of its ticket.
  static func commenting(
    _ id: DoorayCommentID, on task: DoorayTaskRecord, by agent: AgentID, _ body: String, marker: String
  ) -> Query {
    """
    INSERT INTO dooray_comment (service_id, id, ticket_id, task_id, state, agent_id, author_name, body, marker)
    SELECT c.service_id, \(id), c.id, \(task.id), 'SENDING', \(agent), '', \(body), \(marker) FROM changed AS c
    """
  }

  /// A comment; nil when there is none.
  func comment(
    _ id: DoorayCommentID, of service: ServiceID, deadline: Deadline
  ) async throws -> DoorayCommentRecord? {
    try await query(
      """
      SELECT \(fragment: DoorayCommentRecord.columns) FROM \(fragment: DoorayCommentRecord.tables)
      WHERE m.service_id = \(service) AND m.id = \(id)
      """, deadline
    ).first.map { try DoorayCommentRecord($0) }
  }

  /// Comments of a ticket, the newest first.
  func comments(
    of ticket: TicketRecord, before: Int64, limit: Int, deadline: Deadline
  ) async throws -> [DoorayCommentRecord] {
    try await query(
      """
      SELECT \(fragment: DoorayCommentRecord.columns) FROM \(fragment: DoorayCommentRecord.tables)
      WHERE m.service_id = \(ticket.serviceID) AND m.ticket_id = \(ticket.id) AND m.id < \(before)
      ORDER BY m.id DESC LIMIT \(limit)
      """, deadline
    ).map { try DoorayCommentRecord($0) }
  }

  /// Notes that a comment is going to be sent.
  ///
  /// - Returns: its text as it is now, since parts of it may have been masked after it was read; nil when somebody
  ///   else has come to know what became of it.
  func beginSending(
    _ comment: DoorayCommentRecord, of service: ServiceID, deadline: Deadline
  ) async throws -> String? {
    try await query(
      """
      UPDATE dooray_comment SET try_time = clock_timestamp()
      WHERE service_id = \(service) AND id = \(comment.id) AND state = 'SENDING' RETURNING body
      """, deadline
    ).first?.string(0)
  }

  /// Notes that an attempt has come to nothing.
  func takeBack(_ comment: DoorayCommentRecord, of service: ServiceID, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_comment SET try_time = NULL
      WHERE service_id = \(service) AND id = \(comment.id) AND state = 'SENDING'
      """, deadline)
  }

  /// The statement that gives a comment up, as a part of the change of its ticket that says so.
  static func failing(_ comment: DoorayCommentRecord, _ failure: String) -> Query {
    """
    UPDATE dooray_comment AS m SET state = 'FAILED', failure = \(failure)
    FROM changed AS c WHERE m.service_id = c.service_id AND m.id = \(comment.id) AND m.state = 'SENDING'
    """
  }

  /// Holds as long as a comment is not known to be at Dooray!, nor given up, as a guard of that change.
  static func isSending(_ comment: DoorayCommentRecord, of service: ServiceID) -> Query {
    """
    EXISTS (SELECT 1 FROM dooray_comment AS x WHERE x.service_id = \(service) AND x.id = \(comment.id)
      AND x.state = 'SENDING' FOR UPDATE)
    """
  }

  /// Notes that the comment with a marker is at Dooray!; also one that was given up before it turned up there.
  ///
  /// - Returns: false when no comment on the task has this marker, or the one that has it is another one there: then
  ///   somebody has copied it.
  func found(
    _ marker: String, as doorayID: String, on task: DoorayTaskRecord, deadline: Deadline
  ) async throws -> Bool {
    try await !query(
      """
      UPDATE dooray_comment SET state = 'SENT', dooray_id = \(doorayID), failure = ''
      WHERE service_id = \(task.serviceID) AND task_id = \(task.id) AND marker = \(marker)
        AND (dooray_id IS NULL OR dooray_id = \(doorayID)) RETURNING id
      """, deadline
    ).isEmpty
  }

  /// Which of some ids at Dooray! are known as comments on a task.
  func known(
    _ doorayIDs: [String], on task: DoorayTaskRecord, deadline: Deadline
  ) async throws -> Set<String> {
    Set(
      try await query(
        """
        SELECT m.dooray_id FROM dooray_comment AS m
        WHERE m.service_id = \(task.serviceID) AND m.task_id = \(task.id) AND m.dooray_id = ANY(\(doorayIDs))
        """, deadline
      ).map { try $0.string(0) })
  }

  /// The statement that keeps comments of the other side, as a part of the change of their ticket.
  static func receiving(_ comments: [DoorayRemark], on task: DoorayTaskRecord) -> Query {
    """
    INSERT INTO dooray_comment (service_id, ticket_id, task_id, state, author_name, body, dooray_id)
    SELECT c.service_id, c.id, \(task.id), 'RECEIVED', v.author, v.body, v.dooray_id
    FROM changed AS c, unnest(\(comments.map(\.author)), \(comments.map(\.text)), \(comments.map(\.id)))
      WITH ORDINALITY AS v (author, body, dooray_id, number)
    ORDER BY v.number
    """
  }
}

/// A comment of somebody at Dooray!, in canonical form.
struct DoorayRemark: Sendable {
  /// Its id there.
  let id: String
  let author: String
  let text: String
}
