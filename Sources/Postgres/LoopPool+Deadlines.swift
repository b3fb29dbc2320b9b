internal import CLibpq
internal import EventLoop

// Deadlines and cancellation.
extension LoopPool {
  func sweep(by deadline: Deadline) {
    guard deadline < sweepAt else { return }
    sweepAt = deadline
    sweepTimer?.cancel()
    sweepTimer = loop.schedule(at: deadline.time) { [self] in sweep() }
  }

  // One timer serves all requests: most are answered long before their deadlines.
  private func sweep() {
    var expired: [Request] = []
    var next = Deadline.never
    func look(_ request: Request) {
      guard request.abandonment == nil, request.state != .finished, !request.deadline.isNever else { return }
      if request.deadline.time <= loop.now { expired.append(request) } else { next = min(next, request.deadline) }
    }
    lookups.visit(look)
    reads.visit(look)
    readsAlone.visit(look)
    exclusives.visit(look)
    for session in sessions { session.forEachRequest(look) }
    let queued = expired.filter { $0.state == .queued }
    if !queued.isEmpty {
      remove { [now = loop.now] in !$0.deadline.isNever && $0.deadline.time <= now }
      updateGauges()
      for request in queued { request.finish(.failure(PostgresError.deadlineExceeded)) }
    }
    for request in expired where request.state == .sent { abandon(request, PostgresError.deadlineExceeded) }
    sweepAt = .never
    sweep(by: next)
    updateGauges()
  }

  // Only what the server works on can be cancelled; a group behind it is when its turn comes. Neighbours in the group
  // are undone with the abandoned request, and run again: not worth it for lookups, which are quick, while anybody
  // waits for one of them.
  func cancelAbandoned(on session: Session) {
    guard let group = session.current, group.isWorthCancelling, !session.isCancelUnderWay,
      let handle = session.cancelHandle()
    else { return }
    session.isCancelUnderWay = true
    session.wasCancelled = true
    session.guardTimer?.cancel()
    session.guardTimer = loop.schedule(after: Self.cancelGrace) { [weak session] in
      session?.fail(.connectionLost("a cancelled statement did not end"))
    }
    let cancel = CancelRequest(handle)
    let bound = LoopBound((self, session), loop)
    Task(executorPreference: loop) {
      // A failure is no news: the guard timer closes the connection then.
      _ = try? await PostgresPool.blocking.run { cancel.send() }
      let (pool, session) = bound.value
      session.isCancelUnderWay = false
      if !session.isClosed { pool.sessionProgressed(session) }
    }
  }
}

/// A request to cancel what a connection's backend runs.
// @unchecked: PQcancel may be called on any thread, once here; the handle has its own copy of the address.
private final class CancelRequest: @unchecked Sendable {
  private let handle: OpaquePointer

  init(_ handle: OpaquePointer) { self.handle = handle }

  deinit { PQfreeCancel(handle) }

  /// Connects, sends and waits until the server took it; blocks.
  func send() {
    var complaint = [CChar](repeating: 0, count: 256)
    _ = PQcancel(handle, &complaint, Int32(complaint.count))
  }
}
