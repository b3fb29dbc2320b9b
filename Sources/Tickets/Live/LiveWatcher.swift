import HandoffAPI
import ServiceKit
import Synchronization
import TicketLedger

/// One piece of a stream on its way to a watcher; shared by all who get it.
enum LivePiece: Sendable {
  /// A ticket changed.
  case change(NumberedChange)
  /// The watcher's counters changed.
  case counters(ServiceCounters)
  /// All changes up to here have been told.
  case heartbeat(ChangePosition)
}

/// Who watches the tickets of a service: what is wanted, and what waits to be sent.
final class LiveWatcher: Sendable {
  /// Pieces that wait for a slow reader at most; then the stream is cut, to be resumed.
  static let waitingMax = 1_024

  /// The agent who watches; nil: a daemon for itself.
  let agent: AgentID?
  /// The one ticket that is watched; nil: all of the service.
  let ticket: TicketID?
  /// Whether the counters are wanted.
  let wantsCounters: Bool
  /// What waits to be sent.
  let queue = BoundedQueue<LivePiece>(countMax: waitingMax, overflow: ServiceError(.readerTooSlow))
  private let lastCounters = Mutex<ServiceCounters?>(nil)

  init(agent: AgentID?, ticket: TicketID?, wantsCounters: Bool) {
    self.agent = agent
    self.ticket = ticket
    self.wantsCounters = wantsCounters
  }

  /// Tells of a change, if it is wanted.
  func tell(_ change: NumberedChange) {
    if ticket == nil || ticket == change.ticketID { queue.put(.change(change)) }
  }

  /// Tells of the counters, if they are wanted and not as they were told last.
  func tell(_ counters: ServiceCounters) {
    guard wantsCounters else { return }
    let isNew = lastCounters.withLock { last in
      defer { last = counters }
      return last != counters
    }
    if isNew { queue.put(.counters(counters)) }
  }
}
