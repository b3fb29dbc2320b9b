import EventLoop
import HandoffAPI
import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Does what a batch orders with one ticket, as its creator would: the same checks, the same change, and with it in
  /// one transaction the item's result. Forwarding is assignment's; there the request id sees to it that it happens
  /// once.
  ///
  /// - Returns: whether the result is noted already.
  /// - Throws: what the act by itself throws; CONFLICT when the item is somebody else's by now.
  @discardableResult
  func act(_ batch: BatchRecord, on item: BatchItem, deadline: Deadline) async throws -> Bool {
    let service = try await ledger.directory.service(id: batch.serviceID, deadline: deadline)
    let access = try await ledger.access(.agent(batch.creator), serviceCode: service.code, deadline: deadline)
    try access.require(.ticket)
    let name = TicketName(service: service.code, id: item.ticketID)
    if batch.act == .forward {
      try await forward(batch, name, item, service, deadline)
      return false
    }
    do {
      _ = try await ledger.perform(on: name, access: access, deadline: deadline) { ticket in
        var change = try await change(batch, name, on: ticket, access, deadline)
        change.guards.append(item.isHeld)
        change.attachments.append(item.success)
        return change
      }
      return true
    } catch is Unchanged {
      // The ticket is as it should be already, which is all that was wanted.
      return false
    }
  }

  private func change(
    _ batch: BatchRecord, _ name: TicketName, on ticket: TicketRecord, _ access: Access, _ deadline: Deadline
  ) async throws -> TicketChange {
    let options = CallOptions(deadline: deadline)
    if let request = batch.processRequest(name, in: access.service) {
      return try await change(try ProcessOrder(request), on: ticket, access, options)
    }
    switch batch.act {
    case .complete: return try completion(of: ticket, access)
    case .restore: return try await restoration(of: ticket, access, deadline)
    default:
      let update = try TicketUpdate(batch.updateRequest(name, in: access.service))
      return try await change(update, on: ticket, access, deadline)
    }
  }

  private func forward(
    _ batch: BatchRecord, _ name: TicketName, _ item: BatchItem, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws {
    guard let group = batch.groupID, let agent = batch.agentID else { throw ServiceError(.internal) }
    let request = ForwardTicketRequest(
      name: name.description, group: GroupName(service: service.code, id: group).description,
      agent: AgentName(id: agent).description,
      requestId: "\(BatchName(service: service.code, id: batch.id))/\(item.number)")
    do {
      _ = try await assignment.forwardTicketOnBehalf(
        ForwardTicketOnBehalfRequest(request: request, principal: AgentName(id: batch.creator).description),
        CallOptions(deadline: deadline))
    } catch let error as RPCError {
      throw ServiceError(error, from: "assignment")
    }
  }
}
