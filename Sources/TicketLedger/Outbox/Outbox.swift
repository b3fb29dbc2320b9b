package import EventLoop
package import Postgres
import ServiceKit
import Synchronization

/// One piece of work: under a lease, or as it was found with nobody at it.
package struct OutboxItem: Sendable {
  /// Its row.
  package let id: Int64
  /// The service of the ticket.
  package let serviceID: ServiceID
  /// The ticket that it follows from.
  package let ticketID: TicketID
  /// The event that asked for it.
  package let eventSequence: Int32
  /// A protobuf message of the topic's owner.
  package let payload: [UInt8]
  /// 1 at the first attempt.
  package let attempt: Int32
  /// How long ago its event was written, when it was claimed.
  package let age: Duration
  /// Whether it was put off, and then became due again; false for what was only looked at.
  package let wasPutOff: Bool
  /// When the work is to be over.
  package let deadline: Deadline
  let topic: OutboxTopic
  /// Who has claimed it; nil: nobody, it was only looked at.
  let leaseHolder: String?

  /// Removes the work as done, and fails when the lease has gone to somebody else. Committed together with what the
  /// work wrote (as a change's companion), it makes both happen once.
  package var completion: Query {
    // A failure of the same SQLSTATE as a lost race for the ticket, so that the change is looked at again.
    """
    WITH removed AS (DELETE FROM outbox WHERE id = \(id) AND \(fragment: isOurs) RETURNING id)
    SELECT 1 / count(*) FROM removed
    """
  }
}

extension OutboxItem {
  /// Holds while the lease does, or as long as nobody claims what was only looked at; as a change's guard it keeps
  /// whoever was too slow from writing. Locks the row, so that nobody takes the work over while the change is written.
  package var isHeld: Query {
    "EXISTS (SELECT 1 FROM outbox WHERE id = \(id) AND \(fragment: isOurs) FOR UPDATE)"
  }

  /// Removes the work as done together with a change (as its attachment) that ``isHeld`` guards.
  package var removal: Query { "DELETE FROM outbox USING changed WHERE outbox.id = \(id)" }

  /// Condition on the row under which the work is not somebody else's.
  fileprivate var isOurs: Query {
    guard let leaseHolder else { return Outbox.isUnclaimed }
    return "lease_holder = \(leaseHolder)"
  }

  /// Gives the work up together with a change (as its attachment) that ``isHeld`` guards.
  package func burial(_ reason: String) -> Query {
    """
    UPDATE outbox SET dead_time = clock_timestamp(), dead_reason = \(String(reason.prefix(Outbox.reasonCharactersMax))),
      lease_time = NULL, lease_holder = NULL
    FROM changed WHERE outbox.id = \(id)
    """
  }

  /// In an ordered topic, makes what waited for this work due; an attachment beside ``removal`` or ``burial(_:)``.
  package var release: Query {
    """
    UPDATE outbox AS o SET due_time = clock_timestamp() FROM changed AS c
    WHERE o.service_id = c.service_id AND o.ticket_id = c.id AND o.topic = \(topic)
      AND o.event_sequence > \(eventSequence) AND o.dead_time IS NULL AND o.lease_time IS NULL
    """
  }
}

/// The work of one ticket as it stands.
package struct OutboxStanding: Sendable {
  /// What nobody is at, whether due or waiting for another attempt, in the order of events. It is not claimed:
  /// ``OutboxItem/isHeld`` and ``OutboxItem/removal`` see to it that it is done once.
  package let free: [OutboxItem]
  /// Whether somebody else has claimed some of the ticket's work.
  package let isClaimed: Bool
}

/// What became of a piece of work.
package enum OutboxVerdict: Sendable, Equatable {
  /// It is done; the row goes.
  case done
  /// It is done, and the handler has removed the row itself (``OutboxItem/completion``).
  case removed
  /// It failed for now; tried again after a growing pause, given up with this reason after the last attempt.
  case failed(String)
  /// It can never be done.
  case hopeless(String)
  /// It was not tried, and is claimed again after so long; no attempt is counted.
  case postponed(Duration)
}

