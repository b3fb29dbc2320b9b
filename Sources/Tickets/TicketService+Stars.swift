package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Stars a ticket for the calling agent.
  ///
  /// - Throws: TICKET_NOT_FOUND, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func starTicket(_ request: StarTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try TicketName(request.name, field: "name")
    var (access, ticket) = try await reading(name, call)
    let agent = try access.agent().agentID
    if !ticket.isStarred {
      try await store.star(ticket.id, of: ticket.serviceID, by: agent, deadline: call.deadline)
      ticket.isStarred = true
    }
    return try await ledger.message(for: ticket, deadline: call.deadline)
  }

  /// Takes the calling agent's star off a ticket.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func unstarTicket(_ request: UnstarTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try TicketName(request.name, field: "name")
    var (access, ticket) = try await reading(name, call)
    let agent = try access.agent().agentID
    if ticket.isStarred {
      try await store.unstar(ticket.id, of: ticket.serviceID, by: agent, deadline: call.deadline)
      ticket.isStarred = false
    }
    return try await ledger.message(for: ticket, deadline: call.deadline)
  }
}
