import Synchronization

/// Where new connections take their context from: it can be replaced at any time, and connections that are open keep
/// the one they began with. Safe to share between threads.
package final class TLSSource: Sendable {
  private let context: Mutex<TLSContext>

  /// Begins with `context`.
  package init(_ context: TLSContext) { self.context = Mutex(context) }

  /// The context for a new connection; another one must be of the same role.
  package var current: TLSContext {
    get { context.withLock { $0 } }
    set {
      context.withLock { held in
        precondition(held.role == newValue.role, "a client's context takes the place of a server's")
        held = newValue
      }
    }
  }
}
