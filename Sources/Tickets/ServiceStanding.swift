import EventLoop
import HandoffAPI
import RPC
import ServiceKit
import TicketLedger

/// What a caller is to a service: a member of it, an administrator of its organization, both, or a daemon.
struct ServiceStanding: Sendable {
  let service: ServiceRecord
  /// Nil for somebody who does not belong to the service.
  let access: Access?
  let isOrganizationAdministrator: Bool

  /// Demands an administrator of the organization.
  ///
  /// - Throws: PERMISSION_DENIED.
  func requireOrganizationAdministrator() throws(ServiceError) {
    guard isOrganizationAdministrator else {
      throw ServiceError(.permissionDenied, "only administrators of the organization can do this")
    }
  }

  /// Demands an administrator of the service.
  ///
  /// - Throws: PERMISSION_DENIED.
  func requireAdministrator() throws(ServiceError) {
    guard let access else {
      throw ServiceError(
        .permissionDenied, "only administrators of \(service.name) can do this; make one with CreateMember",
        metadata: ["right": Access.Right.administrator.rawValue])
    }
    try access.require(.administrator)
  }
}

extension TicketService {
  /// Finds out what the caller is to a service. For who is neither a member nor an administrator of its organization,
  /// it does not exist.
  ///
  /// - Parameter asksOrganization: whether it matters of a member, too, that they administer the organization.
  /// - Throws: SERVICE_NOT_FOUND.
  func standing(
    in name: ServiceName, asksOrganization: Bool = false, _ call: CallContext
  ) async throws -> ServiceStanding {
    let actor = try call.actor()
    let service = try await ledger.directory.service(code: name.code, deadline: call.deadline)
    let access: Access?
    do {
      access = try await ledger.access(actor, serviceCode: name.code, deadline: call.deadline)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      access = nil
    }
    var isOrganizationAdministrator = false
    if let agent = actor.agentID, access == nil || asksOrganization {
      let own = try await store.organization(of: agent, deadline: call.deadline)
      isOrganizationAdministrator = own?.isAdministered == true && own?.id == service.organizationID
    }
    guard access != nil || isOrganizationAdministrator else { throw ServiceError(.serviceNotFound) }
    return ServiceStanding(
      service: service, access: access, isOrganizationAdministrator: isOrganizationAdministrator)
  }
}
