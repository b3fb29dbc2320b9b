import EventLoop
package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Dooray! of a service: whether it is used, and its organizations.
extension TicketService {
  /// Says whether tickets can be escalated to Dooray!.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getDooraySettings(
    _ request: GetDooraySettingsRequest, _ call: CallContext
  ) async throws -> DooraySettings {
    let name = try DooraySettingsName(request.name, field: "name")
    let access = try await ledger.access(call, serviceCode: name.service)
    try access.require(.ticket)
    let (state, version) = try await dooray.store.state(of: access.service.id, deadline: call.deadline)
    return DooraySettings(
      name: name.description, state: .init(rawValue: state.number), version: version,
      hookPath: try await hookPath(for: access, call.deadline))
  }

  /// Where Dooray! sends its hooks; empty for who must not know, and until there are any.
  private func hookPath(for access: Access, _ deadline: Deadline) async throws -> String {
    guard access.member?.role == .administrator,
      let key = try await dooray.store.hookKey(of: access.service.id, deadline: deadline)
    else { return "" }
    return "/v1/\(DoorayHookName(service: access.service.code, key: key))"
  }

  /// Activates Dooray! or pauses it.
  ///
  /// - Throws: SERVICE_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateDooraySettings(
    _ request: UpdateDooraySettingsRequest, _ call: CallContext
  ) async throws -> DooraySettings {
    let wanted = request.dooraySettings ?? DooraySettings()
    var check = RequestCheck()
    check.name(wanted.name, "dooray_settings.name", DooraySettingsName.self)
    let paths = check.mask(request.updateMask, ["state"])
    let state = DoorayState(number: wanted.state.rawValue) ?? .inactive
    check.require(state != .inactive, "dooray_settings.state", "must be ACTIVE or PAUSED")
    check.version(request.version)
    try check.done()
    let name = try DooraySettingsName(wanted.name, field: "dooray_settings.name")
    let access = try await administering(name.service, call)
    let change = try SettingChange(access, .dooray(access.service.id), paths, seen: request.version)
    let version = try await dooray.store.setState(state, change, deadline: call.deadline)
    return DooraySettings(
      name: name.description, state: wanted.state, version: version,
      hookPath: try await hookPath(for: access, call.deadline))
  }

  /// Lists the organizations at Dooray!; their tokens are not among what it answers.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listDoorayOrganizations(
    _ request: ListDoorayOrganizationsRequest, _ call: CallContext
  ) async throws -> ListDoorayOrganizationsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.ticket)
    let found = try await dooray.store.organizations(of: access.service.id, deadline: call.deadline)
    return ListDoorayOrganizationsResponse(organizations: found.map { $0.message(in: name.code) })
  }

  /// Adds an organization.
  ///
  /// - Throws: SERVICE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, BACKEND_UNAVAILABLE, PERMISSION_DENIED,
  ///   REQUEST_INVALID.
  package func createDoorayOrganization(
    _ request: CreateDoorayOrganizationRequest, _ call: CallContext
  ) async throws -> DoorayOrganization {
    let wanted = request.organization ?? DoorayOrganization()
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    check.doorayID(wanted.doorayId, "organization.dooray_id")
    var change = DoorayOrganizationChange(wanted, Set(DoorayOrganizationChange.paths), &check)
    try check.done()
    let service = try await administered(try ServiceName(request.parent, field: "parent").code, call)
    change.sealedToken = try await dooray.secrets.seal(
      wanted.token, of: .organization(wanted.doorayId, of: service.code), deadline: call.deadline)
    return try await dooray.store.createOrganization(
      change, doorayID: wanted.doorayId, in: service.id, deadline: call.deadline
    ).message(in: service.code)
  }

  /// Changes an organization.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, STALE_VERSION, BACKEND_UNAVAILABLE, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateDoorayOrganization(
    _ request: UpdateDoorayOrganizationRequest, _ call: CallContext
  ) async throws -> DoorayOrganization {
    let wanted = request.organization ?? DoorayOrganization()
    var check = RequestCheck()
    check.name(wanted.name, "organization.name", DoorayOrganizationName.self)
    let paths = check.mask(request.updateMask, DoorayOrganizationChange.paths)
    var change = DoorayOrganizationChange(wanted, paths, &check)
    check.version(request.version)
    try check.done()
    let name = try DoorayOrganizationName(wanted.name, field: "organization.name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.administrator)
    let service = access.service
    let known = try await dooray.store.organization(name.id, of: service.id, deadline: call.deadline)
    if let token = change.token {
      change.sealedToken = try await dooray.secrets.seal(
        token, of: .organization(known.doorayID, of: service.code), deadline: call.deadline)
    }
    let setting = try SettingChange(access, .doorayOrganization(name.id), paths, seen: request.version)
    try await dooray.store.updateOrganization(name.id, change, setting, deadline: call.deadline)
    return try await dooray.store.organization(name.id, of: service.id, deadline: call.deadline)
      .message(in: service.code)
  }

  /// Removes an organization with its token and the agents' keys.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteDoorayOrganization(
    _ request: DeleteDoorayOrganizationRequest, _ call: CallContext
  ) async throws -> Empty {
    let name = try DoorayOrganizationName(request.name, field: "name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.administrator)
    try await dooray.store.deleteOrganization(name.id, of: access.service.id, deadline: call.deadline)
    return Empty()
  }

  /// Who calls about something of Dooray!; what belongs to a service out of the caller's reach is not there.
  func doorayAccess(_ code: String, _ call: CallContext) async throws -> Access {
    do {
      return try await ledger.access(call, serviceCode: code)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.resourceNotFound)
    }
  }
}
