package import Postgres

/// One change of a ticket: what happened, one event after the other, each with what it sets and adds.
///
/// All of it is written in one transaction or not at all.
package struct TicketChange: Sendable {
  /// At least one event; each sees the ticket as the one before left it.
  package var events: [EventDraft]
  /// Makes the change safe to repeat.
  package var idempotency: IdempotencyClaim?
  /// What a repeated request is answered with; nil: the ids of the entries that were made.
  package var resultIDs: [Int64]?
  /// Statements of the acting service's own tables that are to be written with the change, in its transaction.
  package var companions: [Query] = []
  /// Topics of the work that the companions leave in the outbox, to be hinted at after the commit.
  package var companionTopics: [OutboxTopic] = []
  /// Conditions of the acting service's own without which nothing is written, such as a lease that still holds. One
  /// that does not hold is told as a lost race.
  package var guards: [Query] = []
  /// Statements that are parts of the change's own one, for rows of the acting service: INSERT, UPDATE or DELETE that
  /// take `service_id` and `id` of the ticket from the row of `changed`, and so happen only when the change does.
  package var attachments: [Query] = []
  /// Work that ends with the change: nothing is written unless it is still its claimer's, and it leaves the outbox.
  package var ends: OutboxItem?
  /// What other owners keep of the change's events, with the change.
  package var annexes: [EventAnnex] = []
  /// True for what happens behind the scenes, such as a mail's delivery: the event is recorded, but nobody's view of
  /// the ticket becomes stale by it, so version and update time stay. Such a change sets and adds nothing.
  package var isSilent = false
  /// Whether it makes masks: words that were searched for masked ones before it are not written after it
  /// (``TicketRecord/maskGeneration``).
  package var isMasking = false
  /// When it happened; nil: when the ticket was read. For what was done since then, such as a mail's delivery, and for
  /// imports and demonstration data.
  package var time: Instant?

  /// Makes a change of several events.
  package init(_ events: [EventDraft], idempotency: IdempotencyClaim? = nil) {
    self.events = events
    self.idempotency = idempotency
  }

  /// Makes a change of one event.
  package init(_ event: EventDraft, idempotency: IdempotencyClaim? = nil) {
    self.init([event], idempotency: idempotency)
  }
}

/// One event to be: who did what, what it sets, and what it brings with it.
///
/// Before and after of what it sets are recorded by themselves: codes and ids in the event, titles and customers' data
/// in the value table.
package struct EventDraft: Sendable {
  /// What an event follows from.
  package enum Cause: Sendable, Equatable {
    /// From nothing but the actor's will.
    case none
    /// From an event that was written before.
    case sequence(Int32)
    /// From the event at this index of the same change.
    case eventOfThisChange(Int)
  }

  /// What happened.
  package var code: EventCode
  /// Who did it.
  package var actor: LedgerActor
  /// What it follows from.
  package var cause: Cause = .none
  /// What it sets.
  package var set: TicketFields
  /// Further codes and ids to record, such as a trigger's version or a mail's Message-ID; see
  /// ``CodeChange/isCode(_:)``.
  package var notes: [CodeChange] = []
  /// Entries of the history that it makes.
  package var entries: [EntryDraft] = []
  /// What it sets in the fields that the service adds to its tickets; their before and after are recorded, too.
  package var fieldValues: [FieldValueChange] = []
  /// Work that follows from it; at most one row of each topic.
  package var outbox: [OutboxDraft] = []

  /// Makes an event that sets what the caller says.
  package init(_ code: EventCode, by actor: LedgerActor, set: TicketFields = TicketFields(), cause: Cause = .none) {
    self.code = code
    self.actor = actor
    self.set = set
    self.cause = cause
  }

  /// Makes the event of an act, which sets what its outcome says of state and spam box.
  package init(_ code: EventCode, by actor: LedgerActor, outcome: LifecycleOutcome, on ticket: TicketRecord) {
    self.init(code, by: actor, set: TicketFields(outcome, on: ticket))
  }
}

/// One entry of the history to be.
package struct EntryDraft: Sendable {
  /// Its id, when the caller needs it beforehand (``TicketLedger/newEntryID(deadline:)``); nil: the ledger takes one.
  package var id: EntryID?
  /// What kind of text it is.
  package var kind: EntryKind
  /// The act it is made with.
  package var act: EntryAct
  /// The text in canonical form, at most 50,000 characters.
  package var body: String
  /// The text before parts of it were masked on arrival: not stored, but what the chain covers. Nil: ``body``.
  package var original: String?
  /// Who wrote it; nil: the event's actor.
  package var actor: LedgerActor?

  /// Describes an entry.
  package init(_ kind: EntryKind, _ act: EntryAct, body: String, actor: LedgerActor? = nil, id: EntryID? = nil) {
    self.kind = kind
    self.act = act
    self.body = body
    self.actor = actor
    self.id = id
  }
}

/// The kinds of work that leave a change's transaction through the outbox; raw values as in the database.
package enum OutboxTopic: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
  /// A mail is to be sent; done by mail.
  case mail = "MAIL"
  /// A pass of the triggers is to be run; done by assignment.
  case triggers = "TRIGGERS"
  /// A trigger's callback is to be delivered; done by assignment.
  case callbacks = "CALLBACKS"
  /// A comment or files are to be sent to Dooray!; done by tickets.
  case dooray = "DOORAY"
  /// A trigger's message is to be written into a messenger channel; done by assignment.
  case messenger = "MESSENGER"

  /// The channel on which new work is hinted at.
  package var channel: String {
    switch self {
    case .mail: "handoff_outbox_mail"
    case .triggers: "handoff_outbox_triggers"
    case .callbacks: "handoff_outbox_callbacks"
    case .dooray: "handoff_outbox_dooray"
    case .messenger: "handoff_outbox_messenger"
    }
  }

  /// Whether work of one ticket is done in the order of its events: a piece is claimed when no earlier one of the
  /// ticket is alive. Work that was given up holds nothing back.
  package var isOrdered: Bool { self == .callbacks || self == .dooray }

  /// Whether the end of a piece of work can make others due: those behind it, or those that wait for its receiver.
  var endsMakeReady: Bool { isOrdered || self == .messenger }
}

/// One row of the outbox to be.
package struct OutboxDraft: Sendable {
  /// Whose work it is.
  package var topic: OutboxTopic
  /// A protobuf message of the topic's owner; ids, never a customer's words.
  package var payload: [UInt8]
  /// Whom it goes to, so that all that waits for one can be moved together; nil where nobody does that.
  package var receiver: String?

  /// Describes work.
  package init(_ topic: OutboxTopic, payload: [UInt8], receiver: String? = nil) {
    self.topic = topic
    self.payload = payload
    self.receiver = receiver
  }
}

/// What was written, or what a repeated request had written.
package struct Written: Sendable {
  /// The ticket afterwards; for a repeat, as it is now.
  package let ticket: TicketRecord
  /// Sequence of the change's first event; 0 for a repeat.
  package let eventSequence: Int32
  /// The change's result ids; the ids of the entries made unless the change said otherwise.
  package let resultIDs: [Int64]
  /// Whether the request had been carried out before, and nothing was written now.
  package let isRepeat: Bool
  /// Topics of the work that follows; for a caller with a transaction of its own to announce.
  package var topics: [OutboxTopic] = []

  /// The result ids as entries, for changes that did not set their own.
  package var entryIDs: [EntryID] { resultIDs.map { EntryID($0) } }
}
