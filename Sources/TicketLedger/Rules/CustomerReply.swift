/// What a customer's reply is to a ticket.
package enum CustomerReply {
  private static let secondsOfDay: Int64 = 86_400

  /// The act that a reply is by the policy of the ticket's service.
  ///
  /// A held ticket waits for the reply, so no policy turns it away; nor is the policy asked about spam. Whether the act
  /// is allowed is the lifecycle table's matter.
  ///
  /// - Parameters:
  ///   - secondsResolved: how long the ticket has been resolved; nil: it is not.
  ///   - reopenDays: for ``ReplyPolicy/reopenWithinDays``; the last day counts whole seconds, its end included.
  package static func act(
    on standing: Standing, policy: ReplyPolicy, reopenDays: Int32, secondsResolved: Int64?
  ) -> LifecycleAct {
    guard standing.origin == .direct, !standing.isSpam else { return .receiveCustomerReply }
    switch (standing.state, policy) {
    case (.completed, _), (.resolved, .newTicket): return .followUp
    case (.resolved, .reopenWithinDays):
      return (secondsResolved ?? 0) <= Int64(reopenDays) * secondsOfDay ? .receiveCustomerReply : .followUp
    default: return .receiveCustomerReply
    }
  }
}
