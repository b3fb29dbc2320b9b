import RPC
import Synchronization

/// Remembers how calls ended.
final class OutcomeLog: ServerInterceptor {
  private let ended = Mutex<[(CallOutcome, String?)]>([])

  var outcomes: [CallOutcome] { ended.withLock { $0.map(\.0) } }
  var callers: [String?] { ended.withLock { $0.map(\.1) } }

  func finished(_ call: CallContext, _ outcome: CallOutcome) { ended.withLock { $0.append((outcome, call.caller)) } }
}
