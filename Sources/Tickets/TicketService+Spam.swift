import EventLoop
package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Brings a ticket back from the spam box to where it stood before.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID,
  ///   REQUEST_ID_REUSED.
  package func restoreTicket(_ request: RestoreTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try Self.checked(request.name, request.version, request.requestId)
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: name, access: access, version: request.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await restoration(of: ticket, access, call.deadline)
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// The change that brings a ticket back from the spam box.
  func restoration(of ticket: TicketRecord, _ access: Access, _ deadline: Deadline) async throws -> TicketChange {
    let isHeld = try await hasActiveHolder(ticket, access.service, deadline)
    let outcome = try access.outcome(of: .restoreFromSpam, on: ticket, hasActiveHolder: isHeld)
    return TicketChange(EventDraft(.spamRestored, by: access.ledgerActor, outcome: outcome, on: ticket))
  }

  /// Deletes a ticket from the spam box: nobody finds it any more, and its events stay.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID,
  ///   REQUEST_ID_REUSED.
  package func deleteTicket(_ request: DeleteTicketRequest, _ call: CallContext) async throws -> Empty {
    let name = try Self.checked(request.name, request.version, request.requestId)
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let claim = try claim(of: request, request.requestId, call, access)
    do {
      _ = try await ledger.perform(
        on: name, access: access, version: request.version, idempotency: claim, deadline: call.deadline
      ) { ticket in
        let outcome = try access.outcome(of: .deleteFromSpam, on: ticket)
        return TicketChange(EventDraft(.spamDeleted, by: access.ledgerActor, outcome: outcome, on: ticket))
      }
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      guard let claim, try await ledger.wasCarriedOut(claim, deadline: call.deadline) else { throw error }
    }
    return Empty()
  }

  /// Reads the name of a request that holds no more than a version and a request id beside it.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong.
  static func checked(_ name: String, _ version: Int64, _ requestID: String) throws(ServiceError) -> TicketName {
    var check = RequestCheck()
    check.name(name, "name", TicketName.self)
    check.version(version)
    check.requestID(requestID)
    try check.done()
    return try TicketName(name, field: "name")
  }
}
