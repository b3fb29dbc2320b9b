/// Everything that can be done to a ticket as far as its life is concerned.
package enum LifecycleAct: String, CaseIterable, Sendable {
  /// A ticket comes to be, without a holder.
  case create = "CREATE"
  /// A ticket comes to be with the agent who is to hold it.
  case createAssigned = "CREATE_ASSIGNED"
  /// An agent takes it.
  case keep = "KEEP"
  /// It is handed to an agent of a group.
  case forward = "FORWARD"
  /// A trigger gives it to an agent.
  case assignByTrigger = "ASSIGN_BY_TRIGGER"
  /// A trigger puts it in the care of a group.
  case setGroupByTrigger = "SET_GROUP_BY_TRIGGER"
  /// Its holder has left the service.
  case release = "RELEASE"
  /// The customer is answered for good.
  case resolve = "RESOLVE"
  /// The customer is answered for now.
  case hold = "HOLD"
  /// Something is noted for other agents.
  case comment = "COMMENT"
  /// It is ended without an answer, because of a test, a chat, a call or something else.
  case resolveInternally = "RESOLVE_INTERNALLY"
  /// It is ended without an answer, because of abuse or as a duplicate.
  case dismiss = "DISMISS"
  /// It is ended as spam.
  case moveToSpam = "MOVE_TO_SPAM"
  /// It comes back from the spam box.
  case restoreFromSpam = "RESTORE_FROM_SPAM"
  /// It is deleted from the spam box.
  case deleteFromSpam = "DELETE_FROM_SPAM"
  /// It is escalated to an issue service.
  case escalate = "ESCALATE"
  /// The issue service answers.
  case receiveEscalationAnswer = "RECEIVE_ESCALATION_ANSWER"
  /// It is escalated to Dooray!.
  case escalateToDooray = "ESCALATE_TO_DOORAY"
  /// An agent comments on its task at Dooray!.
  case commentOnDooray = "COMMENT_ON_DOORAY"
  /// The Dooray! task is to do.
  case doorayRegistered = "DOORAY_REGISTERED"
  /// The Dooray! task is being worked on.
  case doorayWorking = "DOORAY_WORKING"
  /// The Dooray! task is done.
  case doorayClosed = "DOORAY_CLOSED"
  /// An administrator completes it.
  case complete = "COMPLETE"
  /// It completes by itself, its time as resolved being over.
  case autoComplete = "AUTO_COMPLETE"
  /// A trigger sends it to an address outside and completes it.
  case forwardExternallyThenComplete = "FORWARD_EXTERNALLY_THEN_COMPLETE"
  /// The customer writes again.
  case receiveCustomerReply = "RECEIVE_CUSTOMER_REPLY"
  /// The customer writes again, and a new ticket is opened for it.
  case followUp = "FOLLOW_UP"
  /// The customer writes again to the consultation ticket that waits for this one.
  case receiveSourceReply = "RECEIVE_SOURCE_REPLY"
  /// Its priority, types or fields are changed.
  case saveFields = "SAVE_FIELDS"
  /// Spans of its texts are masked or unmasked.
  case mask = "MASK"

  /// Whether a service can leave the act to the ticket's holder.
  package var isProcessing: Bool {
    switch self {
    case .resolve, .hold, .resolveInternally, .dismiss, .moveToSpam, .escalate, .escalateToDooray: true
    default: false
    }
  }

  /// The act that resolving internally with a reason is.
  package static func resolvingInternally(_ reason: InternalReason) -> LifecycleAct {
    switch reason {
    case .spam: .moveToSpam
    case .abuse, .duplicate: .dismiss
    case .test, .chatSolved, .callSolved, .others: .resolveInternally
    }
  }
}

