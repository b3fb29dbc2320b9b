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
/// The name is the one in the caller's certificate. gRPC health checks and server reflection are open to everyone who
/// can connect. What no rule names is refused.
package struct CallerAuthenticator: ServerInterceptor {
  private let rules: [String: [CallerRule]]

  /// Admits callers to what `rules` name for them.
  package init(rules: [CallerRule]) {
    self.rules = Dictionary(grouping: rules, by: \.service)
  }

  /// Sets the call's caller.
  ///
  /// - Throws: CALLER_UNKNOWN without a proven name, CALLER_NOT_ALLOWED when no rule lets the caller in.
  package func admit(_ call: CallContext) throws {
    if call.path.hasPrefix("/grpc.health.") || call.path.hasPrefix("/grpc.reflection.") { return }
    let caller = try certifiedName(call)
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
}