/// The outbox of one topic: claiming work under a lease, and settling it. Any number of processes may work on it.
///
/// A reason of failure is kept for operators: a short text of the handler's own, never a customer's words.
package struct Outbox: Sendable {
  /// Most pieces of work claimed at once.
  package static let claimMax = 32
  /// Longest reason kept, in characters.
  static let reasonCharactersMax = 500
  private static let claims = Atomic<UInt64>(0)

  /// Whose work it is.
  package let topic: OutboxTopic
  /// How long a claim holds by the database's clock unless it is renewed: so long waits what a process that died had
  /// claimed.
  package let leaseDuration: Duration
  /// How long a piece of work may take.
  package let workDuration: Duration
  /// How failed work is tried again.
  package let backoff: Backoff
  let pool: PostgresPool
  private let holder: String
  private let removals: GatheredWrites<OutboxItem, Void>

  /// Works on a topic through a pool.
  ///
  /// - Parameter holder: this process, for operators who look at the table.
  package init(
    topic: OutboxTopic, pool: PostgresPool, holder: String, leaseDuration: Duration = .seconds(15),
    workDuration: Duration = .seconds(60), backoff: Backoff = Backoff()
  ) {
    self.topic = topic
    self.pool = pool
    self.holder = holder
    self.leaseDuration = leaseDuration
    self.workDuration = workDuration
    self.backoff = backoff
    removals = GatheredWrites(on: pool.group) { items, deadline in
      try await Self.remove(items, pool, deadline)
      return items.map { _ in }
    }
  }

  /// Claims work that is due, the longest due first; what others are claiming at the moment is left to them.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func claim(limit: Int = Self.claimMax, deadline: Deadline) async throws -> [OutboxItem] {
    try await claim(
      """
      SELECT o.id, o.due_time > o.create_time AS was_put_off FROM outbox AS o
      WHERE o.topic = \(topic) AND o.dead_time IS NULL AND o.due_time <= clock_timestamp()\(fragment: isFirst)
      ORDER BY o.due_time LIMIT \(min(limit, Self.claimMax)) FOR UPDATE OF o SKIP LOCKED
      """, deadline)
  }

  /// In an ordered topic, holds for work before which no work of its ticket is alive.
  var isFirst: Query {
    guard topic.isOrdered else { return "" }
    return """
       AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.service_id = o.service_id AND e.ticket_id = o.ticket_id
        AND e.topic = o.topic AND e.event_sequence < o.event_sequence AND e.dead_time IS NULL)
      """
  }

  /// Condition on a row that nobody is at.
  static let isUnclaimed: Query =
    "dead_time IS NULL AND (lease_time IS NULL OR lease_time <= clock_timestamp())"

  /// Looks for the work of one ticket that is not over.
  func standing(of ticket: TicketID, of service: ServiceID) -> Query {
    """
    SELECT id, service_id, ticket_id, event_sequence, payload, attempt_count + 1,
      (extract(epoch FROM clock_timestamp() - create_time) * 1000)::bigint, \(fragment: Self.isUnclaimed)
    FROM outbox
    WHERE service_id = \(service) AND ticket_id = \(ticket) AND topic = \(topic) AND dead_time IS NULL
    ORDER BY event_sequence LIMIT \(Self.claimMax)
    """
  }

  /// Reads what ``standing(of:of:)`` has found.
  func standing(_ rows: Rows) throws(PostgresError) -> OutboxStanding {
    let ends = Deadline.after(workDuration)
    var free: [OutboxItem] = []
    var isClaimed = false
    for row in rows {
      guard try row.bool(7) else {
        isClaimed = true
        continue
      }
      free.append(try OutboxItem(row, deadline: ends, leaseHolder: nil, topic: topic))
    }
    return OutboxStanding(free: free, isClaimed: isClaimed)
  }

  /// Removes work that is done, wrote nothing and was only looked at, unless somebody has claimed it meanwhile; what is
  /// done at the same moment goes together. It does not wait for the disk: after a crash of the database the work may
  /// be done again.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func remove(_ item: OutboxItem, deadline: Deadline) async throws {
    try await ServiceError.translating { try await removals.perform(item, deadline: deadline) }
  }

  private static func remove(_ items: [OutboxItem], _ pool: PostgresPool, _ deadline: Deadline) async throws {
    _ = try await pool.query(
      """
      DELETE FROM outbox AS o USING unnest(\(items.map(\.id)), \(items.map(\.leaseHolder))) AS d (id, holder)
      WHERE o.id = d.id AND (o.lease_holder = d.holder OR (d.holder IS NULL AND \(fragment: Self.isUnclaimed)))
      RETURNING set_config('synchronous_commit', 'off', true)
      """, deadline: deadline)
  }

  /// Says what became of claimed work. Work whose lease has ended meanwhile is somebody else's and left alone.
  ///
  /// - Throws: the database's errors as ``ServiceError``; the work is then done again when the lease ends.
  package func settle(_ results: [(OutboxItem, OutboxVerdict)], deadline: Deadline) async throws {
    let done = results.filter { $0.1 == .done }.map { $0.0 }
    try await ServiceError.translating {
      if !done.isEmpty {
        _ = try await pool.query(
          """
          DELETE FROM outbox AS o USING unnest(\(done.map(\.id)), \(done.compactMap(\.leaseHolder))) AS d (id, holder)
          WHERE o.id = d.id AND o.lease_holder = d.holder
          """, deadline: deadline)
      }
      var later: [PutOff] = []
      for (item, verdict) in results {
        switch verdict {
        case .done, .removed: break
        case .hopeless(let reason): try await bury(item, reason, deadline)
        case .failed(let reason):
          if let wait = backoff.wait(afterAttempt: item.attempt, jitter: .random(in: 0...1)) {
            later.append(PutOff(item: item, milliseconds: wait, attempts: item.attempt))
          } else {
            try await bury(item, reason, deadline)
          }
        case .postponed(let wait):
          later.append(PutOff(item: item, milliseconds: wait.milliseconds, attempts: item.attempt - 1))
        }
      }
      if !later.isEmpty { try await putOff(later, deadline) }
    }
  }

  /// Claimed work that waits for another attempt.
  private struct PutOff {
    let item: OutboxItem
    let milliseconds: Int64
    /// How many attempts there were.
    let attempts: Int32
  }

  /// In an ordered topic, what waits for the work is put off with it, so that claims do not look at it in vain.
  private func putOff(_ later: [PutOff], _ deadline: Deadline) async throws {
    let moved: Query = """
      UPDATE outbox AS o SET due_time = clock_timestamp() + l.milliseconds * interval '1 millisecond',
        lease_time = NULL, lease_holder = NULL, attempt_count = l.attempts
      FROM unnest(\(later.map(\.item.id)), \(later.compactMap(\.item.leaseHolder)), \(later.map(\.milliseconds)),
        \(later.map(\.attempts))) AS l (id, holder, milliseconds, attempts)
      WHERE o.id = l.id AND o.lease_holder = l.holder
      """
    guard topic.isOrdered else {
      _ = try await pool.query(moved, deadline: deadline)
      return
    }
    _ = try await pool.query(
      """
      WITH moved AS (
        \(fragment: moved) RETURNING o.service_id, o.ticket_id, o.topic, o.event_sequence, o.due_time
      )
      UPDATE outbox AS o SET due_time = m.due_time FROM moved AS m
      WHERE o.service_id = m.service_id AND o.ticket_id = m.ticket_id AND o.topic = m.topic
        AND o.event_sequence > m.event_sequence AND o.dead_time IS NULL AND o.lease_time IS NULL
      """, deadline: deadline)
  }

  /// Keeps claimed work for another lease, less what has been taken over meanwhile or has run out of time, and without
  /// waiting for what is being settled.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func renew(_ items: [OutboxItem], deadline: Deadline) async throws {
    let items = items.filter { $0.leaseHolder != nil && !$0.deadline.hasPassed }
    guard !items.isEmpty else { return }
    try await ServiceError.translating {
      _ = try await pool.query(
        """
        WITH held AS (
          SELECT o.id FROM unnest(\(items.map(\.id)), \(items.compactMap(\.leaseHolder))) AS h (id, holder)
          JOIN outbox AS o ON o.id = h.id AND o.lease_holder = h.holder FOR UPDATE OF o SKIP LOCKED
        )
        UPDATE outbox AS o
        SET lease_time = clock_timestamp() + \(leaseDuration.milliseconds) * interval '1 millisecond',
          due_time = clock_timestamp() + \(leaseDuration.milliseconds) * interval '1 millisecond'
        FROM held WHERE o.id = held.id
        """, deadline: deadline)
    }
  }

  /// Whether work is still its claimer's, or still nobody's if it was only looked at; not when it is settled.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func holds(_ item: OutboxItem, deadline: Deadline) async throws -> Bool {
    try await ServiceError.translating {
      let rows = try await pool.query(
        "SELECT 1 FROM outbox WHERE id = \(item.id) AND \(fragment: item.isOurs)", deadline: deadline)
      return !rows.isEmpty
    }
  }

  private func bury(_ item: OutboxItem, _ reason: String, _ deadline: Deadline) async throws {
    _ = try await pool.query(
      """
      UPDATE outbox SET dead_time = clock_timestamp(), dead_reason = \(String(reason.prefix(Self.reasonCharactersMax))),
        lease_time = NULL, lease_holder = NULL
      WHERE id = \(item.id) AND lease_holder = \(item.leaseHolder)
      """, deadline: deadline)
  }

  // The due time moves to the end of the lease, so that nobody looks at the row before.
  private func claim(_ chosen: Query, _ deadline: Deadline) async throws -> [OutboxItem] {
    let number = Self.claims.wrappingAdd(1, ordering: .relaxed).newValue
    let holder = "\(holder)/\(number)"
    let ends = Deadline.after(workDuration)
    return try await ServiceError.translating {
      let rows = try await pool.query(
        """
        WITH chosen AS (\(fragment: chosen)), claimed AS (
          UPDATE outbox AS o
          SET lease_time = clock_timestamp() + \(leaseDuration.milliseconds) * interval '1 millisecond',
            due_time = clock_timestamp() + \(leaseDuration.milliseconds) * interval '1 millisecond',
            lease_holder = \(holder), attempt_count = o.attempt_count + 1
          FROM chosen WHERE o.id = chosen.id
          RETURNING o.id, o.service_id, o.ticket_id, o.event_sequence, o.payload, o.attempt_count,
            (extract(epoch FROM clock_timestamp() - o.create_time) * 1000)::bigint AS age, chosen.was_put_off
        )
        SELECT id, service_id, ticket_id, event_sequence, payload, attempt_count, age, was_put_off FROM claimed
        ORDER BY id
        """, deadline: deadline)
      return try rows.map {
        try OutboxItem($0, deadline: ends, leaseHolder: holder, topic: topic, wasPutOff: try $0.bool(7))
      }
    }
  }
}

extension OutboxItem {
  fileprivate init(
    _ row: Row, deadline: Deadline, leaseHolder: String?, topic: OutboxTopic, wasPutOff: Bool = false
  ) throws(PostgresError) {
    id = try row.value(0)
    serviceID = try row.value(1)
    ticketID = try row.value(2)
    eventSequence = try row.value(3)
    payload = try row.value(4)
    attempt = try row.value(5)
    age = .milliseconds(max(0, try row.int64(6)))
    self.deadline = deadline
    self.leaseHolder = leaseHolder
    self.topic = topic
    self.wasPutOff = wasPutOff
  }
}

extension Duration {
  /// Whole milliseconds.
  var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }
}
