import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// What agents do to tickets, and what that is in the lifecycle table, one of which is enough.
  static let offeredActs: [(act: ListActsResponse.Act, rules: [LifecycleAct])] = [
    (.keep, [.keep]),
    (.forward, [.forward]),
    (.resolve, [.resolve]),
    (.hold, [.hold]),
    (.comment, [.comment]),
    (.resolveInternally, [.resolveInternally, .dismiss, .moveToSpam]),
    (.escalate, [.escalate]),
    (.escalateToDooray, [.escalateToDooray]),
    (.commentOnDooray, [.commentOnDooray]),
    (.complete, [.complete]),
    (.update, [.saveFields]),
    (.restore, [.restoreFromSpam]),
    (.delete, [.deleteFromSpam]),
  ]

  /// Lists what the calling agent could do to a ticket now; a daemon that acts for itself is offered nothing.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listActs(_ request: ListActsRequest, _ call: CallContext) async throws -> ListActsResponse {
    let (access, ticket) = try await reading(try TicketName(request.parent, field: "parent"), call)
    guard let member = access.member, let role = member.lifecycleRole else { return ListActsResponse() }
    let standing = ticket.standing(in: access.service, for: member.agentID)
    func isAllowed(_ act: LifecycleAct) -> Bool {
      if case .success = Lifecycle.outcome(of: act, on: standing, by: role) { true } else { false }
    }
    var offered = ListActsResponse()
    for (act, rules) in Self.offeredActs where rules.contains(where: isAllowed) {
      if try await isOpen(act, in: access.service, call.deadline) { offered.acts.append(act) }
    }
    offered.internalReasons = InternalReason.allCases.filter { isAllowed(.resolvingInternally($0)) }
      .compactMap { Ticket.InternalReason(rawValue: $0.number) }
    return offered
  }

  /// Whether a service has what an act needs beside a ticket that allows it.
  private func isOpen(
    _ act: ListActsResponse.Act, in service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Bool {
    switch act {
    case .escalate: return try await !store.issueServices(of: service.organizationID, deadline: deadline).isEmpty
    case .escalateToDooray:
      guard try await activeDooray(in: service, deadline) != nil else { return false }
      return try await !dooray.store.projects(of: service.id, deadline: deadline).isEmpty
    default: return true
    }
  }
}
