import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension DoorayProgress: PostgresBindable, PostgresDecodable {}

/// A task that is looked at now, by one place.
struct DoorayWatch: Sendable {
  var task: DoorayTaskRecord
  let holder: String

  /// Holds as long as nobody else looks at the task, as a guard of a change that follows from what was seen: whoever
  /// was slower than its lease writes nothing that is out of date.
  var isHeld: Query {
    """
    EXISTS (SELECT 1 FROM dooray_task AS x WHERE x.service_id = \(task.serviceID) AND x.id = \(task.id)
      AND x.poll_holder = \(holder) FOR UPDATE)
    """
  }
}

extension DoorayStore {
  /// For how long who looks at a task keeps others from it; longer than a look takes.
  static let watchSeconds: Int64 = 60

  /// Takes up tasks that are due to be looked at, the longest due first.
  ///
  /// - Parameters:
  ///   - holder: of this look alone.
  ///   - interval: after which each is due again by itself.
  func claimWatches(
    limit: Int, holder: String, interval: Duration, deadline: Deadline
  ) async throws -> [DoorayWatch] {
    try await query(
      """
      UPDATE dooray_task AS t SET poll_holder = \(holder),
        poll_lease_time = clock_timestamp() + \(Self.watchSeconds) * interval '1 second',
        poll_time = clock_timestamp() + \(interval.wholeSeconds) * interval '1 second'
      FROM (
        SELECT x.service_id, x.id FROM dooray_task AS x
        WHERE x.state = 'OPEN' AND x.poll_time <= clock_timestamp()
          AND (x.poll_lease_time IS NULL OR x.poll_lease_time <= clock_timestamp())
        ORDER BY x.poll_time LIMIT \(limit) FOR UPDATE SKIP LOCKED
      ) AS due
      WHERE t.service_id = due.service_id AND t.id = due.id RETURNING \(fragment: DoorayTaskRecord.columns)
      """, deadline
    ).map { DoorayWatch(task: try DoorayTaskRecord($0), holder: holder) }
  }

