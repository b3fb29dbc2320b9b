import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// The order to release the tickets that an agent who has left a service holds there.
struct Departure: Sendable {
  let service: ServiceID
  let agent: AgentID
  /// The group that takes the tickets over; nil: each keeps its own.
  let group: GroupID?
  /// Who decided it.
  let actor: LedgerActor

  /// Writes the order down.
  var statement: Query {
    """
    INSERT INTO agent_departure (service_id, agent_id, group_id, actor_kind, actor_name)
    VALUES (\(service), \(agent), \(group), \(actor.kind), \(actor.name))
    """
  }
}

/// What was chosen to become of held tickets.
enum HeldTicketsChoice: CaseIterable, Sendable {
  case keep
  case unassign
  case handToGroup
}
