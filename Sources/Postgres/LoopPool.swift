internal import CLibpq
internal import EventLoop

/// The connections of one event loop and the callers who wait for them; loop-confined.
///
/// Statements that only read share connections: those of one turn are spread over the idle ones and closed by one sync
/// each. Everything else takes an idle connection for itself. While more than one connection is allowed, one is left to reads.
final class LoopPool {
  /// Requests on one shared connection; more wait.
  private static let sharedDepthMax = 128
  /// Requests closed by one sync.
  private static let groupMax = 64
  private static let attemptsMax = 2
  /// How long a cancelled statement has to end before its connection is closed.
  private static let cancelGrace = Duration.seconds(1)
  private static let closeGrace = Duration.seconds(5)

  let loop: EventLoop
  private let configuration: PostgresConfiguration
  private let counters: PoolCounters
  private let log: @Sendable (PostgresEvent) -> Void
  private let catalog = StatementCatalog()

  private var sessions: [Session] = []
  private var idle: [Session] = []
  private var connecting = 0
  private var exclusivesInUse = 0
  private var reads = Ring<Request>()
  private var readsAlone = Ring<Request>()
  private var exclusives = Ring<Request>()
  private var isPumpQueued = false
  private var isCrowded = false
  private var backoff = Backoff()
  private var backoffTimer: LoopTimer?
  private var sweepAt = Deadline.never
  private var sweepTimer: LoopTimer?
  private var whenClosed: [UnsafeContinuation<Void, Never>] = []
  private var isClosing = false

  init(
    _ configuration: PostgresConfiguration, loop: EventLoop, counters: PoolCounters,
    log: @escaping @Sendable (PostgresEvent) -> Void
  ) {
    self.configuration = configuration
    self.loop = loop
    self.counters = counters
    self.log = log
  }

  private var connectionsMax: Int { max(1, configuration.connectionsMax) }
  private var exclusivesMax: Int { max(1, connectionsMax - 1) }
  private var waiting: Int { reads.count + readsAlone.count + exclusives.count }

