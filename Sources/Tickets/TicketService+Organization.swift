package import HandoffAPI
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

/// What an organization is, and which services it has.
extension TicketService {
  /// Returns an organization to its agents.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, PERMISSION_DENIED for a daemon that acts for itself, REQUEST_INVALID.
  package func getOrganization(_ request: GetOrganizationRequest, _ call: CallContext) async throws -> Organization {
    let name = try OrganizationName(request.name, field: "name")
    let own = try await store.organization(of: try call.agent(), deadline: call.deadline)
    guard let own, own.is(name) else { throw Self.noOrganization }
    return Organization(own)
  }

  /// Changes an organization.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateOrganization(
    _ request: UpdateOrganizationRequest, _ call: CallContext
  ) async throws -> Organization {
    var check = RequestCheck()
    let wanted = request.organization ?? Organization()
    check.name(wanted.name, "organization.name", OrganizationName.self)
    _ = check.mask(request.updateMask, ["display_name"])
    check.version(request.version)
    let displayName = check.line(wanted.displayName, "organization.display_name", charactersMax: 200)
    try check.done()
    let name = try OrganizationName(wanted.name, field: "organization.name")
    let administered = try await administeredOrganization(name, call)
    return Organization(
      try await store.update(administered.id, displayName: displayName, seen: request.version, deadline: call.deadline))
  }

  /// Adds a service to the caller's organization; other daemons see it within a second.
  ///
  /// - Throws: ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createService(_ request: CreateServiceRequest, _ call: CallContext) async throws -> Service {
    let draft = try ServiceDraft(request)
    let administered = try await administeredOrganization(nil, call)
    return Service(try await store.create(draft, in: administered.id, deadline: call.deadline))
  }

  /// The organization that the calling agent administers.
  ///
  /// - Parameter name: the one that is meant; nil: the caller's own.
  /// - Throws: RESOURCE_NOT_FOUND for another one than the caller's own; PERMISSION_DENIED.
  func administeredOrganization(_ name: OrganizationName?, _ call: CallContext) async throws -> OrganizationRecord {
    let agent = try call.agent()
    guard let own = try await store.organization(of: agent, deadline: call.deadline) else {
      throw Self.noOrganization
    }
    if let name, !own.is(name) { throw Self.noOrganization }
    guard own.isAdministered else {
      throw ServiceError(.permissionDenied, "only administrators of the organization can do this")
    }
    return own
  }

  private static var noOrganization: ServiceError {
    ServiceError(.resourceNotFound, "there is no such organization, or it is not yours")
  }
}

extension Organization {
  /// The API's message of an organization.
  init(_ organization: OrganizationRecord) {
    self.init(
      name: OrganizationName(code: organization.code).description, displayName: organization.displayName,
      createTime: Timestamp(organization.createTime), version: organization.version)
  }
}
