package import RPC

/// A row of a daemon's allow-list: who may call what.
package struct CallerRule: Sendable {
  let service: String
  let methods: Set<String>?
  let callers: Set<String>

  /// Lets `callers` call `methods` of `service`, a simple name such as `TicketService`; all methods when none is named.
  package init(_ service: String, _ methods: [String]? = nil, callers: [String]) {
    self.service = service
    self.methods = methods.map(Set.init)
    self.callers = Set(callers)
  }
}

/// Lets in the processes that prove their names, each to the methods that the allow-list gives it.
///
/// The name is the one in the caller's certificate. Tokens are for networks that encrypt by themselves, where there are
/// no certificates. gRPC health checks and server reflection are open to everyone who can connect. What no rule names
/// is refused.
package struct CallerAuthenticator: ServerInterceptor {
  private let tokens: CallerTokens?
  private let rules: [String: [CallerRule]]

  /// Admits callers to what `rules` name for them.
  ///
  /// - Parameter tokens: what proves a caller's name; nil when its certificate does, and nothing else then.
  package init(tokens: CallerTokens? = nil, rules: [CallerRule]) {
    self.tokens = tokens
    self.rules = Dictionary(grouping: rules, by: \.service)
  }

  /// Sets the call's caller.
  ///
  /// - Throws: CALLER_UNKNOWN without a proven name, CALLER_NOT_ALLOWED when no rule lets the caller in.
  package func admit(_ call: CallContext) throws {
    if call.path.hasPrefix("/grpc.health.") || call.path.hasPrefix("/grpc.reflection.") { return }
    let caller = if let tokens { try name(call, provenBy: tokens) } else { try certifiedName(call) }
    call.caller = caller
    let isAllowed = (rules[call.service] ?? []).contains { rule in
      rule.callers.contains(caller) && rule.methods?.contains(call.method) ?? true
    }
    guard isAllowed else { throw ServiceError(.callerNotAllowed, "\(call.path) is not for the caller \(caller)") }
  }

  private func certifiedName(_ call: CallContext) throws(ServiceError) -> String {
    guard let caller = call.certificate?.process else {
      throw ServiceError(
        .callerUnknown, "the caller's certificate is not for a name that ends in .\(CertifiedName.domain)")
    }
    return caller
  }

  private func name(_ call: CallContext, provenBy tokens: CallerTokens) throws(ServiceError) -> String {
    guard let caller = call.metadata[CallMetadata.caller], let token = call.metadata[CallMetadata.callerToken] else {
      throw ServiceError(
        .callerUnknown,
        "the caller did not say who it is; send \(CallMetadata.caller) and \(CallMetadata.callerToken)")
    }
    guard tokens.accepts(caller, token: token) else {
      throw ServiceError(.callerUnknown, "the caller's token is not the one of its name")
    }
    return caller
  }
}
