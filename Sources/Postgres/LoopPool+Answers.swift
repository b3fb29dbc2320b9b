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
      // A cancel request on its way would hit whatever comes next.
      if session.isDrained, !session.isCancelUnderWay { setIdle(session) } else if waiting > 0 { queuePump() }
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
