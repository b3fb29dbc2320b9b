import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// What a request to change a ticket asks for, checked as far as that goes without the database.
struct TicketUpdate: Sendable {
  /// The paths that can be changed; a test holds the API's description against them.
  static let paths: [String] = [
    "title", "priority", "language", "submission_type", "processing_type", "customer.display_name", "customer.email",
    "customer.phone", "customer.user_code", "call_back", "field_values",
  ]

  let name: TicketName
  let version: Int64
  /// What is to be set; state and spam box are not among it.
  private(set) var set = TicketFields()
  private(set) var submissionType: SubmissionTypeName?
  private(set) var processingType: ProcessingTypeName?
  private(set) var fieldValues = FieldValues()

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong.
  init(_ request: UpdateTicketRequest) throws(ServiceError) {
    var check = RequestCheck()
    let ticket = request.ticket ?? Ticket()
    check.name(ticket.name, "ticket.name", TicketName.self)
    // What is noted as wrong stands here as something harmless.
    name = TicketName(ticket.name) ?? TicketName(service: "", id: TicketID(0))
    version = request.version
    let mask = check.mask(request.updateMask, Self.paths)
    check.version(request.version)
    check.requestID(request.requestId)
    for path in Self.paths where mask.contains(path) { read(path, of: ticket, &check) }
    if mask.contains("field_values") {
      fieldValues = FieldValues(ticket.fieldValues, at: "ticket.field_values", &check)
    }
    try check.done()
  }

  private mutating func read(_ path: String, of ticket: Ticket, _ check: inout RequestCheck) {
    switch path {
    case "title":
      set.title = check.line(ticket.title, "ticket.title", charactersMax: FieldLimits.titleCharactersMax)
    case "priority":
      set.priority = check.choice(ticket.priority.rawValue, "ticket.priority", unspecified: .normal)
    case "language":
      check.require(CanonicalText.isLanguage(ticket.language), "ticket.language", "is not an ISO 639-1 code such as ko")
      set.language = ticket.language
    case "submission_type":
      check.require(!ticket.submissionType.isEmpty, "ticket.submission_type", "cannot be taken off; choose another")
      submissionType = check.optionalName(ticket.submissionType, "ticket.submission_type")
      set.submissionTypeID = .some(submissionType?.id)
    case "processing_type":
      processingType = check.optionalName(ticket.processingType, "ticket.processing_type")
      set.processingTypeID = .some(processingType?.id)
    case "field_values": break
    case "call_back": set.callBack = .some(Self.callBack(ticket.callBack, &check))
    default: readCustomer(path, of: ticket.customer ?? TicketCustomer(), &check)
    }
  }

  private mutating func readCustomer(_ path: String, of customer: TicketCustomer, _ check: inout RequestCheck) {
    let field = "ticket.\(path)"
    switch path {
    case "customer.display_name":
      set.customerName = check.line(
        customer.displayName, field, charactersMax: FieldLimits.customerNameCharactersMax, mayBeBlank: true)
    case "customer.email": set.customerEmail = check.email(customer.email, field)
    case "customer.phone": set.customerPhone = check.phone(customer.phone, field)
    default: set.customerUserCode = check.userCode(customer.userCode, field)
    }
  }

  private static func callBack(_ callBack: CallBack?, _ check: inout RequestCheck) -> CallBackRecord? {
    guard let callBack else { return nil }
    let isMasked = callBack.phone.utf8.contains(UInt8(ascii: "*"))
    // One that is masked comes back as it was read.
    let phone = isMasked ? callBack.phone : check.phone(callBack.phone, "ticket.call_back.phone")
    check.require(!callBack.phone.isEmpty, "ticket.call_back.phone", "is required: the number to call")
    let seconds = callBack.time?.seconds ?? 0
    // Whole seconds of the years that a call can be promised for.
    check.require(
      (946_684_800..<4_102_444_800).contains(seconds), "ticket.call_back.time",
      "is required: a time between the years 2000 and 2100")
    return CallBackRecord(
      phone: phone, time: Instant(microsecondsSinceEpoch: seconds.multipliedReportingOverflow(by: 1_000_000).0),
      isActive: callBack.active)
  }

