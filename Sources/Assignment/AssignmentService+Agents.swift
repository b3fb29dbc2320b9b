package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension AssignmentService {
  /// Longest e-mail address, in bytes (RFC 5321 4.5.3.1.3, less the angle brackets).
  private static let pageSizeDefault = 50

  /// Checks an agent's e-mail and password, and says who that is. It takes the same time whether or not there is such
  /// an agent.
  ///
  /// - Throws: SIGN_IN_FAILED whatever is wrong; REQUEST_INVALID; TOO_MANY_REQUESTS when too many wait to be checked.
  package func verifyCredential(_ request: VerifyCredentialRequest, _ call: CallContext) async throws -> Agent {
    var check = RequestCheck()
    check.require(
      (1...EmailAddress.bytesMax).contains(request.email.utf8.count), "email",
      "must have 1 to \(EmailAddress.bytesMax) bytes"
    )
    check.require(
      (1...PasswordCheck.passwordBytesMax).contains(request.password.utf8.count), "password",
      "must have 1 to \(PasswordCheck.passwordBytesMax) bytes")
    try check.done()
    let account = try await agents.account(email: request.email, deadline: call.deadline)
    let isRight = try await passwords.verify(request.password, against: account?.passwordHash)
    guard let account, isRight, account.isActive,
      let agent = try await agents.agent(account.agentID, seenBy: nil, deadline: call.deadline)
    else { throw ServiceError(.signInFailed) }
    if let hash = account.passwordHash, let renewed = await passwords.renewed(hash, for: request.password) {
      // The old hash is as good for the next sign-in, which tries again.
      try? await agents.replace(hash, with: renewed, of: account.agentID, deadline: call.deadline)
    }
    return agent
  }

  /// Returns an agent; agents see themselves, and of others those with whom they share a service, and those services.
  ///
  /// - Throws: AGENT_NOT_FOUND.
  package func getAgent(_ request: GetAgentRequest, _ call: CallContext) async throws -> Agent {
    let name = try AgentName(request.name, field: "name")
    let viewer = try call.actor().agentID
    let agent = try await agents.agent(
      name.id, seenBy: viewer == name.id ? nil : viewer, deadline: call.deadline)
    guard let agent, viewer == nil || viewer == name.id || !agent.memberships.isEmpty else {
      throw ServiceError(.agentNotFound)
    }
    return agent
  }

  /// Lists the members of a service, by name.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listMembers(_ request: ListMembersRequest, _ call: CallContext) async throws -> ListMembersResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await ledger.access(call, serviceCode: parent.code).service
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault, scope: "members/\(service.id)",
      key: ledger.key.pages)
    let found = try await agents.members(
      of: service.id, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListMembersResponse(
      members: shown.map(\.message),
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  /// Lists the groups of a service, by name.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listGroups(_ request: ListGroupsRequest, _ call: CallContext) async throws -> ListGroupsResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await ledger.access(call, serviceCode: parent.code).service
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault, scope: "groups/\(service.id)",
      key: ledger.key.pages)
    let found = try await agents.groups(of: service, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListGroupsResponse(
      groups: shown.map(\.message), nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : ""
    )
  }
}
