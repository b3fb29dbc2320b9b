package import ServiceKit

/// Who did something, as events and entries keep it: a kind, and a name that is an id of ours and no person's name.
package struct LedgerActor: Hashable, Sendable {
  /// What kind of actor it is.
  package let kind: ActorKind
  /// `agents/7`, `services/care/triggers/3`, or a service's identity; empty for the customer and for Handoff itself.
  package let name: String

  /// Names an actor by its parts, as the database keeps them.
  package init(kind: ActorKind, name: String) {
    self.kind = kind
    self.name = name
  }

  /// An agent of the contact center.
  package static func agent(_ id: AgentID) -> LedgerActor {
    LedgerActor(kind: .agent, name: AgentName(id: id).description)
  }
  /// Another daemon or a company service, by its identity.
  package static func service(_ identity: String) -> LedgerActor { LedgerActor(kind: .service, name: identity) }
  /// A trigger.
  package static func trigger(_ name: TriggerName) -> LedgerActor {
    LedgerActor(kind: .trigger, name: name.description)
  }
  /// The customer of the ticket.
  package static let customer = LedgerActor(kind: .customer, name: "")
  /// Handoff itself.
  package static let system = LedgerActor(kind: .system, name: "")
  /// The Dooray! side of an escalated ticket.
  package static let dooray = LedgerActor(kind: .dooray, name: "")

  /// The agent, when it is one.
  package var agentID: AgentID? { kind == .agent ? AgentName(name)?.id : nil }
}