  /// Ends a look that failed: the task is looked at again, also one that no ticket waits for, since a hook may have
  /// asked for this look. A hook that came meanwhile makes it at once.
  func retry(_ watch: DoorayWatch, after wait: Duration, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task AS t SET poll_lease_time = NULL, poll_holder = NULL,
        poll_time = CASE WHEN t.poll_time <= clock_timestamp() THEN t.poll_time
          ELSE clock_timestamp() + \(wait.wholeSeconds) * interval '1 second' END
      WHERE t.service_id = \(watch.task.serviceID) AND t.id = \(watch.task.id) AND t.poll_holder = \(watch.holder)
      """, deadline)
  }

  /// Ends a look that has seen something. A task whose ticket no longer waits for it is looked at again only when a
  /// hook says so.
  ///
  /// - Parameter wait: until the next look; a hook that came meanwhile makes it at once.
  func release(_ watch: DoorayWatch, _ sight: DoorayLook.Sight, wait: Duration, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task AS t SET poll_lease_time = NULL, poll_holder = NULL,
        progress = coalesce(\(sight.progress), t.progress),
        poll_time = CASE
          WHEN t.poll_time <= clock_timestamp() THEN t.poll_time
          WHEN \(fragment: Self.isAwaited) THEN clock_timestamp() + \(wait.wholeSeconds) * interval '1 second'
        END
      WHERE t.service_id = \(watch.task.serviceID) AND t.id = \(watch.task.id) AND t.poll_holder = \(watch.holder)
      """, deadline)
  }

  /// Has tasks looked at again later; no look was begun.
  func putOff(_ watch: DoorayWatch, by wait: Duration, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task AS t SET poll_lease_time = NULL, poll_holder = NULL,
        poll_time = clock_timestamp() + \(wait.wholeSeconds) * interval '1 second'
      WHERE t.service_id = \(watch.task.serviceID) AND t.id = \(watch.task.id) AND t.poll_holder = \(watch.holder)
      """, deadline)
  }

  /// Condition on a task `t` under which its ticket follows it: it is the ticket's newest, and the ticket waits for
  /// Dooray!.
  private static let isAwaited: Query = """
    NOT EXISTS (SELECT 1 FROM dooray_task AS n WHERE n.service_id = t.service_id AND n.ticket_id = t.ticket_id
        AND n.state = 'OPEN' AND n.id > t.id)
      AND EXISTS (SELECT 1 FROM ticket AS k WHERE k.service_id = t.service_id AND k.id = t.ticket_id
        AND k.state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED') AND k.delete_time IS NULL)
    """

  /// Condition under which a task is the one that its ticket follows, as far as tasks tell: while another one is being
  /// created, and perhaps exists already, no older one moves the ticket.
  static func isNewest(_ task: DoorayTaskRecord) -> Query {
    """
    NOT EXISTS (SELECT 1 FROM dooray_task AS n WHERE n.service_id = \(task.serviceID)
      AND n.ticket_id = \(task.ticketID) AND n.state IN ('OPEN', 'SENDING') AND n.id > \(task.id))
    """
  }

  /// Whether a task is the one that its ticket follows (``isNewest(_:)``).
  func isNewest(_ task: DoorayTaskRecord, deadline: Deadline) async throws -> Bool {
    try await query("SELECT 1 WHERE \(fragment: Self.isNewest(task))", deadline).first != nil
  }

  /// Notes that no key sees a task.
  ///
  /// - Returns: for how long none has seen it, and in how many looks in a row.
  func miss(_ watch: DoorayWatch, deadline: Deadline) async throws -> (duration: Duration, looks: Int) {
    let row = try await query(
      """
      UPDATE dooray_task AS t SET missing_time = coalesce(t.missing_time, clock_timestamp()),
        missing_count = t.missing_count + 1
      WHERE t.service_id = \(watch.task.serviceID) AND t.id = \(watch.task.id) AND t.poll_holder = \(watch.holder)
      RETURNING (extract(epoch FROM clock_timestamp() - t.missing_time) * 1000)::bigint, t.missing_count::bigint
      """, deadline
    ).first
    return (.milliseconds(try row?.int64(0) ?? 0), Int(try row?.int64(1) ?? 0))
  }

  /// Forgets that no key saw a task: one does, or it is not known any more whether none does.
  func find(_ watch: DoorayWatch, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task AS t SET missing_time = NULL, missing_count = 0
      WHERE t.service_id = \(watch.task.serviceID) AND t.id = \(watch.task.id) AND t.poll_holder = \(watch.holder)
      """, deadline)
  }

  /// Notes to which project a task was moved.
  func move(_ task: DoorayTaskRecord, to project: String, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task SET moved_to = \(project) WHERE service_id = \(task.serviceID) AND id = \(task.id)
      """, deadline)
  }

  /// The key in the path of a service's hook; nil until Dooray! is activated.
  func hookKey(of service: ServiceID, deadline: Deadline) async throws -> String? {
    try await query("SELECT hook_key FROM dooray_setting WHERE service_id = \(service)", deadline).first?.string(0)
  }

  /// Whether a hook's path is that of a service.
  func isHook(_ name: DoorayHookName, deadline: Deadline) async throws -> Bool {
    try await query(
      """
      SELECT 1 FROM dooray_setting AS d JOIN service AS s ON s.id = d.service_id
      WHERE s.code = \(name.service) AND d.hook_key = \(name.key)
      """, deadline
    ).first != nil
  }

  /// Makes a task due at once; nothing happens when there is none.
  ///
  /// - Parameters:
  ///   - task: its id at Dooray!.
  ///   - project: its project's id at Dooray!.
  func hurry(task: String, project: String, of service: String, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_task AS t SET poll_time = clock_timestamp()
      FROM service AS s, dooray_project AS p
      WHERE s.code = \(service) AND t.service_id = s.id AND t.dooray_id = \(task) AND t.state = 'OPEN'
        AND p.service_id = t.service_id AND p.id = t.project_id AND \(project) IN (p.dooray_id, t.moved_to)
      """, deadline)
  }
}

extension Duration {
  /// Seconds, the last one begun counted whole.
  var wholeSeconds: Int64 { components.seconds + (components.attoseconds > 0 ? 1 : 0) }
}
