import EventLoop
package import HandoffAPI
import Protobuf
package import RPC
package import ServiceKit
package import TicketLedger

/// The life of tickets: creation, history, processing, lists and counters.
package struct TicketService: TicketServiceProvider {
  let ledger: TicketLedger
  let store: TicketStore
  let batches: BatchStore
  let fields: FieldCatalogs
  let pages: TicketPages
  let mail: MailServiceClient
  let assignment: AssignmentServiceClient
  let masking: MaskingServiceClient?
  let triggerPatience: Duration
  let live: LiveChanges
  let dooray: DoorayLink

  /// Serves the ledger's tickets.
  ///
  /// - Parameters:
  ///   - mail: the way to MailService, without which nothing is resolved or held.
  ///   - assignment: the way to AssignmentService; when it is out of reach, triggers run later.
  ///   - masking: the way to MaskingService, without which inquiries with personal data are refused where a service
  ///   wants that masked on arrival.
  ///   - triggerPatience: how long a creation waits for the triggers; they run anyway, its answer just does not show
  ///   it.
  ///   - dooray: the way to Dooray!; nil: nobody is called there.
  ///   - log: for what nobody is answered with.
  package init(
    ledger: TicketLedger, mail: any RPCTransport, assignment: any RPCTransport,
    masking: (any RPCTransport)? = nil, triggerPatience: Duration = .seconds(1), live: LiveChanges? = nil,
    dooray: DoorayClient? = nil, log: Logger? = nil
  ) {
    self.ledger = ledger
    store = TicketStore(pool: ledger.pool)
    batches = BatchStore(pool: ledger.pool)
    fields = FieldCatalogs(store: store)
    pages = TicketPages(key: ledger.pageKey)
    self.mail = MailServiceClient(mail)
    self.assignment = AssignmentServiceClient(assignment)
    self.masking = masking.map { MaskingServiceClient($0) }
    self.triggerPatience = triggerPatience
    self.live = live ?? LiveChanges(ledger: ledger)
    self.dooray = DoorayLink(pool: ledger.pool, masking: self.masking, client: dooray, log: log)
  }

  /// Who may call what: the door and the operator everything, other daemons what they need.
  package static let callerRules = [
    CallerRule("TicketService", callers: ["gateway", "operator"]),
    CallerRule("TicketService", ["CreateTicket", "AppendInquiry", "GetTicket", "UploadAttachment"], callers: ["mail"]),
    CallerRule("TicketService", ["GetTicket"], callers: ["assignment"]),
  ]

  /// Returns a ticket.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getTicket(_ request: GetTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try TicketName(request.name, field: "name")
    let (_, ticket) = try await reading(name, call)
    return try await ledger.message(for: ticket, deadline: call.deadline)
  }

  /// Completes a resolved ticket.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func completeTicket(_ request: CompleteTicketRequest, _ call: CallContext) async throws -> Ticket {
    var check = RequestCheck()
    check.name(request.name, "name", TicketName.self)
    check.version(request.version)
    check.requestID(request.requestId)
    try check.done()
    let name = try TicketName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: name, access: access, version: request.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try completion(of: ticket, access)
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// The change that completes a resolved ticket.
  func completion(of ticket: TicketRecord, _ access: Access) throws -> TicketChange {
    let outcome = try access.outcome(of: .complete, on: ticket)
    var event = EventDraft(.completed, by: access.ledgerActor, outcome: outcome, on: ticket)
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.processed)] }
    return TicketChange(event)
  }

  /// Recomputes a ticket's event chain.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func verifyHistory(
    _ request: VerifyHistoryRequest, _ call: CallContext
  ) async throws -> VerifyHistoryResponse {
    let name = try TicketName(request.name, field: "name")
    let (access, _) = try await reading(name, call)
    let found = try await ledger.verify(name.id, of: access.service.id, deadline: call.deadline)
    return VerifyHistoryResponse(
      intact: found.isIntact, eventCount: found.eventCount, firstBadSequence: found.firstBadSequence,
      finding: found.finding)
  }

  /// A ticket for a caller who wants to read it or what belongs to it.
  func reading(_ name: TicketName, _ call: CallContext) async throws -> (Access, TicketRecord) {
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    return (access, try await ledger.ticket(name, access: access, deadline: call.deadline))
  }

  /// The claim of a request that has a request id.
  func claim(
    of request: some Message, _ requestID: String, _ call: CallContext, _ access: Access
  ) throws -> IdempotencyClaim? {
    try IdempotencyClaim.claim(call, access, requestID: requestID, request: request, key: ledger.key)
  }
}

extension OutboxDraft {
  /// A pass of the triggers.
  static func triggers(_ cause: TriggerPass.Cause) throws -> OutboxDraft {
    OutboxDraft(.triggers, payload: try TriggerPass(cause: cause).serialized())
  }
}
