package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Groups, and the log of permissions.
extension AssignmentService {
  private static let nameCharactersMax = 100
  private static let agentsMax = 1000
  private static let pageSizeDefault = 50

  /// Creates a group.
  ///
  /// - Throws: SERVICE_NOT_FOUND, AGENT_NOT_FOUND, ALREADY_EXISTS, REQUEST_INVALID, PERMISSION_DENIED.
  package func createGroup(_ request: CreateGroupRequest, _ call: CallContext) async throws -> Group {
    let parent = try ServiceName(request.parent, field: "parent")
    let (service, administrator) = try await administrator(of: parent.code, call)
    guard let wanted = request.group else { throw ServiceError.invalid("group", "is missing") }
    let id = try await agents.createGroup(
      try Self.displayName(wanted), agents: try Self.agentIDs(wanted), of: service, by: administrator,
      deadline: call.deadline)
    triggers.forget()
    return try await found(id, service, call)
  }

  /// Changes a group's name or members.
  ///
  /// - Throws: GROUP_NOT_FOUND, AGENT_NOT_FOUND, ALREADY_EXISTS, IN_USE, REQUEST_INVALID, PERMISSION_DENIED.
  package func updateGroup(_ request: UpdateGroupRequest, _ call: CallContext) async throws -> Group {
    let wanted = request.group ?? Group()
    let name = try GroupName(wanted.name, field: "group.name")
    let mask = try UpdateMask(request.updateMask, of: ["display_name", "agents"])
    let (service, administrator) = try await administrator(of: name.service, missing: .groupNotFound, call)
    try await agents.updateGroup(
      name.id, displayName: mask.has("display_name") ? try Self.displayName(wanted) : nil,
      agents: mask.has("agents") ? try Self.agentIDs(wanted) : nil, of: service, by: administrator,
      deadline: call.deadline)
    triggers.forget()
    return try await found(name.id, service, call)
  }

  /// Deletes a group, or deactivates one that is in use.
  ///
  /// - Throws: GROUP_NOT_FOUND, IN_USE, REQUEST_INVALID, PERMISSION_DENIED.
  package func deleteGroup(_ request: DeleteGroupRequest, _ call: CallContext) async throws -> Empty {
    let name = try GroupName(request.name, field: "name")
    let (service, administrator) = try await administrator(of: name.service, missing: .groupNotFound, call)
    let uses = try await triggers.uses(of: name.id, in: service, deadline: call.deadline)
    if !request.deactivate {
      try uses.refuse("triggers name this group; change them, or ask to deactivate the group with them")
    }
    try await agents.deleteGroup(
      name.id, of: service, deactivating: request.deactivate,
      triggers: TriggerStore.deactivating(uses, in: service.id, notice: "GROUP_GONE \(name)"), by: administrator,
      deadline: call.deadline)
    triggers.forget()
    return Empty()
  }

  /// Lists changes of accounts, rights, switches and memberships, newest first.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listPermissionChanges(
    _ request: ListPermissionChangesRequest, _ call: CallContext
  ) async throws -> ListPermissionChangesResponse {
    let organization: OrganizationID
    var service: ServiceRecord?
    if let parent = try ServiceName.optional(request.parent, field: "parent") {
      let (record, _) = try await administrator(of: parent.code, call)
      organization = record.organizationID
      service = record
    } else {
      organization = try await organizationAdministrator(call).organization
    }
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault,
      scope: "permissionChanges/\(organization)/\(request.parent)", key: ledger.key.pages)
    let found = try await agents.permissionChanges(
      of: organization, service: service?.id, before: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListPermissionChangesResponse(
      permissionChanges: shown.map(\.message),
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  private static func displayName(_ group: Group) throws(ServiceError) -> String {
    try CanonicalText.line(group.displayName, field: "group.display_name", charactersMax: nameCharactersMax)
  }

  private static func agentIDs(_ group: Group) throws(ServiceError) -> [AgentID] {
    var check = RequestCheck()
    check.require(group.agents.count <= agentsMax, "group.agents", "must name at most \(agentsMax) agents")
    var ids: [AgentID] = []
    for (index, text) in group.agents.prefix(agentsMax).enumerated() {
      let field = "group.agents[\(index)]"
      guard let name = check.value(field, { () throws(ServiceError) in try AgentName(text, field: field) }) else {
        continue
      }
      check.require(!ids.contains(name.id), field, "stands in the list already")
      ids.append(name.id)
    }
    try check.done()
    return ids
  }

  private func found(_ id: GroupID, _ service: ServiceRecord, _ call: CallContext) async throws -> Group {
    guard let group = try await agents.group(id, of: service, deadline: call.deadline) else {
      throw ServiceError(.groupNotFound)
    }
    return group
  }
}