  /// By what the customer of a ticket can be found who was not known when it was created; nil when the update says
  /// neither a code nor an address nor a number. What is masked finds nobody.
  func customer(of ticket: TicketRecord) -> TicketCustomerDraft? {
    let keys = [set.customerUserCode, set.customerEmail, set.customerPhone]
    guard ticket.customerID == nil, keys.contains(where: { !($0 ?? "").isEmpty }) else { return nil }
    func readable(_ text: String) -> String { text.utf8.contains(UInt8(ascii: "*")) ? "" : text }
    var customer = TicketCustomerDraft()
    customer.name = readable(set.customerName ?? ticket.customerName)
    customer.email = readable(set.customerEmail ?? ticket.customerEmail)
    customer.phone = readable(set.customerPhone ?? ticket.customerPhone)
    customer.userCode = readable(set.customerUserCode ?? ticket.customerUserCode)
    return customer
  }

  /// Whether a ticket gets another submission type, whose form it must meet.
  func moves(_ ticket: TicketRecord) -> Bool {
    submissionType.map { $0.id != ticket.submissionTypeID } ?? false
  }

  /// What a ticket will have in the fields of every ticket. Its inquiry is not among them: nobody can shorten it any
  /// more.
  ///
  /// - Parameter hasFiles: whether there are files on it.
  func systemFields(on ticket: TicketRecord, hasFiles: Bool) -> [SystemFieldUse] {
    let isMoved = moves(ticket)
    // What a mask has put asterisks into cannot be shortened, and was right once.
    func known(_ text: String) -> String? { isMoved && !text.utf8.contains(UInt8(ascii: "*")) ? text : nil }
    func text(_ field: SystemFieldCode, _ path: String, _ new: String?, _ old: String) -> SystemFieldUse {
      SystemFieldUse(field, "ticket.\(path)", text: new, isFilled: !CanonicalText.isBlank(new ?? old))
    }
    return [
      text(.title, "title", set.title ?? known(ticket.title), ticket.title),
      text(
        .customerName, "customer.display_name", set.customerName ?? known(ticket.customerName), ticket.customerName),
      text(.customerEmail, "customer.email", set.customerEmail, ticket.customerEmail),
      text(.customerPhone, "customer.phone", set.customerPhone, ticket.customerPhone),
      text(
        .customerUserCode, "customer.user_code", set.customerUserCode ?? known(ticket.customerUserCode),
        ticket.customerUserCode),
      SystemFieldUse(
        .processingType, "ticket.processing_type", isSet: set.processingTypeID != nil,
        isFilled: set.processingTypeID.map { $0 != nil } ?? (ticket.processingTypeID != nil)),
      SystemFieldUse(.priority, "ticket.priority", isSet: set.priority != nil, isFilled: true),
      SystemFieldUse(.attachments, "attachments", isSet: false, isFilled: hasFiles),
    ]
  }

  /// Checks that the number of a promised call is one, or is masked and stays as it is.
  ///
  /// - Throws: REQUEST_INVALID.
  func requireCallBack(on ticket: TicketRecord) throws(ServiceError) {
    guard let promise = set.callBack ?? nil, promise.phone.utf8.contains(UInt8(ascii: "*")) else { return }
    guard promise.phone == ticket.callBack?.phone else {
      throw ServiceError.invalid("ticket.call_back.phone", "is not a phone number, nor the masked one of the ticket")
    }
  }

  /// Refuses names of another service's things as if they did not exist.
  ///
  /// - Throws: TYPE_NOT_FOUND.
  func requireNames(of service: ServiceRecord) throws(ServiceError) {
    if let submissionType, submissionType.service != service.code { throw ServiceError(.typeNotFound) }
    if let processingType, processingType.service != service.code { throw ServiceError(.typeNotFound) }
  }

  /// The texts that would be changed where asterisks stand, by their fields' names: they may be masked.
  func suspects(on ticket: TicketRecord) -> [String] {
    let texts: [(field: String, old: String, new: String?)] = [
      ("title", ticket.title, set.title), ("customer.display_name", ticket.customerName, set.customerName),
      ("customer.email", ticket.customerEmail, set.customerEmail),
      ("customer.phone", ticket.customerPhone, set.customerPhone),
      ("customer.user_code", ticket.customerUserCode, set.customerUserCode),
      ("call_back.phone", ticket.callBack?.phone ?? "", set.callBack.map { $0?.phone ?? "" }),
    ]
    return texts.filter { text in
      text.new != nil && text.new != text.old && text.old.utf8.contains(UInt8(ascii: "*"))
    }.map(\.field)
  }
}
