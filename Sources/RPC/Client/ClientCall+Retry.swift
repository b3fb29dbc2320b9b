import EventLoop

/// When a call is sent again (gRPC proposal A6).
extension ClientCall {
  // A call that the server has refused unseen is safe to send again, but only once: more could go on for ever.
  private static let refusalsMax = 1

  /// Whether the server has certainly not begun with the call, and it may be sent again without a policy.
  func isUnseen(isNeverSent: Bool) -> Bool {
    guard canStartAgain, head.httpStatus == 0 else { return false }
    if isNeverSent { return true }
    refusals += 1
    return refusals <= Self.refusalsMax
  }

  /// Whether the call is to be sent again after this failure, by the policy of its method; then it will be.
  func startsAgain(after error: RPCError) -> Bool {
    guard let policy = settings?.retry, let owner else { return false }
    let pushback = head.pushback
    if case .never = pushback {
      _ = owner.failed(self)
      return false
    }
    guard policy.retryableCodes.contains(error.code) else { return false }
    let mayRetry = owner.failed(self)
    guard mayRetry, canStartAgain, retries + 1 < policy.attemptsMax else { return false }
    retries += 1
    let delay =
      if case .after(let wanted) = pushback { wanted } else {
        policy.delay(attempts: retries, random: .random(in: 0...1))
      }
    retryTimer = loop.schedule(after: delay) { [self] in
      retryTimer = nil
      if let owner = self.owner { owner.startAgain(self) } else { fail(ClientLoop.closedError) }
    }
    return true
  }
}
