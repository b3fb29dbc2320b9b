/// What a batch does with each of its tickets; raw values and order as in the API.
enum BatchAct: String, CaseIterable, Sendable {
  /// Answers the customer for good.
  case resolve = "RESOLVE"
  /// Answers the customer for now.
  case hold = "HOLD"
  /// Notes something for other agents.
  case comment = "COMMENT"
  /// Ends the ticket without an answer.
  case resolveInternally = "RESOLVE_INTERNALLY"
  /// Hands the ticket to an agent of a group.
  case forward = "FORWARD"
  /// Sets priority and processing type.
  case update = "UPDATE"
  /// Completes a resolved ticket.
  case complete = "COMPLETE"
  /// Brings the ticket back from the spam box.
  case restore = "RESTORE"

  /// Whether it writes a text on each ticket.
  var takesText: Bool {
    switch self {
    case .resolve, .hold, .comment, .resolveInternally: true
    case .forward, .update, .complete, .restore: false
    }
  }

  /// Whether it can set priority and processing type.
  var takesFields: Bool { takesText || self == .update }
}

/// How far a batch is; raw values and order as in the API.
enum BatchState: String, CaseIterable, Sendable {
  /// Tickets wait or are worked on.
  case running = "RUNNING"
  /// Every ticket has its result.
  case done = "DONE"
  /// It was cancelled.
  case cancelled = "CANCELLED"
}

/// What became of one ticket of a batch; raw values and order as in the API.
enum BatchOutcome: String, CaseIterable, Sendable {
  /// Not yet.
  case pending = "PENDING"
  /// It was done.
  case succeeded = "SUCCEEDED"
  /// It could not be done.
  case failed = "FAILED"
  /// The batch was cancelled before.
  case cancelled = "CANCELLED"
}
