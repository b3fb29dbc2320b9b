package import EventLoop
package import Postgres
import ServiceKit

/// What is known before a ticket is created.
package enum CreateOpening: Sendable {
  /// The request was carried out before; this is its answer.
  case done(Written)
  /// The ticket is to be created, with this id and with this time, which is the database's.
  case fresh(TicketID, at: Instant)
}

extension CreateOpening {
  /// Reads a row that begins with an id (``TicketLedger/nextTicketID``) and the database's time.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(fresh row: Row) throws(PostgresError) { self = .fresh(try row.value(0), at: try row.value(1)) }
}

extension TicketLedger {
  private static let opening: Query = "\(fragment: nextTicketID), clock_timestamp()"

  /// Asks for the ticket's id, for the database's time and for an earlier request of the same id, in one round trip; a
  /// service does it beside its own reads, so that creating is one further round trip.
  ///
  /// - Throws: REQUEST_ID_REUSED when the id was used for another request.
  package func open(_ claim: IdempotencyClaim?, deadline: Deadline) async throws -> CreateOpening {
    guard let claim else {
      let rows = try await ServiceError.translating {
        try await pool.query("SELECT \(fragment: Self.opening)", deadline: deadline)
      }
      return try CreateOpening(fresh: rows[0])
    }
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: Self.opening), \(fragment: IdempotencyRecord.columns)
        \(fragment: IdempotencyRecord.found(by: claim))
        """, deadline: deadline)
    }
    guard let record = try IdempotencyRecord(rows[0], at: 2) else {
      return try CreateOpening(fresh: rows[0])
    }
    return .done(
      try await answer(record, to: claim, seen: nil) { try await self.pool.query($0, deadline: deadline) })
  }

  /// Creates a ticket: one statement, one round trip when the opening was asked for before. Tickets that come at the
  /// same moment share the statement, unless something of the caller's own is to be written with one.
  ///
  /// The lifecycle table decides the draft's state beforehand. A repeated request is answered with its first ticket.
  ///
  /// - Throws: REQUEST_ID_REUSED; GROUP_NOT_FOUND, TYPE_NOT_FOUND, AGENT_NOT_FOUND, CUSTOMER_NOT_FOUND or
  ///   FIELD_NOT_FOUND when what the draft points to is gone.
  package func create(
    _ draft: TicketDraft, opening: CreateOpening? = nil, deadline: Deadline
  ) async throws -> Written {
    let (id, time): (TicketID, Instant)
    switch try await ready(opening, draft.idempotency, deadline) {
    case .done(let written): return written
    case .fresh(let next, let now): (id, time) = (next, draft.time ?? now)
    }
    let missing = draft.event.entries.count { $0.id == nil }
    let entryIDs = try await newEntryIDs(missing, deadline: deadline)
    let plan = ChangePlan(creating: draft, id: id, at: time, entryIDs: entryIDs, key: key)
    let resultIDs = plan.entries.map(\.id.rawValue)
    do {
      if draft.companions.isEmpty, draft.attachments.isEmpty, !draft.isBesideMasks {
        try await write(Creation(plan: plan, claim: draft.idempotency, resultIDs: resultIDs), deadline: deadline)
      } else {
        let statement = plan.insertStatement(draft.idempotency, resultIDs: resultIDs, attachments: draft.attachments)
        if draft.companions.isEmpty {
          _ = try await pool.query(statement, deadline: deadline)
        } else {
          _ = try await pool.transactionBatch([statement] + draft.companions, deadline: deadline)
        }
      }
    } catch let error as PostgresError {
      // What a companion needed was taken by somebody else meanwhile.
      if error.isLostRace { throw ServiceError(.conflict, cause: error) }
      guard error.isClaimed, let claim = draft.idempotency else { throw ServiceError(postgres: error) }
      // The same request was carried out while this one was on its way.
      guard case .done(let written) = try await open(claim, deadline: deadline) else {
        throw ServiceError(.conflict, cause: error)
      }
      return written
    }
    hints.announce(plan.outbox.map(\.topic).filter { $0 != draft.topicDoneAtOnce })
    return written(plan, resultIDs)
  }

  /// The statement that creates a ticket, to be a companion of the change that it follows from: both are written or
  /// neither. The change's ``TicketChange/companionTopics`` take the draft's topics.
  ///
  /// - Parameters:
  ///   - time: when it is received.
  ///   - id: its id, taken beforehand with ``newTicketID(deadline:)``, because the change refers to it.
  /// - Returns: the statement, and the ids of the entries that the draft makes.
  /// - Throws: the database's errors as ``ServiceError``.
  package func companion(
    creating draft: TicketDraft, id: TicketID, at time: Instant, deadline: Deadline
  ) async throws -> (statement: Query, entryIDs: [EntryID]) {
    precondition(
      draft.companions.isEmpty && draft.idempotency == nil, "a companion with companions or a claim of its own")
    let missing = draft.event.entries.count { $0.id == nil }
    let entryIDs = try await newEntryIDs(missing, deadline: deadline)
    let plan = ChangePlan(creating: draft, id: id, at: time, entryIDs: entryIDs, key: key)
    return (plan.insertStatement(nil, resultIDs: [], attachments: draft.attachments), plan.entries.map(\.id))
  }

  private func ready(
    _ opening: CreateOpening?, _ claim: IdempotencyClaim?, _ deadline: Deadline
  ) async throws -> CreateOpening {
    if let opening { return opening }
    return try await open(claim, deadline: deadline)
  }
}

extension TicketRecord {
  /// The ticket that a draft is to become, without events and entries.
  init(_ draft: TicketDraft, id: TicketID, at time: Instant) {
    serviceID = draft.service.id
    self.id = id
    state = draft.state
    version = 1
    groupID = draft.groupID
    agentID = draft.agentID
    priority = draft.priority
    channel = draft.channel
    language = draft.language
    title = draft.title
    submissionTypeID = draft.submissionTypeID
    processingTypeID = nil
    internalReason = nil
    isSpam = false
    stateBeforeSpam = nil
    organizationID = draft.service.organizationID
    customerID = draft.customer.id
    customerName = draft.customer.name
    customerEmail = draft.customer.email
    customerPhone = draft.customer.phone
    customerUserCode = draft.customer.userCode
    hasPrivacyConsent = draft.hasPrivacyConsent
    creatorAgentID = draft.event.actor.agentID
    source = draft.source
    target = nil
    escalatedTo = nil
    previousID = draft.previousID
    callBack = draft.callBack
    deleteTime = nil
    entryCount = 0
    eventCount = 0
    eventHash = EventChain.genesis
    eventSeal = []
    createTime = time
    updateTime = time
    resolveTime = nil
    completeTime = nil
    readTime = time
    maskGeneration = draft.isBesideMasks ? 1 : 0
  }
}
