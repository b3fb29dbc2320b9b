/// Everything that is done to a ticket, as far as mail is concerned.
package enum TicketAct: String, CaseIterable, Sendable {
  case resolve, hold, comment, resolveInternally, forward, keep, complete, autoComplete, escalate
}

/// Whose ticket it is, as far as mail is concerned: the columns of ``AnswerTable``.
package enum TicketOrigin: String, CaseIterable, Sendable {
  /// A ticket of a consultation service, however it came in.
  case consultation
  /// A ticket of an issue service that no consultation ticket waits for.
  case issue
  /// A ticket of an issue service that answers a consultation ticket; its customer hears from the consultation service.
  case escalatedIssue
}

/// Which layout dresses a mail.
package enum LayoutKind: String, CaseIterable, Sendable {
  /// Final answers.
  case resolved = "RESOLVED"
  /// Interim replies.
  case pending = "PENDING"
  /// Answers to tickets that an agent wrote down by hand.
  case manual = "MANUAL"
}

/// Which acts mail the customer. No other code decides it.
package enum AnswerTable {
  /// What an act means to the customer.
  package enum Mailing: Equatable, Sendable {
    /// The customer gets the agent's text, dressed by a layout of this kind.
    case answer(LayoutKind)
    /// The text goes to the consultation ticket that waits for it, and from there to the customer.
    case answeredElsewhere
    /// The act is none of the customer's business.
    case none
  }

  /// One act and what it means for each origin.
  package struct Row: Sendable {
    /// The act.
    package let act: TicketAct
    /// For tickets of consultation services.
    package let consultation: Mailing
    /// For tickets of issue services that stand alone.
    package let issue: Mailing
    /// For issue tickets that a consultation ticket waits for.
    package let escalatedIssue: Mailing
  }

  /// The table; one row for every act.
  package static let rows: [Row] = [
    row(.resolve, .answer(.resolved), .answer(.resolved), .answeredElsewhere),
    row(.hold, .answer(.pending), .answer(.pending), .answeredElsewhere),
    row(.comment, .none, .none, .none),
    row(.resolveInternally, .none, .none, .none),
    row(.forward, .none, .none, .none),
    row(.keep, .none, .none, .none),
    row(.complete, .none, .none, .none),
    row(.autoComplete, .none, .none, .none),
    row(.escalate, .none, .none, .none),
  ]

  /// Looks an act up.
  package static func mailing(_ act: TicketAct, _ origin: TicketOrigin) -> Mailing {
    guard let row = rows.first(where: { $0.act == act }) else { return .none }
    return switch origin {
    case .consultation: row.consultation
    case .issue: row.issue
    case .escalatedIssue: row.escalatedIssue
    }
  }

  private static func row(_ act: TicketAct, _ consultation: Mailing, _ issue: Mailing, _ escalated: Mailing) -> Row {
    Row(act: act, consultation: consultation, issue: issue, escalatedIssue: escalated)
  }
}
