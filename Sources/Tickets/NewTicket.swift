import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to create a ticket asks for, checked as far as that goes without the database.
struct NewTicket: Sendable {
  let title: String
  let text: String
  let channel: TicketChannel
  let priority: TicketPriority
  /// Nil: the service's.
  let language: String?
  let submissionType: SubmissionTypeName?
  let group: GroupName?
  let agent: AgentID?
  let customer: TicketCustomerDraft
  let fieldValues: FieldValues
  let conversation: Conversation
  let attachments: AttachmentList
  /// It comes by mail: its title and text were written into no form.
  private let isMailed: Bool
  private let isPrioritySet: Bool

  /// Reads a request and notes everything that is wrong with it; what was noted stands here as something harmless.
  ///
  /// - Parameter isByAgent: an agent writes the ticket down; else a customer's inquiry comes in through a service.
  init(_ request: CreateTicketRequest, isByAgent: Bool, _ check: inout RequestCheck) {
    title = check.line(request.title, "title", charactersMax: FieldLimits.titleCharactersMax)
    isMailed = !isByAgent && request.channel == .email
    isPrioritySet = request.priority.rawValue != 0
    text = check.text(
      request.text, "text",
      charactersMax: isMailed ? FieldLimits.mailedInquiryCharactersMax : FieldLimits.inquiryCharactersMax)
    check.require(!CanonicalText.isBlank(request.text), "text", "must not be empty")
    channel = Self.channel(request.channel.rawValue, isByAgent, &check)
    priority = check.choice(request.priority.rawValue, "priority", unspecified: .normal) ?? .normal
    language = request.language.isEmpty ? nil : request.language
    check.require(
      request.language.isEmpty || CanonicalText.isLanguage(request.language), "language",
      "is not an ISO 639-1 code such as ko or en")
    submissionType = check.optionalName(request.submissionType, "submission_type")
    check.require(
      !isByAgent || !request.submissionType.isEmpty, "submission_type",
      "is required when an agent creates the ticket; choose one of the service's")
    group = check.optionalName(request.group, "group")
    let agent: AgentName? = check.optionalName(request.agent, "agent")
    self.agent = agent?.id
    customer = Self.customer(request.customer ?? TicketCustomer(), &check)
    fieldValues = FieldValues(request.fieldValues, &check)
    conversation = Conversation(request, channel, &check)
    attachments = AttachmentList(request.attachments, &check)
  }

  /// What the ticket will have in the fields of every ticket.
  ///
  /// - Parameter found: the customer as the organization knows them, when they were named by number.
  func systemFields(_ found: CustomerRecord?) -> [SystemFieldUse] {
    let known = customer.id == nil ? nil : found
    func use(_ field: SystemFieldCode, _ path: String, _ own: String, _ known: String?) -> SystemFieldUse {
      SystemFieldUse(field, path, text: own.isEmpty ? nil : own, isFilled: !own.isEmpty || known?.isEmpty == false)
    }
    return [
      SystemFieldUse(.title, "title", text: isMailed ? nil : title, isFilled: true),
      SystemFieldUse(.text, "text", text: isMailed ? nil : self.text, isFilled: true),
      use(.customerName, "customer.display_name", customer.name, known?.name),
      use(.customerEmail, "customer.email", customer.email, known?.email),
      use(.customerPhone, "customer.phone", customer.phone, known?.phone),
      SystemFieldUse(.attachments, "attachments", isSet: true, isFilled: !attachments.isEmpty),
      SystemFieldUse(.priority, "priority", isSet: isPrioritySet, isFilled: true),
    ]
  }

  private static func channel(_ number: Int32, _ isByAgent: Bool, _ check: inout RequestCheck) -> TicketChannel {
    check.require(
      isByAgent || number != 0, "channel", "is required when no agent creates the ticket; say how it came in")
    let channel: TicketChannel? = check.choice(number, "channel", unspecified: .manual)
    check.require(channel != .escalation, "channel", "ESCALATION is for tickets that come by escalating")
    check.require(
      channel != .manual || isByAgent || number == 0, "channel", "MANUAL is for tickets that an agent creates")
    return channel ?? .manual
  }

  private static func customer(_ customer: TicketCustomer, _ check: inout RequestCheck) -> TicketCustomerDraft {
    var draft = TicketCustomerDraft()
    check.require(customer.number >= 0, "customer.number", "must not be negative")
    if customer.number > 0 { draft.id = CustomerID(customer.number) }
    draft.name = check.line(
      customer.displayName, "customer.display_name", charactersMax: FieldLimits.customerNameCharactersMax,
      mayBeBlank: true)
    draft.email = check.email(customer.email, "customer.email")
    draft.phone = check.phone(customer.phone, "customer.phone")
    return draft
  }
}
