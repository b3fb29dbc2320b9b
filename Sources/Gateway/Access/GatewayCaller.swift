package import ServiceKit

/// Who calls, and by what.
package struct GatewayCaller: Sendable, Equatable {
  /// What the caller showed.
  package enum Credential: Sendable, Equatable {
    /// The token of a session.
    case session(Int64)
    /// The token of a key, which may do what its scopes say.
    case key(Int64, scopes: Set<Scope>)
  }

  /// The agent who acts.
  package let agent: AgentID
  /// By what.
  package let credential: Credential

  /// The credential's resource name: `sessions/{id}` or `apiKeys/{id}`.
  package var credentialName: String {
    switch credential {
    case .session(let id): "sessions/\(id)"
    case .key(let id, _): "apiKeys/\(id)"
    }
  }

  /// Checks that a key is for a method.
  ///
  /// - Throws: PERMISSION_DENIED that names the scopes of which it needs one.
  func check(_ route: Route) throws(ServiceError) {
    guard case .key(_, let scopes) = credential else { return }
    let sufficient = route.scopes
    guard !sufficient.isEmpty else {
      throw ServiceError(.permissionDenied, "this is for people who sign in, not for API keys")
    }
    guard scopes.isDisjoint(with: sufficient) else { return }
    let names = sufficient.map(\.rawValue).joined(separator: " or ")
    throw ServiceError(
      .permissionDenied, "this API key lacks the scope \(names); make one that has it",
      metadata: ["scopes": sufficient.map(\.rawValue).joined(separator: ",")])
  }
  /// What holds for the caller in a method that is open to it in part; nil: all of it is.
  func limit(of route: Route) -> ScopeLimit? {
    guard case .key(_, let scopes) = credential else { return nil }
    return Scope.limit(of: route, for: scopes)
  }
}
