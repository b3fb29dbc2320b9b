package import EventLoop
package import Postgres
package import ServiceKit

extension TicketLedger {
  /// Reads a ticket, lets the caller decide, and writes what it decided: the whole of an act.
  ///
  /// A repeated request is answered before anything is decided. When the ticket changes between reading and writing, it
  /// is read and decided again, three times at most; a caller who named a version is told instead.
  ///
  /// - Parameters:
  ///   - version: the version that the caller saw; 0: whatever it is now.
  ///   - decide: sees the ticket as it is; may be called several times, and must have no effect of its own.
  /// - Throws: TICKET_NOT_FOUND, STALE_VERSION, REQUEST_ID_REUSED, CONFLICT when others were always faster, and what
  ///   `decide` throws.
  package func perform(
    on name: TicketName, access: Access, version: Int64 = 0, idempotency: IdempotencyClaim? = nil,
    deadline: Deadline, decide: (TicketRecord) async throws -> TicketChange
  ) async throws -> Written {
    guard name.service == access.service.code else { throw ServiceError(.ticketNotFound) }
    return try await perform(
      on: name.id, of: access.service.id, seenBy: access.member?.agentID, version: version, idempotency: idempotency,
      deadline: deadline, decide: decide)
  }

  /// Performs an act on a ticket known by its ids; see ``perform(on:access:version:idempotency:deadline:decide:)``.
  package func perform(
    on id: TicketID, of service: ServiceID, seenBy viewer: AgentID? = nil, version: Int64 = 0,
    idempotency: IdempotencyClaim? = nil, deadline: Deadline, decide: (TicketRecord) async throws -> TicketChange
  ) async throws -> Written {
    let run = { (query: Query) in try await self.pool.lookUp(query, deadline: deadline) }
    for _ in 0..<Self.attemptsMax {
      guard let reading = try await read(id, of: service, seenBy: viewer, claim: idempotency, run) else {
        throw ServiceError(.ticketNotFound)
      }
      if let earlier = reading.earlier, let idempotency {
        return try await answer(earlier, to: idempotency, seen: reading.ticket, run)
      }
      var change = try await decided(on: reading.ticket, version, deadline, decide)
      change.idempotency = idempotency
      if let written = try await attempt(change, on: reading.ticket, deadline: deadline) { return written }
    }
    throw ServiceError(.conflict)
  }

  /// Performs an act on a ticket that was read a moment ago; it is read again only when it is not as it was, or the
  /// request was carried out before. See ``perform(on:access:version:idempotency:deadline:decide:)``.
  package func perform(
    on ticket: TicketRecord, idempotency: IdempotencyClaim? = nil, deadline: Deadline,
    decide: (TicketRecord) async throws -> TicketChange
  ) async throws -> Written {
    var change = try await decide(ticket)
    change.idempotency = idempotency
    if let written = try await attempt(change, on: ticket, deadline: deadline) { return written }
    return try await perform(
      on: ticket.id, of: ticket.serviceID, idempotency: idempotency, deadline: deadline, decide: decide)
  }

  /// What the caller decides, once the version is the one that they saw; a stale one is told what has changed since.
  private func decided(
    on ticket: TicketRecord, _ version: Int64, _ deadline: Deadline,
    _ decide: (TicketRecord) async throws -> TicketChange
  ) async throws -> TicketChange {
    do {
      try ticket.require(version: version)
      return try await decide(ticket)
    } catch let error as ServiceError where error.reason == .staleVersion {
      let seen = error.metadata["seen_version"].flatMap { Int64($0) } ?? version
      throw try await explained(error, on: ticket, since: seen, deadline: deadline)
    }
  }

