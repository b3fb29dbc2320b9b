/// Where a ticket stands in its life.
///
/// Raw values are the texts of the database and the names of the API; the order is that of the API's numbers.
package enum TicketState: String, CaseIterable, Sendable {
  /// Created; nobody holds it.
  case unassigned = "UNASSIGNED"
  /// An agent holds it.
  case processing = "PROCESSING"
  /// Held with an interim reply.
  case pending = "PENDING"
  /// Escalated to an issue service, which has not answered yet.
  case escalating = "ESCALATING"
  /// The issue service has answered.
  case escalationAnswered = "ESCALATION_ANSWERED"
  /// A Dooray! task was created.
  case doorayEscalated = "DOORAY_ESCALATED"
  /// The Dooray! task is being worked on.
  case doorayInProgress = "DOORAY_IN_PROGRESS"
  /// The Dooray! task is done.
  case doorayAnswered = "DOORAY_ANSWERED"
  /// Answered, or resolved internally.
  case resolved = "RESOLVED"
  /// Closed for good.
  case completed = "COMPLETED"

  /// Whether it has a task at Dooray! that it is about.
  package var isAtDooray: Bool { self == .doorayEscalated || self == .doorayInProgress || self == .doorayAnswered }
}

/// How urgent a ticket is; raw values and order as in the API.
package enum TicketPriority: String, CaseIterable, Sendable {
  /// Can wait.
  case low = "LOW"
  /// The default.
  case normal = "NORMAL"
  /// Before normal ones.
  case high = "HIGH"
  /// At once.
  case urgent = "URGENT"
}

/// How an inquiry came in; raw values and order as in the API.
package enum TicketChannel: String, CaseIterable, Sendable {
  /// The help center, on a computer.
  case helpCenter = "HELP_CENTER"
  /// The help center, on a phone.
  case helpCenterMobile = "HELP_CENTER_MOBILE"
  /// An API call of another system.
  case api = "API"
  /// A mail.
  case email = "EMAIL"
  /// A chat.
  case chat = "CHAT"
  /// A phone call.
  case phone = "PHONE"
  /// A mention on Twitter.
  case twitterMention = "TWITTER_MENTION"
  /// A direct message on Twitter.
  case twitterMessage = "TWITTER_MESSAGE"
  /// Written down by an agent.
  case manual = "MANUAL"
  /// Escalated from a consultation service.
  case escalation = "ESCALATION"
}

/// Where a ticket was ever escalated to; raw values as in the database.
package enum EscalatedTo: String, CaseIterable, Sendable {
  /// An issue service.
  case issue = "ISSUE"
  /// Dooray!.
  case dooray = "DOORAY"
  /// An issue service at one time, Dooray! at another.
  case both = "BOTH"

  /// Where it was escalated to with one more escalation.
  package static func adding(_ place: EscalatedTo, to before: EscalatedTo?) -> EscalatedTo {
    before.map { $0 == place ? place : .both } ?? place
  }
}

/// Why a ticket was resolved without an answer to the customer; raw values and order as in the API.
package enum InternalReason: String, CaseIterable, Sendable {
  /// Moves the ticket to the spam box.
  case spam = "SPAM"
  /// The customer was abusive.
  case abuse = "ABUSE"
  /// A test.
  case test = "TEST"
  /// The same inquiry came twice.
  case duplicate = "DUPLICATE"
  /// Solved in a chat.
  case chatSolved = "CHAT_SOLVED"
  /// Solved on the phone.
  case callSolved = "CALL_SOLVED"
  /// Anything else.
  case others = "OTHERS"
}

/// What a service is for; raw values and order as in the API.
package enum ServiceKind: String, CaseIterable, Sendable {
  /// Talks with customers.
  case consultation = "CONSULTATION"
  /// Works on what consultations escalate.
  case issue = "ISSUE"
}

