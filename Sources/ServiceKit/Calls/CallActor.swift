package import RPC

/// The database id of an agent.
package struct AgentID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The key of the agent's row in the database.
  package let rawValue: Int64

  /// Takes any number; whether there is such an agent is for the database to say.
  package init(rawValue: Int64) { self.rawValue = rawValue }

  /// Takes any number.
  package init(_ rawValue: Int64) { self.rawValue = rawValue }

  /// The decimal number.
  package var description: String { String(rawValue) }

  /// Orders by number.
  package static func < (left: AgentID, right: AgentID) -> Bool { left.rawValue < right.rawValue }
}

/// On whose behalf a call is made: what is recorded as the actor of a change.
package enum CallActor: Sendable, Hashable {
  /// An agent, for whom the gateway speaks.
  case agent(AgentID)
  /// A customer, for whom a program of the contact center speaks, such as a help center: with the account of an agent,
  /// whose rights hold, but in the customer's words.
  case customer(through: AgentID)
  /// A daemon or another service that acts for itself, by its caller name.
  case service(String)

  /// The agent whose rights hold; nil: a service acts for itself.
  package var agentID: AgentID? {
    switch self {
    case .agent(let id), .customer(through: let id): id
    case .service: nil
    }
  }
}

extension CallContext {
  /// Who acts, as the authenticated caller says it.
  ///
  /// - Throws: CALLER_UNKNOWN without an authenticated caller; CALLER_NOT_ALLOWED when a caller names an agent and
  ///   may not speak for one; REQUEST_INVALID when the agent's id is not a number.
  package func actor() throws(ServiceError) -> CallActor {
    guard let caller else { throw ServiceError(.callerUnknown) }
    guard let text = metadata[CallMetadata.agent] else { return .service(caller) }
    guard CallMetadata.agentSpeakers.contains(caller) else {
      throw ServiceError(.callerNotAllowed, "\(caller) may not speak for an agent; leave \(CallMetadata.agent) out")
    }
    guard let id = Int64(text), id > 0 else {
      throw .invalid(CallMetadata.agent, "is not the decimal id of an agent")
    }
    return metadata[CallMetadata.customer] == nil ? .agent(AgentID(id)) : .customer(through: AgentID(id))
  }

  /// The agent on whose behalf the call is made, for acts that only agents do.
  ///
  /// - Throws: as `actor()`, and PERMISSION_DENIED when a service acts for itself or for a customer.
  package func agent() throws(ServiceError) -> AgentID {
    guard case .agent(let id) = try actor() else {
      throw ServiceError(.permissionDenied, "only an agent can do this; call through the gateway")
    }
    return id
  }
}

extension CallOptions {
  /// Says on whose behalf the call is made; believed only from the gateway.
  package mutating func speak(for agent: AgentID) {
    metadata.replace(CallMetadata.agent, String(agent.rawValue))
  }

  /// Says that the agent's program speaks for a customer; believed only from the gateway.
  package mutating func speakForCustomer() { metadata.replace(CallMetadata.customer, "1") }
}

/// Metadata that daemons send one another.
package enum CallMetadata {
  /// The id of the agent on whose behalf the call is made.
  package static let agent = "handoff-agent"
  /// Says that the agent's program speaks for a customer.
  package static let customer = "handoff-customer"
  /// Callers that may name an agent.
  package static let agentSpeakers: Set<String> = ["gateway"]
}
