internal import CLibpq
internal import EventLoop

/// The connections of one event loop and the callers who wait for them; loop-confined.
///
/// Statements that only read share connections. Lookups by key of one turn travel together on one connection; other
/// reads of a turn, which may be slow, are spread over the idle ones. Either way one sync closes what a connection
/// gets. Everything else takes an idle connection for itself. While more than one connection is allowed, one is left to
/// reads.
final class LoopPool {
  /// Requests on one shared connection; more wait.
  private static let sharedDepthMax = 128
  /// Requests closed by one sync.
  private static let groupMax = 64
  /// Lookups under way on the least busy connection from which on another one is worth its wake-ups.
  private static let lookupsPerConnection = 32
  static let attemptsMax = 2
  /// How long a cancelled statement has to end before its connection is closed.
  static let cancelGrace = Duration.seconds(1)
  private static let closeGrace = Duration.seconds(5)

  let loop: EventLoop
  let configuration: PostgresConfiguration
  let counters: PoolCounters
  let log: @Sendable (PostgresEvent) -> Void
  let catalog = StatementCatalog()

  var sessions: [Session] = []
  var idle: [Session] = []
  var connecting = 0
  var exclusivesInUse = 0
  var lookups = Ring<Request>()
  var reads = Ring<Request>()
  var readsAlone = Ring<Request>()
  var exclusives = Ring<Request>()
  private var isPumpQueued = false
  var isCrowded = false
  var backoff = Backoff()
  var backoffTimer: LoopTimer?
  var sweepAt = Deadline.never
  var sweepTimer: LoopTimer?
  var whenClosed: [UnsafeContinuation<Void, Never>] = []
  var isClosing = false

  init(
    _ configuration: PostgresConfiguration, loop: EventLoop, counters: PoolCounters,
    log: @escaping @Sendable (PostgresEvent) -> Void
  ) {
    self.configuration = configuration
    self.loop = loop
    self.counters = counters
    self.log = log
  }

  var connectionsMax: Int { max(1, configuration.connectionsMax) }
  var exclusivesMax: Int { max(1, connectionsMax - 1) }
  var waiting: Int { lookups.count + reads.count + readsAlone.count + exclusives.count }
  var hasReads: Bool { !lookups.isEmpty || !reads.isEmpty || !readsAlone.isEmpty }

  /// Queues a request, or refuses it at once.
  func submit(_ request: Request) {
    guard let refusal = refusal(of: request) else {
      if request.need == .shared, !request.queries.allSatisfy({ catalog.statement(for: $0.shape).isSharable }) {
        request.need = .exclusive
        request.commits = true
      }
      request.queuedAt = loop.now
      enqueue(request)
      sweep(by: request.deadline)
      return
    }
    request.finish(.failure(refusal))
  }

  /// Sends a request of a transaction on the connection it holds.
  func submit(_ request: Request, on lease: Lease) {
    let session = lease.session
    if lease.hasEnded { return request.finish(.failure(PostgresError.transactionEnded)) }
    if let refusal = refusal(of: request) ?? session.loss { return request.finish(.failure(refusal)) }
    counters.queries.add(UInt64(request.queries.count))
    sweep(by: request.deadline)
    session.send([request])
  }

  /// Gives up on a request: its caller was cancelled or its deadline passed.
  func abandon(_ request: Request, _ error: any Error) {
    switch request.state {
    case .new:
      request.abandonment = error
    case .queued:
      remove { $0 === request }
      updateGauges()
      request.finish(.failure(error))
    case .sent:
      guard request.abandonment == nil else { return }
      request.abandonment = error
      // Who commits wants to know the outcome: the cancel request brings it soon, or the connection is closed.
      if !request.commits { request.finish(.failure(error)) }
      guard let session = request.session, !session.isClosed else { return }
      session.hasAbandoned = true
      cancelAbandoned(on: session)
    case .finished: break
    }
  }

  /// Takes a connection back from the transaction that held it.
  func takeBack(_ lease: Lease) {
    lease.hasEnded = true
    let session = lease.session
    guard !session.isClosed, session.use == .exclusive else { return }
    session.use = .returning
    settle(session)
  }

  /// Refuses new requests, lets those under way end (5 s at most) and closes all connections.
  func close(_ continuation: UnsafeContinuation<Void, Never>) {
    whenClosed.append(continuation)
    guard !isClosing else { return closeIfEmpty() }
    isClosing = true
    backoffTimer?.cancel()
    refuseWaiting(.poolClosed)
    for session in idle { close(session) }
    _ = loop.schedule(after: Self.closeGrace) { [self] in
      for session in sessions { session.fail(.poolClosed) }
    }
    closeIfEmpty()
  }

  /// Closes all connections without waiting for anything.
  func dismiss() {
    isClosing = true
    backoffTimer?.cancel()
    sweepTimer?.cancel()
    refuseWaiting(.poolClosed)
    for session in sessions { session.fail(.poolClosed) }
  }

  private func refusal(of request: Request) -> (any Error)? {
    if let abandonment = request.abandonment { return abandonment }
    if isClosing, request.need != .held { return PostgresError.poolClosed }
    // By the clock: what the loop takes for now may be older than the deadline.
    if request.deadline.hasPassed { return PostgresError.deadlineExceeded }
    if request.need != .held, waiting >= configuration.waitersMax { return PostgresError.poolExhausted }
    if !request.queries.allSatisfy(Session.canSend) {
      return PostgresError(kind: .limitExceeded, sqlState: "54000", message: "too many or too large parameters")
    }
    return nil
  }
}