/// In whose name an act is done.
package enum LifecycleRole: String, CaseIterable, Sendable {
  /// The customer, also through a mail, the help center or a company system.
  case customer = "CUSTOMER"
  /// An agent with the ticket right.
  case agent = "AGENT"
  /// An agent with the ticket right and the right to forward.
  case forwarder = "FORWARDER"
  /// An administrator of the service.
  case administrator = "ADMINISTRATOR"
  /// Handoff itself, a trigger included.
  case system = "SYSTEM"
  /// The issue service that a ticket was escalated to.
  case issueService = "ISSUE_SERVICE"
  /// The Dooray! side.
  case dooray = "DOORAY"
}

/// How a ticket came to its service, where that makes a difference.
package enum TicketOrigin: String, Sendable {
  /// By an inquiry or by hand.
  case direct = "DIRECT"
  /// By the escalation of a consultation ticket.
  case escalated = "ESCALATED"
}

/// What the rules need to know of a ticket.
package struct Standing: Sendable, Equatable {
  /// The kind of its service.
  package var kind: ServiceKind
  /// Where it stands.
  package var state: TicketState
  /// Whether it is in the spam box.
  package var isSpam: Bool
  /// How it came to its service.
  package var origin: TicketOrigin
  /// Whether an agent holds it who still can: active, and a member of the service.
  package var hasHolder: Bool
  /// Where a spam ticket stood before.
  package var stateBeforeSpam: TicketState?
  /// Whether the service leaves processing to the holder, and the caller is somebody else.
  package var isReserved = false

  /// Describes a ticket.
  package init(
    kind: ServiceKind, state: TicketState, isSpam: Bool = false, origin: TicketOrigin = .direct,
    hasHolder: Bool = true, stateBeforeSpam: TicketState? = nil
  ) {
    self.kind = kind
    self.state = state
    self.isSpam = isSpam
    self.origin = origin
    self.hasHolder = hasHolder
    self.stateBeforeSpam = stateBeforeSpam
  }
}

/// A set of states, small enough to be looked into without a search.
package struct TicketStates: Sendable, Equatable, ExpressibleByArrayLiteral {
  private var bits: UInt16 = 0

  /// Makes a set of the listed states.
  package init(arrayLiteral states: TicketState...) { for state in states { bits |= Self.bit(state) } }

  private init(bits: UInt16) { self.bits = bits }

  /// Every state.
  package static let all = TicketState.allCases.reduce(into: TicketStates()) { $0.bits |= bit($1) }

  /// Whether a state is in the set.
  package func contains(_ state: TicketState) -> Bool { bits & Self.bit(state) != 0 }

  /// The states of this set that are not in the other.
  package func subtracting(_ other: TicketStates) -> TicketStates { TicketStates(bits: bits & ~other.bits) }

  /// The states in the order of the API.
  package var states: [TicketState] { TicketState.allCases.filter(contains) }

  private static func bit(_ state: TicketState) -> UInt16 {
    switch state {
    case .unassigned: 1
    case .processing: 2
    case .pending: 4
    case .escalating: 8
    case .escalationAnswered: 16
    case .doorayEscalated: 32
    case .doorayInProgress: 64
    case .doorayAnswered: 128
    case .resolved: 256
    case .completed: 512
    }
  }
}

/// Where an act leads.
package enum LifecycleTarget: Sendable, Equatable {
  /// To a state.
  case state(TicketState)
  /// To a state, or to UNASSIGNED when nobody holds the ticket any more.
  case held(TicketState)
  /// The state stays as it is.
  case unchanged
  /// To PROCESSING, or to UNASSIGNED when whoever held the ticket no longer can.
  case reopened
  /// To the state before the spam box, when that is unknown to PROCESSING; to UNASSIGNED when whoever held the ticket
  /// no longer can.
  case beforeSpam
  /// Out of everybody's sight; the events stay.
  case removed
}