  /// Writes a change of a ticket that was read before.
  ///
  /// When only events were added meanwhile that change nothing people see, the change is written behind them.
  ///
  /// - Throws: STALE_VERSION when the ticket was changed meanwhile; TICKET_NOT_FOUND; REQUEST_ID_REUSED; CONFLICT.
  package func write(
    _ change: TicketChange, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> Written {
    let run = { (query: Query) in try await self.pool.lookUp(query, deadline: deadline) }
    var ticket = ticket
    for _ in 0..<Self.attemptsMax {
      if let written = try await attempt(change, on: ticket, deadline: deadline) { return written }
      guard let reading = try await read(ticket.id, of: ticket.serviceID, claim: change.idempotency, run) else {
        throw ServiceError(.ticketNotFound)
      }
      if let earlier = reading.earlier, let claim = change.idempotency {
        return try await answer(earlier, to: claim, seen: reading.ticket, run)
      }
      // Words that were searched for masked ones before a mask was made are to be searched anew, by who brings them.
      let isOutdated = reading.ticket.maskGeneration != ticket.maskGeneration && !change.isSilent
      guard reading.ticket.version == ticket.version, !isOutdated else {
        throw try await explained(
          reading.ticket.stale(seen: ticket.version), on: reading.ticket, since: ticket.version, deadline: deadline)
      }
      ticket = reading.ticket
    }
    throw ServiceError(.conflict)
  }

  /// Writes a change inside a caller's transaction; the caller's other statements are committed with it or not at all.
  ///
  /// Nothing is retried, and a repeated request is not looked for beforehand:
  /// ``perform(on:access:version:idempotency:deadline:decide:)`` with companions does both. The caller ends the
  /// transaction by throwing on any error, and announces the change's work (``announce(_:)``) after the commit.
  ///
  /// - Throws: STALE_VERSION when the ticket was changed meanwhile; TICKET_NOT_FOUND; CONFLICT when the same request is
  ///   being carried out elsewhere.
  package func write(
    _ change: TicketChange, on ticket: TicketRecord, in transaction: PostgresTransaction, deadline: Deadline
  ) async throws -> Written {
    let prepared = try await prepare(change, on: ticket, deadline: deadline)
    do {
      if let written = prepared.written(try await transaction.query(prepared.statement)) { return written }
    } catch let error as PostgresError {
      throw error.isClaimed ? ServiceError(.conflict, cause: error) : ServiceError(postgres: error)
    }
    guard let current = try await read(ticket.id, of: ticket.serviceID, claim: nil, { try await transaction.query($0) })
    else { throw ServiceError(.ticketNotFound) }
    throw current.ticket.version == ticket.version
      ? ServiceError(.conflict) : current.ticket.stale(seen: ticket.version)
  }

  /// The statement that writes a change of another ticket, to be a companion of the change that it follows from: both
  /// are written or neither, and when either ticket was changed meanwhile,
  /// ``perform(on:access:version:idempotency:deadline:decide:)`` decides again.
  ///
  /// - Parameter ticket: the other ticket as it was read while deciding.
  /// - Throws: the database's errors as ``ServiceError``.
  package func companion(
    _ change: TicketChange, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> Query {
    precondition(
      change.companions.isEmpty && change.idempotency == nil, "a companion with companions or a claim of its own")
    let (plan, _) = try await plan(change, on: ticket, deadline: deadline)
    return plan.updateStatement(
      nil, resultIDs: [], isSilent: change.isSilent, onLostRace: .failure, guards: change.allGuards,
      attachments: change.allAttachments(of: plan))
  }

  /// Tries once; nil when the ticket is not as it was read, or the request is being carried out elsewhere.
  private func attempt(
    _ change: TicketChange, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> Written? {
    let (plan, resultIDs) = try await plan(change, on: ticket, deadline: deadline)
    let statement = plan.updateStatement(
      change.idempotency, resultIDs: resultIDs, isSilent: change.isSilent,
      onLostRace: change.companions.isEmpty ? .noRow : .failure, guards: change.allGuards,
      attachments: change.allAttachments(of: plan))
    do {
      if change.companions.isEmpty {
        guard !(try await pool.query(statement, deadline: deadline)).isEmpty else { return nil }
      } else {
        _ = try await pool.transactionBatch([statement] + change.companions, deadline: deadline)
      }
    } catch let error as PostgresError {
      guard error.isClaimed || error.isLostRace else { throw ServiceError(postgres: error) }
      return nil
    }
    hints.announce(plan.outbox.map(\.topic) + change.companionTopics)
    return written(plan, resultIDs)
  }

  func plan(
    _ change: TicketChange, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> (ChangePlan, resultIDs: [Int64]) {
    let missing = change.events.reduce(0) { sum, event in sum + event.entries.count { $0.id == nil } }
    let ids = try await newEntryIDs(missing, deadline: deadline)
    let plan = ChangePlan(change, on: ticket, entryIDs: ids, key: key)
    return (plan, change.resultIDs ?? plan.entries.map(\.id.rawValue))
  }

  func written(_ plan: ChangePlan, _ resultIDs: [Int64]) -> Written {
    Written(
      ticket: plan.after, eventSequence: plan.before.eventCount + 1, resultIDs: resultIDs, isRepeat: false,
      topics: plan.outbox.map(\.topic))
  }
}

extension PostgresError {
  /// Whether another request has taken the request id.
  var isClaimed: Bool { violates("idempotency_key_pkey") }
}