  /// Queues a request, or refuses it at once.
  func submit(_ request: Request) {
    guard let refusal = refusal(of: request) else {
      if request.need == .shared, !catalog.statement(for: request.queries[0].shape).isSharable {
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
  func submit(_ request: Request, on session: Session) {
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
      request.finish(.failure(error))
      updateGauges()
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
  func takeBack(_ session: Session) {
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

  private func refusal(of request: Request) -> (any Error)? {
    if let abandonment = request.abandonment { return abandonment }
    if isClosing, request.need != .held { return PostgresError.poolClosed }
    if !request.deadline.isNever, request.deadline.time <= loop.now { return PostgresError.deadlineExceeded }
    if request.need != .held, waiting >= configuration.waitersMax { return PostgresError.poolExhausted }
    if !request.queries.allSatisfy(Session.canSend) {
      return PostgresError(kind: .limitExceeded, sqlState: "54000", message: "too many or too large parameters")
    }
    return nil
  }
}

// Queues and the sharing out of connections.
extension LoopPool {
  private func enqueue(_ request: Request) {
    request.state = .queued
    switch request.need {
    case .shared where request.attempts > 0: readsAlone.append(request)
    case .shared: reads.append(request)
    case .exclusive, .lease, .held: exclusives.append(request)
    }
    queuePump()
  }

  private func remove(_ isRemoved: (Request) -> Bool) {
    reads.removeAll(where: isRemoved)
    readsAlone.removeAll(where: isRemoved)
    exclusives.removeAll(where: isRemoved)
  }

  private func queuePump() {
    guard !isPumpQueued else { return }
    isPumpQueued = true
    loop.atEndOfTurn { [self] in pump() }
  }

  private func pump() {
    isPumpQueued = false
    isCrowded = false
    assignExclusives()
    assignReads()
    grow()
    updateGauges()
  }

  private var wantsExclusive: Bool { !exclusives.isEmpty && exclusivesInUse < exclusivesMax }

  private func assignExclusives() {
    while wantsExclusive, let first = exclusives.first {
      // With a single connection, first come, first served.
      if connectionsMax == 1, let read = reads.first, read.queuedAt < first.queuedAt { return }
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

  private func assignReads() {
    while let session = readsAlone.isEmpty ? nil : takeIdle() ?? leastBusy(), let request = readsAlone.popFirst() {
      begin(request)
      session.send([request])
    }
    var idleLeft = idle.count
    while !reads.isEmpty, let session = takeIdle() {
      sendReads(min(Self.groupMax, (reads.count + idleLeft - 1) / idleLeft), on: session)
      idleLeft -= 1
    }
    while !reads.isEmpty, let session = leastBusy() {
      isCrowded = true
      sendReads(min(Self.groupMax, Self.sharedDepthMax - session.requestsInFlight), on: session)
    }
  }

  private func sendReads(_ count: Int, on session: Session) {
    var group: [Request] = []
    group.reserveCapacity(min(count, reads.count))
    while group.count < count, let request = reads.popFirst() {
      begin(request)
      group.append(request)
    }
    session.send(group)
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
  private func leastBusy() -> Session? {
    var found: Session?
    for session in sessions where session.use == .shared {
      if wantsExclusive { return connectionsMax > 1 && hasRoom(session) ? session : nil }
      if hasRoom(session), session.requestsInFlight < found?.requestsInFlight ?? .max { found = session }
    }
    return found
  }

  private func hasRoom(_ session: Session) -> Bool { session.requestsInFlight < Self.sharedDepthMax }

  private func setIdle(_ session: Session) {
    guard !session.isIdle else { return }
    guard !isClosing else { return close(session) }
    session.isIdle = true
    idle.append(session)
    if waiting > 0 { queuePump() }
  }

  private func settle(_ session: Session) {
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

  private func updateGauges() {
    counters.open.set(sessions.count)
    counters.inUse.set(sessions.count - idle.count)
    counters.waiting.set(waiting)
  }
}

// Making and closing connections.
extension LoopPool {
  private func grow() {
    guard !isClosing, backoffTimer == nil else { return }
    let forExclusives = min(exclusives.count, exclusivesMax - exclusivesInUse)
    let forReads = isCrowded || !reads.isEmpty || !readsAlone.isEmpty ? 1 : 0
    let room = connectionsMax - sessions.count - connecting
    let wanted = min(room, max(0, forExclusives) + forReads - connecting)
    // After a failure, one attempt at a time finds out whether the server is back.
    let count = backoff.failures > 0 ? min(wanted, 1 - connecting) : wanted
    guard count > 0 else { return }
    for _ in 0..<count { connect() }
  }

  private func connect() {
    connecting += 1
    Connector.start(configuration, loop, PostgresPool.blocking) { [self] result in
      connecting -= 1
      switch result {
      case .success(let connection): connected(connection)
      case .failure(let error): connectFailed(error)
      }
      closeIfEmpty()
    }
  }

  private func connected(_ connection: OpaquePointer) {
    guard !isClosing else { return PQfinish(connection) }
    backoff = Backoff()
    let session = Session(
      connection, loop: loop, catalog: catalog, statementsMax: configuration.statementsMax, owner: self)
    sessions.append(session)
    counters.connects.add(1)
    log(.connected)
    setIdle(session)
    updateGauges()
  }

  private func connectFailed(_ error: PostgresError) {
    guard !isClosing else { return }
    counters.failures.add(1)
    let delay = backoff.next()
    log(.connectFailed(error, retryAfter: delay))
    backoffTimer?.cancel()
    backoffTimer = loop.schedule(after: delay) { [self] in
      backoffTimer = nil
      if waiting > 0 { queuePump() }
    }
    // Nobody will answer soon: better to say so than to let callers run into their deadlines.
    if sessions.isEmpty, connecting == 0 { refuseWaiting(error) }
  }

  private func refuseWaiting(_ error: PostgresError) {
    var refused: [Request] = []
    remove { request in
      refused.append(request)
      return true
    }
    for request in refused { request.finish(.failure(error)) }
    updateGauges()
  }

  private func close(_ session: Session) {
    session.close()
    drop(session)
    closeIfEmpty()
  }

  private func drop(_ session: Session) {
    sessions.removeAll { $0 === session }
    idle.removeAll { $0 === session }
    session.isIdle = false
    updateGauges()
  }

  private func closeIfEmpty() {
    guard isClosing, sessions.isEmpty, connecting == 0 else { return }
    for continuation in whenClosed { continuation.resume() }
    whenClosed = []
  }
}

extension LoopPool: SessionOwner {
  func session(_ session: Session, completed group: RequestGroup) {
    let hasFailed =
      group.syncError != nil || group.requests.contains { $0.error != nil || !$0.isComplete }
    for request in group.requests {
      if !hasFailed {
        request.finish(.success(.rows(request.results)))
      } else if mayRunAgain(request, in: group, session) {
        request.prepareToSendAgain()
        enqueue(request)
      } else {
        let error = request.error ?? group.syncError ?? .connectionLost("the statement was skipped")
        request.finish(.failure(translated(error, of: request)))
      }
    }
    guard session.use == .exclusive, group.requests.contains(where: { $0.need == .exclusive }) else { return }
    session.use = .returning
  }

  func sessionProgressed(_ session: Session) {
    switch session.use {
    case .shared:
      if session.isDrained { setIdle(session) } else if waiting > 0 { queuePump() }
    case .returning: settle(session)
    case .exclusive: break
    }
    if session.hasAbandoned, !session.isClosed { cancelAbandoned(on: session) }
    updateGauges()
  }

  func session(_ session: Session, lostWith error: PostgresError, unanswered: [RequestGroup]) {
    if session.use != .shared { exclusivesInUse -= 1 }
    drop(session)
    counters.failures.add(1)
    log(.connectionLost(error))
    for request in unanswered.flatMap(\.requests) {
      if request.need == .shared, request.abandonment == nil, request.attempts == 0, !isClosing {
        request.prepareToSendAgain()
        enqueue(request)
      } else if let error = request.error {
        request.finish(.failure(translated(error, of: request)))
      } else if request.commits {
        request.finish(.failure(PostgresError.outcomeUnknown))
      } else {
        request.finish(.failure(error.kind == .server ? error : .connectionLost(error.message)))
      }
    }
    if waiting > 0 { queuePump() }
    closeIfEmpty()
  }

  func session(_ session: Session, notifiedOn channel: String, payload: String) {}

  // What was undone or skipped because of a neighbour, hit by a cancel request meant for another, or planned before a
  // change of the schema, has done nothing yet.
  private func mayRunAgain(_ request: Request, in group: RequestGroup, _ session: Session) -> Bool {
    guard request.need != .held, request.abandonment == nil, request.attempts < Self.attemptsMax, !isClosing else {
      return false
    }
    guard let error = request.error else { return group.requests.count > 1 || group.syncError == nil }
    return error.isStalePlan || (error.sqlState == "57014" && session.wasCancelled)
  }

  private func translated(_ error: PostgresError, of request: Request) -> any Error {
    if error.sqlState == "57014", let abandonment = request.abandonment { return abandonment }
    return request.failedAtCommit && (error.isFatal || error.isUnavailable) ? PostgresError.outcomeUnknown : error
  }
}

// Deadlines and cancellation.
extension LoopPool {
  private func sweep(by deadline: Deadline) {
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
    reads.visit(look)
    readsAlone.visit(look)
    exclusives.visit(look)
    for session in sessions { session.forEachRequest(look) }
    let queued = expired.filter { $0.state == .queued }
    if !queued.isEmpty {
      remove { [now = loop.now] in !$0.deadline.isNever && $0.deadline.time <= now }
      for request in queued { request.finish(.failure(PostgresError.deadlineExceeded)) }
    }
    for request in expired where request.state == .sent { abandon(request, PostgresError.deadlineExceeded) }
    sweepAt = .never
    sweep(by: next)
    updateGauges()
  }

  // Only the statement that the server works on can be cancelled; one behind it is when its turn comes.
  private func cancelAbandoned(on session: Session) {
    guard let request = session.current, request.abandonment != nil, !session.isCancelUnderWay,
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

/// Growing, jittered pauses between attempts: 50 ms to 2 s.
struct Backoff {
  private(set) var failures = 0

  mutating func next() -> Duration {
    failures += 1
    let ceiling = min(2_000_000, 50_000 << min(failures - 1, 6))
    return .microseconds(Int.random(in: ceiling / 2...ceiling))
  }
}
