package import EventLoop
import HandoffAPI
package import Postgres
import Protobuf
import ServiceKit

/// What became of an issue ticket, for the consultation ticket that was escalated to it.
package struct EscalationAnswer: Sendable {
  /// The act that it comes from.
  package let act: EntryAct
  /// Who did it.
  package let actor: LedgerActor
  /// Why, when the issue ticket was resolved internally.
  package var internalReason: InternalReason?
  /// What was written with it, in canonical form; blank when nothing was.
  package var text = ""
  /// The words before parts of them were masked, which the chain covers; nil: ``text``.
  package var original: String?
  /// The entry that is to hold it, when files or masks are to be put there; nil: the ledger takes an id.
  package var entryID: EntryID?
  /// Further codes and ids to record, such as those of the files and masks.
  package var notes: [CodeChange] = []
  /// Statements that belong to the change, such as those that store masks (``TicketChange/attachments``).
  package var attachments: [Query] = []

  /// Describes an outcome without words.
  package init(_ act: EntryAct, by actor: LedgerActor) {
    self.act = act
    self.actor = actor
  }
}

extension TicketLedger {
  /// The statement that writes an outcome of an issue ticket to the consultation ticket behind it, to be a companion of
  /// the issue ticket's change: the answer that it waits for, or, once it has one or was escalated anew, something more
  /// in its history. There it stands with its act, also when nothing was written with it.
  ///
  /// - Returns: nil when nobody is to be told: the ticket was not escalated, or what was behind it was deleted from the
  ///   spam box since.
  /// - Throws: the database's errors as ``ServiceError``.
  package func companion(
    answering issue: TicketRecord, _ answer: EscalationAnswer, deadline: Deadline
  ) async throws -> Query? {
    guard let link = issue.source, let source = try await linked(link, deadline: deadline) else { return nil }
    let service = try await directory.service(id: link.serviceID, deadline: deadline)
    let outcome = try source.outcome(of: .receiveEscalationAnswer, in: service, by: .issueService)
    var event = EventDraft(.escalationAnswered, by: answer.actor)
    if source.target == issue.link {
      event.set = TicketFields(outcome, on: source)
      if outcome.has(.runsTriggers) {
        event.outbox = [OutboxDraft(.triggers, payload: try TriggerPass(cause: .escalated).serialized())]
      }
    }
    event.notes = [
      CodeChange("answer.ticket", "", issue.link.description), CodeChange("answer.act", "", answer.act.rawValue),
    ]
    if let reason = answer.internalReason {
      event.notes.append(CodeChange("answer.internal_reason", "", reason.rawValue))
    }
    let text = CanonicalText.isBlank(answer.text) ? "" : answer.text
    event.notes += answer.notes
    event.entries = [EntryDraft(.escalation, answer.act, body: text, id: answer.entryID)]
    event.entries[0].original = answer.original
    var change = TicketChange(event)
    change.attachments = answer.attachments
    return try await companion(change, on: source, deadline: deadline)
  }

  /// The ticket at the other end of an escalation; nil when it was deleted from the spam box.
  private func linked(_ link: TicketLink, deadline: Deadline) async throws -> TicketRecord? {
    try await ticket(link.ticketID, of: link.serviceID, with: [], deadline: deadline)?.ticket
  }
}
