import EventLoop
import Postgres
import Synchronization

/// Tells workers that there is new work, soon after it was committed.
///
/// A hint is a statement of its own and never part of the change: committing transactions that notify wait for one
/// another in PostgreSQL (one lock per database, held over the flush to disk), which cut creations to a third when it
/// was tried. The hint's own commit waits for no flush, since there is nothing to keep. While one hint of a channel is
/// on its way, the next ones become one. A lost hint costs nothing but the time until the worker looks by itself.
final class OutboxHints: Sendable {
  private struct State {
    var wanted: Set<String> = []
    var underway: Set<String> = []
  }

  private static let timeout: Duration = .seconds(5)

  private let pool: PostgresPool
  private let state = Mutex(State())

  init(pool: PostgresPool) { self.pool = pool }

  /// A change was committed, with work of these topics.
  func announce(_ topics: [OutboxTopic]) {
    announce(ChangeSequencer.channel)
    for topic in topics { announce(topic.channel) }
  }

  private func announce(_ channel: String) {
    let begins = state.withLock { state in
      guard state.underway.insert(channel).inserted else {
        state.wanted.insert(channel)
        return false
      }
      return true
    }
    guard begins else { return }
    Task(executorPreference: EventLoop.current) { await self.send(channel) }
  }

  private func send(_ channel: String) async {
    while true {
      // Workers look by themselves; an error here is seen by whoever uses the pool next.
      _ = try? await pool.query(
        "SELECT set_config('synchronous_commit', 'off', true), pg_notify(\(channel), '')",
        deadline: .after(Self.timeout))
      let isOver = state.withLock { state in
        if state.wanted.remove(channel) != nil { return false }
        state.underway.remove(channel)
        return true
      }
      if isOver { return }
    }
  }
}
