import EventLoop
import Postgres
import Synchronization

/// Tells workers that there is new work, soon after it was committed.
///
/// A hint is a statement of its own and never part of the change: committing transactions that notify wait for one
/// another in PostgreSQL (one lock per database, held over the flush to disk), which cut creations to a third when it
/// was tried. While one hint of a topic is on its way, the next ones become one. A lost hint costs nothing but the time
/// until the worker looks by itself.
final class OutboxHints: Sendable {
  private struct State {
    var wanted: Set<OutboxTopic> = []
    var underway: Set<OutboxTopic> = []
  }

  private static let timeout: Duration = .seconds(5)

  private let pool: PostgresPool
  private let state = Mutex(State())

  init(pool: PostgresPool) { self.pool = pool }

  func announce(_ topics: [OutboxTopic]) {
    for topic in topics {
      let begins = state.withLock { state in
        guard state.underway.insert(topic).inserted else {
          state.wanted.insert(topic)
          return false
        }
        return true
      }
      guard begins else { continue }
      Task(executorPreference: EventLoop.current) { await self.send(topic) }
    }
  }

  private func send(_ topic: OutboxTopic) async {
    while true {
      // Workers look by themselves; an error here is seen by whoever uses the pool next.
      _ = try? await pool.query("SELECT pg_notify(\(topic.channel), '')", deadline: .after(Self.timeout))
      let isOver = state.withLock { state in
        if state.wanted.remove(topic) != nil { return false }
        state.underway.remove(topic)
        return true
      }
      if isOver { return }
    }
  }
}
