package import EventLoop
import Postgres
package import RPC
package import ServiceKit
package import TicketLedger

/// Has the tokens and keys of Dooray! sealed anew when masking has got another key, also those that nobody uses.
package struct DooraySealUpkeep: Sendable {
  private let store: DoorayStore
  private let rotation: SecretRotation
  private let waiting: OldSealCount
  private let log: Logger

  /// Works on the daemon's database through masking.
  package init(ledger: TicketLedger, masking: any RPCTransport, log: Logger, metrics: Metrics) {
    store = DoorayStore(pool: ledger.pool)
    rotation = SecretRotation(masking: masking)
    self.log = log
    waiting = OldSealCount(
      metrics, daemon: "tickets", "Tokens and keys of Dooray! that another key than masking's current one seals.")
  }

  /// Looks at all of them once.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; the database's errors.
  package func run(deadline: Deadline) async throws {
    waiting.set(
      Int64(
        try await rotation.run(deadline: deadline) { key, deadline in
          try await store.oldSeals(butOf: key, deadline: deadline)
        }))
  }

  /// Works until the returned closure is called.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          try await run(deadline: .after(.seconds(60)))
        } catch {
          if Task.isCancelled { return }
          log.warning("dooray.seals_failed", ["cause": .string(String(describing: error))])
        }
        do { try await loop.sleep(for: SecretRotation.interval) } catch { return }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }
}

extension DoorayStore {
  /// Tokens and keys that another key of masking's than this one seals.
  func oldSeals(butOf key: String, deadline: Deadline) async throws -> [SecretRotation.OldSeal] {
    try await query(
      """
      SELECT o.service_id, s.code, o.id, o.dooray_id, NULL::bigint, o.sealed_token
      FROM dooray_organization AS o JOIN service AS s ON s.id = o.service_id
      WHERE \(fragment: SealForm.keyID(of: "o.sealed_token")) <> \(key)
      UNION ALL
      SELECT o.service_id, s.code, o.id, o.dooray_id, k.agent_id, k.sealed_key
      FROM dooray_user_key AS k JOIN service AS s ON s.id = k.service_id
        JOIN dooray_organization AS o ON o.service_id = k.service_id AND o.id = k.organization_id
      WHERE \(fragment: SealForm.keyID(of: "k.sealed_key")) <> \(key)
      """, deadline
    ).map { row in
      let (service, id): (ServiceID, DoorayOrganizationID) = (try row.value(0), try row.value(2))
      let (code, doorayID, sealed) = (try row.string(1), try row.string(3), try row.bytes(5))
      let agent: AgentID? = try row.value(4)
      let owner: DooraySecrets.Owner =
        if let agent { .agent(agent, in: doorayID, of: code) } else { .organization(doorayID, of: code) }
      return SecretRotation.OldSeal(name: owner.name, sealed: sealed) { new, deadline in
        try await replace(sealed, with: new, of: agent, to: id, of: service, deadline: deadline)
      }
    }
  }

  /// Stores a token (of no agent) or a key that was sealed anew, unless another one was entered meanwhile.
  private func replace(
    _ old: [UInt8], with new: [UInt8], of agent: AgentID?, to organization: DoorayOrganizationID,
    of service: ServiceID, deadline: Deadline
  ) async throws {
    let statement: Query =
      if let agent {
        """
        UPDATE dooray_user_key SET sealed_key = \(new)
        WHERE service_id = \(service) AND organization_id = \(organization) AND agent_id = \(agent)
          AND sealed_key = \(old)
        """
      } else {
        """
        UPDATE dooray_organization SET sealed_token = \(new)
        WHERE service_id = \(service) AND id = \(organization) AND sealed_token = \(old)
        """
      }
    _ = try await query(statement, deadline)
  }
}