/// What an act brings with it besides the new state.
package enum LifecycleEffect: String, CaseIterable, Sendable {
  /// The acting agent becomes the holder, with the group chosen.
  case actorHolds = "the acting agent holds it"
  /// The agent named becomes the holder, with the group chosen.
  case chosenAgentHolds = "the chosen agent holds it"
  /// Nobody holds it any more.
  case nobodyHolds = "nobody holds it"
  /// The group named is in charge.
  case chosenGroupInCharge = "the chosen group is in charge"
  /// The customer gets the final answer by mail.
  case mailsAnswer = "final answer mail"
  /// The customer gets the interim answer by mail.
  case mailsInterimAnswer = "interim mail"
  /// A mail with the ticket goes to an address outside.
  case mailsOutside = "mail to the address outside"
  /// The consultation ticket behind this one gets the answer (its own RECEIVE_ESCALATION_ANSWER).
  case answersSource = "the consultation ticket is answered"
  /// An issue ticket is created in the chosen service.
  case opensIssueTicket = "an issue ticket is created"
  /// A new ticket is created for what the customer wrote.
  case opensFollowUpTicket = "a new ticket is opened that is linked to this one"
  /// A Dooray! task is created.
  case opensDoorayTask = "a Dooray! task is created"
  /// The ticket goes to the spam box; the state before is remembered.
  case entersSpamBox = "goes to the spam box"
  /// The ticket leaves the spam box.
  case leavesSpamBox = "leaves the spam box"
  /// A pass of the service's triggers follows.
  case runsTriggers = "triggers run"
}

/// Why an act is refused.
package enum LifecycleRefusal: String, Error, CaseIterable, Sendable {
  /// Services of this kind have no such act.
  case notOfThisKind = "NOT_OF_THIS_KIND"
  /// The caller's role may not do it.
  case roleNotAllowed = "ROLE_NOT_ALLOWED"
  /// The service leaves processing to the holder; only administrators may step in.
  case notHolder = "NOT_HOLDER"
  /// A ticket that came by escalation cannot be ended for this reason.
  case reasonNotAllowed = "REASON_NOT_ALLOWED"
  /// The customer of a ticket that came by escalation talks with the consultation service.
  case escalatedTicket = "ESCALATED_TICKET"
  /// A spam ticket must be restored first.
  case inSpamBox = "IN_SPAM_BOX"
  /// The ticket is not in the spam box.
  case notInSpamBox = "NOT_IN_SPAM_BOX"
  /// A completed ticket is closed for good.
  case completed = "COMPLETED"
  /// Somebody must hold the ticket first.
  case notAssigned = "NOT_ASSIGNED"
  /// Somebody holds the ticket already.
  case alreadyHeld = "ALREADY_HELD"
  /// The ticket waits for an issue service or for Dooray!.
  case escalationOpen = "ESCALATION_OPEN"
  /// The state does not allow it.
  case stateNotAllowed = "STATE_NOT_ALLOWED"
}

/// What an allowed act does.
package struct LifecycleOutcome: Sendable, Equatable {
  /// The rule that allowed it.
  package let rule: LifecycleRule
  /// The state afterwards.
  package let state: TicketState
  /// Whether the state or place of the ticket is the removed one.
  package var isRemoval: Bool { rule.target == .removed }
  /// Whether the rule brings an effect with it.
  package func has(_ effect: LifecycleEffect) -> Bool { rule.effects.contains(effect) }
}

/// One line of the table: who may do what from which states, where it leads, and what follows.
package struct LifecycleRule: Sendable, Equatable {
  /// How people refer to the line: C… consultation, I… issue, B… both kinds of service.
  package let id: String
  /// What is done.
  package let act: LifecycleAct
  /// In which kinds of service.
  package let kinds: [ServiceKind]
  /// Only for tickets of this origin; nil: of any.
  package var origin: TicketOrigin?
  /// From which states; empty for the acts that create a ticket.
  package let from: TicketStates
  /// Whether it is about tickets in the spam box, or about those outside; nil: about both.
  package var spam: Bool? = false
  /// By whom.
  package let roles: [LifecycleRole]
  /// Where it leads.
  package let target: LifecycleTarget
  /// What follows.
  package var effects: [LifecycleEffect] = []
}
