import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Most tickets of a service that an agent can have starred at a time.
  static let starsMax: Int64 = 5_000

  /// Stars a ticket for an agent; nothing happens when it is starred already.
  ///
  /// - Throws: LIMIT_REACHED when the agent has ``starsMax`` stars in the service.
  func star(_ ticket: TicketID, of service: ServiceID, by agent: AgentID, deadline: Deadline) async throws {
    if try await tryStar(ticket, of: service, by: agent, deadline: deadline) { return }
    // Nobody can take a star off a ticket that is gone.
    if try await removeStarsOfDeleted(in: service, by: agent, deadline: deadline) > 0,
      try await tryStar(ticket, of: service, by: agent, deadline: deadline)
    {
      return
    }
    throw ServiceError(.limitReached, "you have \(Self.starsMax) starred tickets in this service; unstar some first")
  }

  /// - Returns: false when the agent has all stars that can be.
  private func tryStar(
    _ ticket: TicketID, of service: ServiceID, by agent: AgentID, deadline: Deadline
  ) async throws -> Bool {
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        WITH held AS (
          SELECT count(*) AS count FROM ticket_star WHERE service_id = \(service) AND agent_id = \(agent)
        ), made AS (
          INSERT INTO ticket_star (service_id, agent_id, ticket_id)
          SELECT \(service), \(agent), \(ticket) FROM held WHERE held.count < \(Self.starsMax)
          ON CONFLICT DO NOTHING
        )
        SELECT count FROM held
        """, deadline: deadline)
    }
    return try rows[0].int64(0) < Self.starsMax
  }

  private func removeStarsOfDeleted(
    in service: ServiceID, by agent: AgentID, deadline: Deadline
  ) async throws -> Int {
    try await ServiceError.translating {
      try await pool.query(
        """
        DELETE FROM ticket_star AS s USING ticket AS t
        WHERE s.service_id = \(service) AND s.agent_id = \(agent)
          AND t.service_id = s.service_id AND t.id = s.ticket_id AND t.delete_time IS NOT NULL
        """, deadline: deadline
      ).affected
    }
  }

  /// Takes an agent's star off a ticket, if it is there.
  func unstar(_ ticket: TicketID, of service: ServiceID, by agent: AgentID, deadline: Deadline) async throws {
    _ = try await ServiceError.translating {
      try await pool.query(
        """
        DELETE FROM ticket_star
        WHERE service_id = \(service) AND agent_id = \(agent) AND ticket_id = \(ticket)
        """, deadline: deadline)
    }
  }

  /// Ids of the issue services of an organization, by the names people know.
  func issueServices(of organization: OrganizationID, deadline: Deadline) async throws -> [ServiceID] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT s.id FROM service AS s WHERE s.organization_id = \(organization) AND s.kind = 'ISSUE'
        ORDER BY s.display_name, s.id LIMIT 200
        """, deadline: deadline
      ).map { try $0.value(0) }
    }
  }
}
