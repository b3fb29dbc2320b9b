package import HandoffAPI
import Postgres
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Accounts: what administrators of an organization do, and agents with their own passwords.
extension AssignmentService {
  private static let nameCharactersMax = 100
  private static let pageSizeDefault = 50
  private static let passwordBytes = 8...PasswordCheck.passwordBytesMax
  private static let accountFields = ["display_name", "email", "organization_administrator"]

  /// Creates an agent in the caller's organization.
  ///
  /// - Throws: ALREADY_EXISTS, REQUEST_INVALID, PERMISSION_DENIED, TOO_MANY_REQUESTS.
  package func createAgent(_ request: CreateAgentRequest, _ call: CallContext) async throws -> Agent {
    let administrator = try await organizationAdministrator(call)
    guard let wanted = request.agent else { throw ServiceError.invalid("agent", "is missing") }
    var check = RequestCheck()
    let displayName = check.value("agent.display_name") { () throws(ServiceError) in try Self.displayName(wanted) }
    let email = check.value("agent.email") { () throws(ServiceError) in try Self.email(wanted) }
    if !request.password.isEmpty { Self.checkPassword(request.password, "password", &check) }
    try check.done()
    let hash = request.password.isEmpty ? nil : try await passwords.hash(request.password)
    let fields = AccountFields(
      email: email ?? "", displayName: displayName ?? "", isAdministrator: wanted.organizationAdministrator)
    let id = try await agents.createAgent(fields, passwordHash: hash, by: administrator, deadline: call.deadline)
    return try await found(id, call)
  }

  /// Lists the agents of the caller's organization, by name.
  ///
  /// - Throws: PERMISSION_DENIED, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listAgents(_ request: ListAgentsRequest, _ call: CallContext) async throws -> ListAgentsResponse {
    let administrator = try await organizationAdministrator(call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault,
      scope: "agents/\(administrator.organization)", key: ledger.key.pages)
    let found = try await agents.agents(
      of: administrator.organization, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListAgentsResponse(
      agents: shown.map(\.message), nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : ""
    )
  }

  /// Changes an agent's account.
  ///
  /// - Throws: AGENT_NOT_FOUND, ALREADY_EXISTS, IN_USE, REQUEST_INVALID, PERMISSION_DENIED.
  package func updateAgent(_ request: UpdateAgentRequest, _ call: CallContext) async throws -> Agent {
    let administrator = try await organizationAdministrator(call)
    let wanted = request.agent ?? Agent()
    let name = try AgentName(wanted.name, field: "agent.name")
    let mask = try UpdateMask(request.updateMask, of: Self.accountFields)
    try await agents.updateAgent(name.id, by: administrator, deadline: call.deadline) { fields throws(ServiceError) in
      if mask.has("display_name") { fields.displayName = try Self.displayName(wanted) }
      if mask.has("email") { fields.email = try Self.email(wanted) }
      if mask.has("organization_administrator") { fields.isAdministrator = wanted.organizationAdministrator }
    }
    return try await found(name.id, call)
  }

  /// Deactivates an agent, and orders what is to become of held tickets.
  ///
  /// - Throws: AGENT_NOT_FOUND, GROUP_NOT_FOUND, IN_USE, REQUEST_INVALID, PERMISSION_DENIED.
  package func deactivateAgent(_ request: DeactivateAgentRequest, _ call: CallContext) async throws -> Agent {
    let administrator = try await organizationAdministrator(call)
    let name = try AgentName(request.name, field: "name")
    let (choice, groups) = try Self.held(request.heldTickets)
    var departures: [Departure] = []
    var statements: [Query] = []
    for id in try await agents.services(of: name.id, deadline: call.deadline) {
      let service = try await ledger.directory.service(id: id, deadline: call.deadline)
      // Of another organization's agent nothing is told; the store refuses it below.
      guard service.organizationID == administrator.organization else { continue }
      let departure = try await departure(name.id, service, choice, groups, administrator, call)
      departures += [departure].compactMap { $0 }
      statements += try await leaving(name.id, service, deactivating: request.deactivateTriggers, call)
    }
    try await agents.setActive(
      false, name.id, departures: departures, triggers: statements, by: administrator, deadline: call.deadline)
    triggers.forget()
    return try await found(name.id, call)
  }

