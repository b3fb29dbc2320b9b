internal import CLibpq
internal import EventLoop

// Making and closing connections.
extension LoopPool {
  func grow() {
    guard !isClosing, backoffTimer == nil else { return }
    let forExclusives = min(exclusives.count, exclusivesMax - exclusivesInUse)
    let forReads = isCrowded || hasReads ? 1 : 0
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

  func refuseWaiting(_ error: PostgresError) {
    var refused: [Request] = []
    remove { request in
      refused.append(request)
      return true
    }
    for request in refused { request.finish(.failure(error)) }
    updateGauges()
  }

  func close(_ session: Session) {
    session.close()
    drop(session)
    closeIfEmpty()
  }

  func drop(_ session: Session) {
    sessions.removeAll { $0 === session }
    idle.removeAll { $0 === session }
    session.isIdle = false
    updateGauges()
  }

  func closeIfEmpty() {
    guard isClosing, sessions.isEmpty, connecting == 0 else { return }
    for continuation in whenClosed { continuation.resume() }
    whenClosed = []
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
