package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Dooray! of a service: its projects, and the agents' keys.
extension TicketService {
  /// Lists the projects that tickets can be escalated to.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listDoorayProjects(
    _ request: ListDoorayProjectsRequest, _ call: CallContext
  ) async throws -> ListDoorayProjectsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.ticket)
    let found = try await dooray.store.projects(of: access.service.id, deadline: call.deadline)
    return ListDoorayProjectsResponse(projects: found.map { $0.message(in: name.code) })
  }

  /// Adds a project.
  ///
  /// - Throws: SERVICE_NOT_FOUND, RESOURCE_NOT_FOUND, AGENT_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED,
  ///   PERMISSION_DENIED, REQUEST_INVALID.
  package func createDoorayProject(
    _ request: CreateDoorayProjectRequest, _ call: CallContext
  ) async throws -> DoorayProject {
    let wanted = request.project ?? DoorayProject()
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    check.name(wanted.organization, "project.organization", DoorayOrganizationName.self)
    check.doorayID(wanted.doorayId, "project.dooray_id")
    let change = DoorayProjectChange(wanted, Set(DoorayProjectChange.paths), &check)
    try check.done()
    let service = try await administered(try ServiceName(request.parent, field: "parent").code, call)
    let organization = try DoorayOrganizationName(wanted.organization, field: "project.organization")
    guard organization.service == service.code else { throw ServiceError(.resourceNotFound) }
    return try await dooray.store.createProject(
      change, doorayID: wanted.doorayId, in: organization.id, of: service.id, deadline: call.deadline
    ).message(in: service.code)
  }

  /// Changes a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, AGENT_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateDoorayProject(
    _ request: UpdateDoorayProjectRequest, _ call: CallContext
  ) async throws -> DoorayProject {
    let wanted = request.project ?? DoorayProject()
    var check = RequestCheck()
    check.name(wanted.name, "project.name", DoorayProjectName.self)
    let paths = check.mask(request.updateMask, DoorayProjectChange.paths)
    let change = DoorayProjectChange(wanted, paths, &check)
    check.version(request.version)
    try check.done()
    let name = try DoorayProjectName(wanted.name, field: "project.name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.administrator)
    let setting = try SettingChange(access, .doorayProject(name.id), paths, seen: request.version)
    try await dooray.store.updateProject(name.id, change, setting, deadline: call.deadline)
    return try await dooray.store.project(name.id, of: access.service.id, deadline: call.deadline)
      .message(in: name.service)
  }

  /// Removes a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteDoorayProject(_ request: DeleteDoorayProjectRequest, _ call: CallContext) async throws -> Empty {
    let name = try DoorayProjectName(request.name, field: "name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.administrator)
    try await dooray.store.deleteProject(name.id, of: access.service.id, deadline: call.deadline)
    return Empty()
  }

  /// Tells whose keys to an organization there are: to administrators all, to others their own.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listDoorayUserKeys(
    _ request: ListDoorayUserKeysRequest, _ call: CallContext
  ) async throws -> ListDoorayUserKeysResponse {
    let name = try DoorayOrganizationName(request.parent, field: "parent")
    let access = try await doorayAccess(name.service, call)
    let member = try access.agent()
    let isAdministrator = member.role == .administrator
    if !isAdministrator { try access.require(.ticket) }
    let organization = try await dooray.store.organization(name.id, of: access.service.id, deadline: call.deadline)
    let keys = try await dooray.store.userKeys(
      to: organization.id, of: access.service.id, agent: isAdministrator ? nil : member.agentID,
      deadline: call.deadline)
    return ListDoorayUserKeysResponse(userKeys: keys.map { $0.message(in: name) })
  }

  /// Enters an agent's key, in the place of the one there was.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, AGENT_NOT_FOUND, LIMIT_REACHED, BACKEND_UNAVAILABLE, PERMISSION_DENIED,
  ///   REQUEST_INVALID.
  package func setDoorayUserKey(
    _ request: SetDoorayUserKeyRequest, _ call: CallContext
  ) async throws -> DoorayUserKey {
    var check = RequestCheck()
    check.name(request.name, "name", DoorayUserKeyName.self)
    check.secret(request.key, "key")
    try check.done()
    let name = try DoorayUserKeyName(request.name, field: "name")
    let service = try await keeping(name, call)
    let organization = try await dooray.store.organization(
      name.organization.id, of: service.id, deadline: call.deadline)
    let sealed = try await dooray.secrets.seal(
      request.key, of: .agent(name.agent, in: organization.doorayID, of: service.code), deadline: call.deadline)
    try await dooray.store.setUserKey(
      sealed, of: name.agent, to: organization.id, of: service.id, deadline: call.deadline)
    let stored = try await dooray.store.userKeys(
      to: organization.id, of: service.id, agent: name.agent, deadline: call.deadline)
    guard let key = stored.first else { throw ServiceError(.resourceNotFound) }
    return key.message(in: name.organization)
  }

  /// Removes an agent's key.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteDoorayUserKey(_ request: DeleteDoorayUserKeyRequest, _ call: CallContext) async throws -> Empty {
    let name = try DoorayUserKeyName(request.name, field: "name")
    let service = try await keeping(name, call)
    try await dooray.store.deleteUserKey(
      of: name.agent, to: name.organization.id, of: service.id, deadline: call.deadline)
    return Empty()
  }

  /// Lets through who may enter and remove a key: the agent whose it is, and administrators.
  private func keeping(_ name: DoorayUserKeyName, _ call: CallContext) async throws -> ServiceRecord {
    let access = try await doorayAccess(name.organization.service, call)
    try access.require(try access.agent().agentID == name.agent ? .ticket : .administrator)
    return access.service
  }
}