/// What becomes of a customer's reply to a resolved ticket; raw values and order as in the API.
package enum ReplyPolicy: String, CaseIterable, Sendable {
  /// The ticket is processed again.
  case reopen = "REOPEN"
  /// The ticket is processed again within so many days; later a new one is opened.
  case reopenWithinDays = "REOPEN_WITHIN_DAYS"
  /// A new ticket is opened.
  case newTicket = "NEW_TICKET"
}

/// What kind of text an entry of the history is; raw values and order as in the API.
package enum EntryKind: String, CaseIterable, Sendable {
  /// What the customer asked.
  case inquiry = "INQUIRY"
  /// What the customer was told.
  case reply = "REPLY"
  /// What agents told each other; it never reaches the customer.
  case comment = "COMMENT"
  /// What was written when escalating, or what came back.
  case escalation = "ESCALATION"
}

/// The act that an entry was made with; raw values and order as in the API.
package enum EntryAct: String, CaseIterable, Sendable {
  /// The ticket was created.
  case create = "CREATE"
  /// The ticket was resolved.
  case resolve = "RESOLVE"
  /// The ticket was put on hold.
  case hold = "HOLD"
  /// A comment was added.
  case commentAdded = "COMMENT_ADDED"
  /// The ticket was resolved internally.
  case resolveInternally = "RESOLVE_INTERNALLY"
  /// The ticket was escalated.
  case escalate = "ESCALATE"
  /// The customer wrote again.
  case customerReply = "CUSTOMER_REPLY"
  /// A trigger completed the ticket.
  case complete = "COMPLETE"
}

/// The kinds of actor of events and entries; raw values and order as in the API.
package enum ActorKind: String, CaseIterable, Sendable {
  /// An agent of the contact center.
  case agent = "AGENT"
  /// The customer.
  case customer = "CUSTOMER"
  /// Another daemon or a company service that called by itself.
  case service = "SERVICE"
  /// A trigger.
  case trigger = "TRIGGER"
  /// Handoff itself, for example the auto-completion.
  case system = "SYSTEM"
  /// The Dooray! side of an escalated ticket.
  case dooray = "DOORAY"
}

/// The basic permission of an agent in a service; raw values and order as in the API.
package enum MemberRole: String, CaseIterable, Sendable {
  /// Runs the service: settings, completing, spam box, forwarding.
  case administrator = "ADMINISTRATOR"
  /// Works on tickets.
  case agent = "AGENT"
}

