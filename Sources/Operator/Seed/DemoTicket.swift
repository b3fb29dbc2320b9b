import TicketLedger

/// Somebody who writes to the demo organization.
struct DemoCustomer: Sendable, Equatable {
  let displayName: String
  let email: String
  /// Normalised: digits, with a leading + when international.
  let phone: String
  let language: String
}

/// A ticket of the demo data and all that became of it.
struct DemoTicket: Sendable, Equatable {
  /// The code of its service.
  var service: String
  var language: String
  /// Key of a submission type of the service.
  var type: String
  var title: String
  var inquiry: String
  var channel: TicketChannel
  var priority: TicketPriority
  /// Index into the customers.
  var customer: Int
  /// The key of the agent who wrote it down, when one did.
  var creator: String?
  /// Seconds from its creation to now.
  var age: Int
  /// Seconds from its creation to the call that the customer was promised with it, if one was.
  var callBackAfter: Int?
  /// What happened, in order.
  var steps: [DemoStep] = []

  /// How many tickets it is with those that it was escalated to.
  var ticketCount: Int { steps.reduce(1) { $0 + ($1.act.issue?.ticketCount ?? 0) } }

  /// How many entries they have: the inquiry, and what was said in the steps.
  var entryCount: Int {
    steps.reduce(1) { $0 + ($1.act.hasEntry ? 1 : 0) + ($1.act.issue?.entryCount ?? 0) }
  }
}

/// One thing that happened to a ticket.
struct DemoStep: Sendable, Equatable {
  /// What can happen. Agents and groups are keys of the demo organization.
  indirect enum Act: Sendable, Equatable {
    /// A trigger gives it to an agent.
    case assign(String, group: String)
    case keep(String, group: String)
    case forward(by: String, to: String, group: String)
    case hold(String, text: String)
    case resolve(String, text: String, processing: String)
    case resolveInternally(String, InternalReason, text: String)
    case comment(String, text: String)
    case customerReply(String)
    case complete(String)
    case autoComplete
    /// Escalated: the issue ticket lives on its own and answers, or not.
    case escalate(String, text: String, issue: DemoTicket)
    case receiveEscalationAnswer(String)
    case escalateToDooray(String)
    case doorayWorking
    case doorayClosed

    /// Whether the ticket waits to be completed afterwards; what is in the spam box does not.
    var leavesResolved: Bool {
      switch self {
      case .resolve: true
      case .resolveInternally(_, let reason, _): reason != .spam
      default: false
      }
    }

    /// The issue ticket that it makes.
    var issue: DemoTicket? {
      if case .escalate(_, _, let issue) = self { issue } else { nil }
    }

    /// Whether something is said with it.
    var hasEntry: Bool {
      switch self {
      case .hold, .resolve, .comment, .customerReply, .escalate, .receiveEscalationAnswer: true
      case .resolveInternally(_, _, let text): !text.isEmpty
      case .assign, .keep, .forward, .complete, .autoComplete, .escalateToDooray, .doorayWorking, .doorayClosed: false
      }
    }
  }

  /// Seconds from the ticket's creation.
  let time: Int
  let act: Act
}