  /// Brings an agent back, with the memberships of before.
  ///
  /// - Throws: AGENT_NOT_FOUND, PERMISSION_DENIED.
  package func activateAgent(_ request: ActivateAgentRequest, _ call: CallContext) async throws -> Agent {
    let administrator = try await organizationAdministrator(call)
    let name = try AgentName(request.name, field: "name")
    try await agents.setActive(true, name.id, by: administrator, deadline: call.deadline)
    triggers.forget()
    return try await found(name.id, call)
  }

  /// Gives an agent a new password.
  ///
  /// - Throws: AGENT_NOT_FOUND, REQUEST_INVALID, PERMISSION_DENIED, TOO_MANY_REQUESTS.
  package func setPassword(_ request: SetPasswordRequest, _ call: CallContext) async throws -> Empty {
    let administrator = try await organizationAdministrator(call)
    let name = try AgentName(request.name, field: "name")
    var check = RequestCheck()
    Self.checkPassword(request.password, "password", &check)
    try check.done()
    let hash = try await passwords.hash(request.password)
    try await agents.setPassword(hash, of: name.id, by: administrator, deadline: call.deadline)
    return Empty()
  }

  /// Changes the caller's own password; the sessions that are open end.
  ///
  /// - Throws: SIGN_IN_FAILED, REQUEST_INVALID, PERMISSION_DENIED, TOO_MANY_REQUESTS.
  package func changePassword(_ request: ChangePasswordRequest, _ call: CallContext) async throws -> Empty {
    let name = try AgentName(request.name, field: "name")
    guard try call.agent() == name.id else {
      throw ServiceError(.permissionDenied, "only agents themselves change a password; administrators set a new one")
    }
    var check = RequestCheck()
    check.require(
      (1...PasswordCheck.passwordBytesMax).contains(request.currentPassword.utf8.count), "current_password",
      "must have 1 to \(PasswordCheck.passwordBytesMax) bytes")
    Self.checkPassword(request.newPassword, "new_password", &check)
    try check.done()
    guard let own = try await agents.ownAccount(name.id, deadline: call.deadline),
      try await passwords.verify(request.currentPassword, against: own.hash)
    else { throw ServiceError(.signInFailed, "the current password is wrong") }
    let hash = try await passwords.hash(request.newPassword)
    try await agents.setPassword(hash, of: name.id, by: own.1, deadline: call.deadline)
    return Empty()
  }

  /// The calling administrator of an organization.
  ///
  /// - Throws: PERMISSION_DENIED.
  func organizationAdministrator(_ call: CallContext) async throws -> Administrator {
    let agent = try call.agent()
    guard let found = try await agents.organizationAdministrator(agent, deadline: call.deadline) else {
      throw ServiceError(.permissionDenied, "only administrators of the organization can do this")
    }
    return found
  }

  private func found(_ id: AgentID, _ call: CallContext) async throws -> Agent {
    guard let agent = try await agents.agent(id, seenBy: nil, deadline: call.deadline) else {
      throw ServiceError(.agentNotFound)
    }
    return agent
  }

  private static func displayName(_ agent: Agent) throws(ServiceError) -> String {
    try CanonicalText.line(agent.displayName, field: "agent.display_name", charactersMax: nameCharactersMax)
  }

  private static func email(_ agent: Agent) throws(ServiceError) -> String {
    try EmailAddress.checked(agent.email, field: "agent.email")
  }

  private static func checkPassword(_ password: String, _ field: String, _ check: inout RequestCheck) {
    check.require(
      passwordBytes.contains(password.utf8.count), field,
      "must have \(passwordBytes.lowerBound) to \(passwordBytes.upperBound) bytes")
  }
}
