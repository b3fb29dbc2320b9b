package import HandoffAPI
import Protobuf
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MailService {
  /// Tells whether mails can be sent to a ticket's customer.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getCustomerAddress(
    _ request: GetCustomerAddressRequest, _ call: CallContext
  ) async throws -> CustomerAddress {
    let name = try CustomerAddressName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name.ticket)
    try access.require(.ticket)
    let ticket = try await ledger.ticket(name.ticket, access: access, deadline: call.deadline)
    return try await address(name, of: ticket, access.service, call)
  }

  /// Lets mails go to a customer's address again; the ticket's history says who did.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func unblockCustomerAddress(
    _ request: UnblockCustomerAddressRequest, _ call: CallContext
  ) async throws -> CustomerAddress {
    let name = try CustomerAddressName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name.ticket)
    try access.require(.ticket)
    let service = access.service
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: request, key: ledger.key)
    let ticket = try await ledger.ticket(name.ticket, access: access, deadline: call.deadline)
    let before = try await address(name, of: ticket, service, call)
    guard before.block != nil else { return before }
    let written = try await ledger.perform(
      on: name.ticket, access: access, idempotency: claim, deadline: call.deadline
    ) { ticket in
      var change = TicketChange(EventDraft(.addressUnblocked, by: access.ledgerActor))
      change.isSilent = true
      change.companions = [
        MailStore.endBlock(of: hashes.hash(of: ticket.customerEmail), in: service.organizationID)
      ]
      return change
    }
    return try await address(name, of: written.ticket, service, call)
  }

  private func address(
    _ name: CustomerAddressName, of ticket: TicketRecord, _ service: ServiceRecord, _ call: CallContext
  ) async throws -> CustomerAddress {
    var address = CustomerAddress(name: name.description, email: ticket.customerEmail)
    guard MailAddress(ticket.customerEmail) != nil else { return address }
    let found = try await store.block(
      of: hashes.hash(of: ticket.customerEmail), in: service.organizationID, deadline: call.deadline)
    address.block = found.map { block in
      // The words of another service's mail are none of this one's.
      let isOwn = block.service == service.id
      return AddressBlock(
        blockTime: Timestamp(block.blockTime), status: block.status, serverReply: isOwn ? block.serverReply : "",
        mailMessage: isOwn ? MailMessageName(service: service.code, id: block.mailMessageID).description : "")
    }
    return address
  }
}