/// What an event of a ticket's history says happened. The acts' own words are used throughout.
package enum EventCode: String, CaseIterable, Sendable {
  /// The ticket came to be; its changes hold every first value.
  case created = "CREATED"
  /// An agent took it.
  case kept = "KEPT"
  /// It was handed to an agent by somebody.
  case forwarded = "FORWARDED"
  /// Its holder left the service.
  case released = "RELEASED"
  /// A trigger gave it to an agent.
  case assigned = "ASSIGNED"
  /// A trigger wanted to give it to an agent and found none who could take it.
  case assignmentFailed = "ASSIGNMENT_FAILED"
  /// A trigger put it in the care of a group.
  case groupSet = "GROUP_SET"
  /// A trigger fired; its version is among the changes.
  case triggerFired = "TRIGGER_FIRED"
  /// The customer was answered for good.
  case resolved = "RESOLVED"
  /// The customer was answered for now.
  case held = "HELD"
  /// A comment was added.
  case commented = "COMMENTED"
  /// It was ended without an answer.
  case resolvedInternally = "RESOLVED_INTERNALLY"
  /// Fields were changed (type, priority, customer): one event for all that was saved at once, whose changes say which,
  /// rather than one for each of priority, type and so on.
  case fieldsSaved = "FIELDS_SAVED"
  /// It was escalated to an issue service.
  case escalated = "ESCALATED"
  /// The issue service answered.
  case escalationAnswered = "ESCALATION_ANSWERED"
  /// A Dooray! task was created.
  case doorayEscalated = "DOORAY_ESCALATED"
  /// Whether a Dooray! task was created could not be found out; it may have to be looked for there.
  case doorayEscalationFailed = "DOORAY_ESCALATION_FAILED"
  /// A Dooray! task was created, but the ticket had moved on meanwhile: it does not wait for the task.
  case doorayTaskStrayed = "DOORAY_TASK_STRAYED"
  /// The Dooray! task moved.
  case doorayStateChanged = "DOORAY_STATE_CHANGED"
  /// An agent commented on the Dooray! task.
  case doorayCommentSent = "DOORAY_COMMENT_SENT"
  /// An agent's comment on the Dooray! task was given up.
  case doorayCommentFailed = "DOORAY_COMMENT_FAILED"
  /// A file that was to go with the Dooray! task was given up.
  case doorayFileFailed = "DOORAY_FILE_FAILED"
  /// The Dooray! side commented.
  case doorayCommentReceived = "DOORAY_COMMENT_RECEIVED"
  /// The mail server took the mail.
  case mailSent = "MAIL_SENT"
  /// The mail was given up.
  case mailFailed = "MAIL_FAILED"
  /// No mail was sent, because there is no address, or none that takes mails.
  case mailSkipped = "MAIL_SKIPPED"
  /// The ticket was sent to a mail address outside.
  case forwardedExternally = "FORWARDED_EXTERNALLY"
  /// A configured address was called.
  case callbackSent = "CALLBACK_SENT"
  /// Calling a configured address was given up.
  case callbackFailed = "CALLBACK_FAILED"
  /// A trigger asked for a message into a messenger channel.
  case messageQueued = "MESSAGE_QUEUED"
  /// The messenger took the message.
  case messageSent = "MESSAGE_SENT"
  /// The message was given up.
  case messageFailed = "MESSAGE_FAILED"
  /// Spans of its texts were masked.
  case masked = "MASKED"
  /// An original was put back.
  case unmasked = "UNMASKED"
  /// An original was shown once.
  case maskRevealed = "MASK_REVEALED"
  /// It went to the spam box.
  case spamMoved = "SPAM_MOVED"
  /// It came back from the spam box.
  case spamRestored = "SPAM_RESTORED"
  /// It was deleted from the spam box.
  case spamDeleted = "SPAM_DELETED"
  /// An administrator completed it.
  case completed = "COMPLETED"
  /// It completed by itself after its time.
  case autoCompleted = "AUTO_COMPLETED"
  /// The customer wrote again.
  case customerReplied = "CUSTOMER_REPLIED"
  /// The customer wrote again, and a new ticket was opened for it.
  case followedUp = "FOLLOWED_UP"
  /// A trigger has asked for a callback.
  case callbackQueued = "CALLBACK_QUEUED"
  /// A callback that was given up is tried again.
  case callbackReplayed = "CALLBACK_REPLAYED"
  /// A trigger has asked for a mail to people of the ticket.
  case mailQueued = "MAIL_QUEUED"
  /// A mail server reported that a mail that was sent came back, or is late.
  case mailBounced = "MAIL_BOUNCED"
  /// An agent has had a mail sent again.
  case mailResent = "MAIL_RESENT"
  /// An agent lets mails go to the customer's address again.
  case addressUnblocked = "ADDRESS_UNBLOCKED"
}

extension CaseIterable where Self: Equatable, AllCases == [Self] {
  /// The number of the value in the API: 1 for the first.
  package var number: Int32 {
    var number: Int32 = 1
    for value in Self.allCases {
      if value == self { return number }
      number += 1
    }
    return 0
  }

  /// The value with a number of the API; nil for 0 (left out) and for numbers that this build does not know.
  package init?(number: Int32) {
    guard number >= 1, Int(number) <= Self.allCases.count else { return nil }
    self = Self.allCases[Int(number) - 1]
  }
}
