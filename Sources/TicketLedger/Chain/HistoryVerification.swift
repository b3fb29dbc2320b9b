package import EventLoop
import Postgres
import ServiceKit

/// What the examination of a ticket's history found.
package struct HistoryVerification: Sendable, Equatable {
  /// Number of events that were read.
  package var eventCount: Int32
  /// The first event that is not as it was written; 0 when the history is intact.
  package var firstBadSequence: Int32
  /// What is wrong, in words; empty when the history is intact.
  package var finding: String

  /// Whether every event, entry and the ticket itself are as they were written.
  package var isIntact: Bool { firstBadSequence == 0 }
}

extension TicketLedger {
  /// Recomputes the chain of a ticket's events from its first one, checks the seal of its head, and compares the ticket
  /// with its entries, fields, files, chat and call with what the events say.
  ///
  /// Finds events, values and entries that were edited, removed, reordered or added, whoever did it, also under a mask;
  /// a ticket whose state, holder, types, title, customer or fields were changed past its history, or when it came, was
  /// resolved, completed or deleted, or where it stood before the spam box; a chat or the record of a call that is not
  /// as it came; and files that were taken off, put on, moved to another entry or have other bytes in them. Events say
  /// nothing of files' names, types and uploaders, nor when a ticket changed last: these are not covered. Reads one
  /// snapshot, in portions.
  ///
  /// - Throws: TICKET_NOT_FOUND; the database's errors as ``ServiceError``.
  package func verify(_ id: TicketID, of service: ServiceID, deadline: Deadline) async throws -> HistoryVerification {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline, isolation: .repeatableRead) { transaction in
        let rows = try await transaction.query(
          "SELECT \(fragment: TicketRecord.columns) FROM ticket AS t WHERE t.service_id = \(service) AND t.id = \(id)")
        guard let row = rows.first else { throw ServiceError(.ticketNotFound) }
        let ticket = try TicketRecord(row)
        var examination = HistoryExamination(ticket: ticket, key: key, maskSeals: maskSeals)
        do throws(HistoryExamination.Found) {
          try await examination.run(transaction)
        } catch .fault(let fault) {
          return fault
        } catch .error(let error) {
          throw error
        }
        return HistoryVerification(eventCount: ticket.eventCount, firstBadSequence: 0, finding: "")
      }
    }
  }
}
