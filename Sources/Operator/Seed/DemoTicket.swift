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

    /// Whether it makes an issue ticket.
    var isToIssueService: Bool {
      if case .escalate = self { true } else { false }
    }
  }

  /// Seconds from the ticket's creation.
  let time: Int
  let act: Act
}
