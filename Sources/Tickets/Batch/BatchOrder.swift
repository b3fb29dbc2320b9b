import HandoffAPI
import RPCProtos
import ServiceKit
import TicketLedger

/// What a request to create a batch asks for, checked as far as that goes without the database.
struct BatchOrder: Sendable {
  /// Most tickets of a batch.
  static let ticketsMax = 10_000

  let parent: ServiceName
  let act: BatchAct
  /// Canonical.
  let text: String
  let internalReason: InternalReason?
  let processingType: ProcessingTypeName?
  let priority: TicketPriority?
  let group: GroupName?
  let agent: AgentName?
  let tickets: [TicketID]

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong; REASON_NOT_ALLOWED; TEXT_REQUIRED.
  init(_ request: CreateBatchRequest) throws(ServiceError) {
    var check = RequestCheck()
    let batch = request.batch ?? Batch()
    check.name(request.parent, "parent", ServiceName.self)
    check.requestID(request.requestId)
    let act: BatchAct? = check.choice(batch.act.rawValue, "batch.act", unspecified: nil)
    check.require(act != nil || batch.act.rawValue != 0, "batch.act", "is required")
    text = check.text(batch.text, "batch.text", charactersMax: FieldLimits.answerCharactersMax)
    internalReason = check.choice(batch.internalReason.rawValue, "batch.internal_reason", unspecified: nil)
    processingType = check.optionalName(batch.processingType, "batch.processing_type")
    priority = check.choice(batch.priority.rawValue, "batch.priority", unspecified: nil)
    group = check.optionalName(batch.group, "batch.group")
    agent = check.optionalName(batch.agent, "batch.agent")
    tickets = Self.tickets(request, &check)
    if let act { Self.check(batch, act, &check) }
    if let act, act != .resolveInternally {
      check.require(
        internalReason == nil, "batch.internal_reason", "goes with RESOLVE_INTERNALLY alone", as: .reasonNotAllowed)
      check.require(
        !act.takesText || !CanonicalText.isBlank(batch.text), "batch.text", "is required for \(act.rawValue)",
        as: .textRequired)
    }
    try check.done()
    guard let act else { throw ServiceError(.internal) }
    parent = try ServiceName(request.parent, field: "parent")
    self.act = act
    if let processingType, processingType.service != parent.code { throw ServiceError(.typeNotFound) }
    if let group, group.service != parent.code { throw ServiceError(.groupNotFound) }
  }

  /// Each act takes what is its own.
  private static func check(_ batch: Batch, _ act: BatchAct, _ check: inout RequestCheck) {
    check.require(act.takesText || batch.text.isEmpty, "batch.text", "does not go with \(act.rawValue)")
    check.require(
      act.takesFields || batch.processingType.isEmpty, "batch.processing_type", "does not go with \(act.rawValue)")
    check.require(act.takesFields || batch.priority.rawValue == 0, "batch.priority", "does not go with \(act.rawValue)")
    for (field, text) in [("batch.group", batch.group), ("batch.agent", batch.agent)] {
      check.require(
        text.isEmpty != (act == .forward), field,
        act == .forward ? "is required for FORWARD" : "does not go with \(act.rawValue)")
    }
    check.require(
      act != .update || !batch.processingType.isEmpty || batch.priority.rawValue != 0, "batch",
      "must set priority or processing_type for UPDATE")
    check.require(
      act != .resolveInternally || batch.internalReason.rawValue != 0, "batch.internal_reason",
      "is required for RESOLVE_INTERNALLY")
  }

  private static func tickets(_ request: CreateBatchRequest, _ check: inout RequestCheck) -> [TicketID] {
    check.require(
      (1...ticketsMax).contains(request.tickets.count), "tickets", "must be 1 to \(ticketsMax)")
    var ids: [TicketID] = []
    var seen: Set<TicketID> = []
    for (index, text) in request.tickets.prefix(ticketsMax).enumerated() {
      guard let name = TicketName(text), "services/\(name.service)" == request.parent else {
        check.require(false, "tickets[\(index)]", "must be a ticket of the parent: \(TicketName.pattern)")
        // One is enough to see what is meant; ten thousand would help nobody.
        break
      }
      guard seen.insert(name.id).inserted else {
        check.require(false, "tickets[\(index)]", "is named twice")
        break
      }
      ids.append(name.id)
    }
    return ids
  }
}

extension BatchRecord {
  /// The request that does a text act on one ticket.
  func processRequest(_ ticket: TicketName, in service: ServiceRecord) -> ProcessTicketRequest? {
    let act: ProcessTicketRequest.Act
    switch self.act {
    case .resolve: act = .resolve
    case .hold: act = .hold
    case .comment: act = .comment
    case .resolveInternally: act = .resolveInternally
    default: return nil
    }
    return ProcessTicketRequest(
      name: ticket.description, act: act, text: text,
      internalReason: Ticket.InternalReason(rawValue: internalReason?.number ?? 0),
      processingType: processingTypeID.map { ProcessingTypeName(service: service.code, id: $0).description } ?? "",
      priority: Ticket.Priority(rawValue: priority?.number ?? 0))
  }

  /// The request that sets priority and processing type of one ticket.
  func updateRequest(_ ticket: TicketName, in service: ServiceRecord) -> UpdateTicketRequest {
    var message = Ticket(name: ticket.description)
    var paths: [String] = []
    if let priority {
      message.priority = Ticket.Priority(rawValue: priority.number)
      paths.append("priority")
    }
    if let processingTypeID {
      message.processingType = ProcessingTypeName(service: service.code, id: processingTypeID).description
      paths.append("processing_type")
    }
    return UpdateTicketRequest(ticket: message, updateMask: FieldMask(paths: paths))
  }
}
