import HandoffAPI
import ServiceKit
import TicketLedger

/// What an agent does to a ticket with ProcessTicket, and what each of the acts is in the ledger.
enum ProcessAct: Sendable, Equatable {
  case resolve
  case hold
  case comment
  case resolveInternally(InternalReason)

  /// What it is in the lifecycle table.
  var lifecycleAct: LifecycleAct {
    switch self {
    case .resolve: .resolve
    case .hold: .hold
    case .comment: .comment
    case .resolveInternally(let reason): .resolvingInternally(reason)
    }
  }

  /// What its event says.
  var eventCode: EventCode {
    switch self {
    case .resolve: .resolved
    case .hold: .held
    case .comment: .commented
    case .resolveInternally: .resolvedInternally
    }
  }

  /// What its text is in the history: only what a customer is told is a reply.
  var entryKind: EntryKind {
    switch self {
    case .resolve, .hold: .reply
    case .comment, .resolveInternally: .comment
    }
  }

  /// The act beside its text in the history.
  var entryAct: EntryAct {
    switch self {
    case .resolve: .resolve
    case .hold: .hold
    case .comment: .commentAdded
    case .resolveInternally: .resolveInternally
    }
  }
}

/// What a request to process a ticket asks for, checked as far as that goes without the database.
struct ProcessOrder: Sendable {
  let name: TicketName
  let act: ProcessAct
  /// Canonical; blank only when resolving internally.
  let text: String
  /// Nil: unchanged.
  let processingType: ProcessingTypeName?
  /// Nil: unchanged.
  let priority: TicketPriority?
  let version: Int64
  let fieldValues: FieldValues
  let attachments: AttachmentList

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong; REASON_NOT_ALLOWED; TEXT_REQUIRED.
  init(_ request: ProcessTicketRequest) throws(ServiceError) {
    var check = RequestCheck()
    check.name(request.name, "name", TicketName.self)
    let reason: InternalReason? = check.choice(request.internalReason.rawValue, "internal_reason", unspecified: nil)
    let act = Self.act(request.act, reason, &check)
    text = check.text(request.text, "text", charactersMax: FieldLimits.answerCharactersMax)
    processingType = check.optionalName(request.processingType, "processing_type")
    priority = check.choice(request.priority.rawValue, "priority", unspecified: nil)
    fieldValues = FieldValues(request.fieldValues, &check)
    attachments = AttachmentList(request.attachments, &check)
    check.require(
      attachments.isEmpty || !CanonicalText.isBlank(request.text), "attachments", "go with a text; write one")
    check.version(request.version)
    check.requestID(request.requestId)
    if [.resolve, .hold, .comment].contains(request.act) {
      check.require(
        reason == nil, "internal_reason", "goes with RESOLVE_INTERNALLY alone", as: .reasonNotAllowed)
      check.require(!CanonicalText.isBlank(request.text), "text", "is required for this act", as: .textRequired)
    }
    try check.done()
    name = try TicketName(request.name, field: "name")
    version = request.version
    self.act = act
  }

  /// What a ticket will have in the fields of every ticket.
  func systemFields(on ticket: TicketRecord) -> [SystemFieldUse] {
    [
      SystemFieldUse(
        .processingType, "processing_type", isSet: processingType != nil,
        isFilled: processingType != nil || ticket.processingTypeID != nil),
      SystemFieldUse(.priority, "priority", isSet: priority != nil, isFilled: true),
    ]
  }

  private static func act(
    _ act: ProcessTicketRequest.Act, _ reason: InternalReason?, _ check: inout RequestCheck
  ) -> ProcessAct {
    switch act {
    case .resolve: return .resolve
    case .hold: return .hold
    case .comment: return .comment
    case .resolveInternally:
      check.require(reason != nil, "internal_reason", "is required when resolving internally")
      return .resolveInternally(reason ?? .others)
    default:
      check.require(false, "act", "is required: RESOLVE, HOLD, COMMENT or RESOLVE_INTERNALLY")
      return .comment
    }
  }
}
