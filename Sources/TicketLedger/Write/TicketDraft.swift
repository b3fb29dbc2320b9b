package import Postgres
package import ServiceKit

/// A ticket to be.
package struct TicketDraft: Sendable {
  /// The service it belongs to.
  package var service: ServiceRecord
  /// Where it begins: the state of the outcome of `create` or `createAssigned`.
  package var state: TicketState
  /// What it is about, 1 to 200 characters in canonical form.
  package var title: String
  /// What texts of its own were before they were masked, on their way in or on another ticket; nil: nobody but masking
  /// knows. Not stored, but what the chain covers.
  package var originals: [TicketText: String?] = [:]
  /// How it came in.
  package var channel: TicketChannel
  /// How urgent it is.
  package var priority: TicketPriority = .normal
  /// ISO 639-1 code of its language.
  package var language: String
  /// The group in charge.
  package var groupID: GroupID?
  /// The agent who is to hold it.
  package var agentID: AgentID?
  /// What it is about, by type.
  package var submissionTypeID: SubmissionTypeID?
  /// Who it is from.
  package var customer = TicketCustomerDraft()
  /// Whether the customer agreed, with the inquiry, that their personal data is collected and used.
  package var hasPrivacyConsent = false
  /// The consultation ticket that it answers.
  package var source: TicketLink?
  /// The ticket of the same service that the customer's reply came to.
  package var previousID: TicketID?
  /// The promised call.
  package var callBack: CallBackRecord?
  /// The CREATED event: its actor, entries (the inquiry first), outbox and notes. What it sets is the draft's.
  package var event: EventDraft
  /// Whether masks lie on a ticket that it belongs to (``TicketRecord/hasMasks``).
  package var isBesideMasks = false
  /// Makes the creation safe to repeat.
  package var idempotency: IdempotencyClaim?
  /// Statements of the acting service's own tables that are to be written in the same transaction.
  package var companions: [Query] = []
  /// Statements that are parts of the ticket's own one; see ``TicketChange/attachments``.
  package var attachments: [Query] = []
  /// Work that the caller sees to as soon as the ticket is written: nobody else is told of it. A caller that cannot
  /// makes up for it with ``TicketLedger/announce(_:)``.
  package var topicDoneAtOnce: OutboxTopic?
  /// When it was received; nil: when the ledger was asked to open it. For imports and demonstration data only.
  package var time: Instant?

  /// Describes a ticket of a service by what every ticket has.
  package init(
    service: ServiceRecord, state: TicketState, title: String, channel: TicketChannel, by actor: LedgerActor
  ) {
    self.service = service
    self.state = state
    self.title = title
    self.channel = channel
    language = service.language
    event = EventDraft(.created, by: actor)
  }
}

/// The customer of a ticket to be, in normalised form.
package struct TicketCustomerDraft: Sendable {
  /// The customer's unique number, when known.
  package var id: CustomerID?
  /// At most 100 characters; may be empty.
  package var name = ""
  /// Where answers go; empty: nowhere.
  package var email = ""
  /// Phone number; may be empty.
  package var phone = ""
  /// By which the organization's own systems know the customer, at most 100 characters; may be empty.
  package var userCode = ""
  /// Nothing is known.
  package init() {}
}
