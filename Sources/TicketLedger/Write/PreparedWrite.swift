package import EventLoop
package import Postgres

/// A change worked out and ready to be sent, for a caller who writes many tickets in one transaction and one round
/// trip.
package struct PreparedWrite: Sendable {
  /// Topics of the work that follows; to be announced after the commit.
  package let topics: [OutboxTopic]
  /// What is written when the statement does its work.
  package let intended: Written
  let plan: ChangePlan
  let change: TicketChange
  let onLostRace: LostRace

  init(_ plan: ChangePlan, _ change: TicketChange, _ written: Written, onLostRace: LostRace) {
    self.plan = plan
    self.change = change
    self.onLostRace = onLostRace
    topics = plan.outbox.map(\.topic)
    intended = written
  }

  /// The statement; it returns one row when the change was written. When the ticket was changed meanwhile, it does what
  /// it was prepared for.
  package var statement: Query {
    plan.updateStatement(
      change.idempotency, resultIDs: intended.resultIDs, isSilent: change.isSilent, onLostRace: onLostRace,
      guards: change.allGuards, attachments: change.allAttachments(of: plan))
  }

  /// What was written, by the statement's answer; nil when it was not, because the ticket was changed meanwhile.
  package func written(_ rows: Rows) -> Written? { rows.isEmpty ? nil : intended }
}

extension TicketLedger {
  /// Works out a change without writing it.
  ///
  /// - Parameter onLostRace: what the statement does when the ticket was changed meanwhile.
  /// The caller sends the statement in a transaction, decides what a lost race means, and calls ``announce(_:)`` after
  /// the commit. Several changes of one ticket are one ``TicketChange``; two statements of one ticket exclude each
  /// other.
  ///
  /// - Throws: the database's errors as `ServiceError`.
  package func prepare(
    _ change: TicketChange, on ticket: TicketRecord, onLostRace: LostRace = .noRow, deadline: Deadline
  ) async throws -> PreparedWrite {
    precondition(change.companions.isEmpty, "in a transaction of its own, a caller runs its statements itself")
    let (plan, resultIDs) = try await plan(change, on: ticket, deadline: deadline)
    return PreparedWrite(plan, change, written(plan, resultIDs), onLostRace: onLostRace)
  }

  /// Hints at new work that was committed in a caller's own transaction; otherwise it is found a little later.
  package func announce(_ topics: [OutboxTopic]) { hints.announce(topics) }
}
