package import ServiceKit

/// What a change sets of a ticket; what is nil stays. For a field that may be empty, `.some(nil)` empties it.
package struct TicketFields: Sendable, Equatable {
  /// Where it stands; RESOLVED and COMPLETED bring their times with them.
  package var state: TicketState?
  /// Who holds it.
  package var agentID: AgentID??
  /// The group in charge.
  package var groupID: GroupID??
  /// How urgent it is.
  package var priority: TicketPriority?
  /// What it is about, by type.
  package var submissionTypeID: SubmissionTypeID??
  /// How it was handled.
  package var processingTypeID: ProcessingTypeID??
  /// Why it was resolved internally.
  package var internalReason: InternalReason??
  /// Whether it is in the spam box.
  package var isSpam: Bool?
  /// Where it stood before the spam box.
  package var stateBeforeSpam: TicketState??
  /// What it is about, in canonical form.
  package var title: String?
  /// Who it is from.
  package var customerID: CustomerID??
  /// The customer's name.
  package var customerName: String?
  /// Where answers go.
  package var customerEmail: String?
  /// The customer's phone number.
  package var customerPhone: String?
  /// By which the organization's own systems know the customer.
  package var customerUserCode: String?
  /// The issue ticket that it is escalated to.
  package var target: TicketLink??
  /// ISO 639-1 code of its language.
  package var language: String?
  /// The promised call.
  package var callBack: CallBackRecord??
  /// Deletes it from the spam box.
  package var isDeleted = false

  /// Sets nothing.
  package init() {}

  /// Sets what the outcome of an act says of the ticket's state and of the spam box. Holder, group and reason are the
  /// caller's to add.
  package init(_ outcome: LifecycleOutcome, on ticket: TicketRecord) {
    state = outcome.state
    if outcome.state == .unassigned, ticket.agentID != nil { agentID = .some(nil) }
    if outcome.state == .completed, var promise = ticket.callBack, promise.isActive {
      promise.isActive = false
      callBack = .some(promise)
    }
    isDeleted = outcome.isRemoval
    if outcome.has(.entersSpamBox) {
      isSpam = true
      stateBeforeSpam = ticket.state
      internalReason = .some(.spam)
    } else if outcome.has(.leavesSpamBox) {
      isSpam = false
      stateBeforeSpam = .some(nil)
      internalReason = .some(nil)
    } else if ticket.state == .resolved, outcome.state != .resolved, outcome.state != .completed {
      internalReason = .some(nil)
    }
  }
}