// Queues and the sharing out of connections.
extension LoopPool {
  func enqueue(_ request: Request) {
    request.state = .queued
    switch request.need {
    case .shared where request.attempts > 0: readsAlone.append(request)
    case .shared where request.isLookup: lookups.append(request)
    case .shared: reads.append(request)
    case .exclusive, .lease, .held: exclusives.append(request)
    }
    queuePump()
  }

  func remove(_ isRemoved: (Request) -> Bool) {
    lookups.removeAll(where: isRemoved)
    reads.removeAll(where: isRemoved)
    readsAlone.removeAll(where: isRemoved)
    exclusives.removeAll(where: isRemoved)
  }

  func queuePump() {
    guard !isPumpQueued else { return }
    isPumpQueued = true
    loop.atEndOfTurn { [self] in pump() }
  }

  private func pump() {
    isPumpQueued = false
    isCrowded = false
    assignExclusives()
    assignLookups()
    assignReads()
    grow()
    updateGauges()
  }

  private var wantsExclusive: Bool { !exclusives.isEmpty && exclusivesInUse < exclusivesMax }

  // One connection, by configuration or because the server gives no more: first come, first served.
  private var hasSingleConnection: Bool { connectionsMax == 1 || (sessions.count == 1 && backoffTimer != nil) }

  private func assignExclusives() {
    while wantsExclusive, let first = exclusives.first {
      if hasSingleConnection, [reads.first, lookups.first].contains(where: { isOlder($0, than: first) }) { return }
      guard let session = takeIdle() else { return }
      _ = exclusives.popFirst()
      session.use = .exclusive
      exclusivesInUse += 1
      begin(first)
      if first.need == .lease {
        first.finish(.success(.lease(Lease(session: session, pool: self))))
      } else {
        session.send([first])
      }
    }
  }

  private func isOlder(_ read: Request?, than request: Request) -> Bool {
    read.map { $0.queuedAt < request.queuedAt } ?? false
  }

  // On the idle connection that was used last, whose server process is the warmest; else behind other lookups.
  private func assignLookups() {
    while !lookups.isEmpty, let session = takeIdle() ?? leastBusy(forLookups: true) {
      if session.othersInFlight > 0 || session.requestsInFlight >= Self.lookupsPerConnection { isCrowded = true }
      session.send(take(min(Self.groupMax, Self.sharedDepthMax - session.requestsInFlight), from: &lookups))
    }
  }

  private func assignReads() {
    while let session = readsAlone.isEmpty ? nil : takeIdle() ?? leastBusy(), let request = readsAlone.popFirst() {
      begin(request)
      session.send([request])
    }
    var idleLeft = idle.count
    while !reads.isEmpty, let session = takeIdle() {
      session.send(take(min(Self.groupMax, (reads.count + idleLeft - 1) / idleLeft), from: &reads))
      idleLeft -= 1
    }
    while !reads.isEmpty, let session = leastBusy() {
      isCrowded = true
      session.send(take(min(Self.groupMax, Self.sharedDepthMax - session.requestsInFlight), from: &reads))
    }
  }

  private func take(_ count: Int, from queue: inout Ring<Request>) -> [Request] {
    var group: [Request] = []
    group.reserveCapacity(min(count, queue.count))
    while group.count < count, let request = queue.popFirst() {
      begin(request)
      group.append(request)
    }
    return group
  }

  private func begin(_ request: Request) {
    counters.queries.add(UInt64(request.queries.count))
    counters.acquired.add(1)
    counters.waitNanoseconds.add(loop.now.nanoseconds &- request.queuedAt.nanoseconds)
  }

  private func takeIdle() -> Session? {
    guard let session = idle.popLast() else { return nil }
    session.isIdle = false
    return session
  }

  // While somebody waits for a connection of his own, only the first shared one gets more reads, so that others drain.
  private func leastBusy(forLookups: Bool = false) -> Session? {
    var found: Session?
    func load(_ session: Session) -> Int {
      // A read ahead may be slow: it counts for more than all lookups that a connection can have.
      session.requestsInFlight + (forLookups ? session.othersInFlight * Self.sharedDepthMax : 0)
    }
    for session in sessions where session.use == .shared {
      if wantsExclusive { return !hasSingleConnection && hasRoom(session) ? session : nil }
      if hasRoom(session), load(session) < found.map(load) ?? .max { found = session }
    }
    return found
  }

  private func hasRoom(_ session: Session) -> Bool { session.requestsInFlight < Self.sharedDepthMax }

  func setIdle(_ session: Session) {
    guard !session.isIdle else { return }
    guard !isClosing else { return close(session) }
    session.isIdle = true
    idle.append(session)
    if waiting > 0 { queuePump() }
  }

  func settle(_ session: Session) {
    guard session.use == .returning, session.isDrained, !session.isCancelUnderWay else { return }
    switch session.transactionStatus {
    case PQTRANS_IDLE:
      exclusivesInUse -= 1
      session.use = .shared
      setIdle(session)
    case PQTRANS_INTRANS, PQTRANS_INERROR:
      session.send([Request([], framing: .rollback, need: .held, deadline: .never)])
    default: session.fail(.connectionLost("the connection's state is unknown"))
    }
  }

  func updateGauges() {
    counters.open.set(sessions.count)
    counters.inUse.set(sessions.count - idle.count)
    counters.waiting.set(waiting)
  }
}
