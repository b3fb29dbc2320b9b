import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to create a ticket asks for, checked as far as that goes without the database.
struct NewTicket: Sendable {
  /// Who says that there is to be a ticket.
  enum Writer: Sendable {
    /// An agent, who writes it down.
    case agent
    /// A program that speaks for customers, such as a help center: they fill in the service's forms.
    case program
    /// A daemon that takes inquiries in.
    case daemon

    init(_ actor: CallActor) {
      self =
        switch actor {
        case .agent: .agent
        case .customer: .program
        case .service: .daemon
        }
    }
  }

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
  /// The customer agreed that their personal data is collected and used.
  let hasPrivacyConsent: Bool
  /// The customer filled in a program's form, on which they are asked for their consent. Agents write down what came to
  /// them otherwise, and other channels have no form.
  private let isOnForm: Bool
  /// The longest inquiry where the service has set none; a mail's is longer than one that was written into a form.
  private let textCharactersMax: Int
  private let isPrioritySet: Bool

  /// Reads a request and notes everything that is wrong with it; what was noted stands here as something harmless.
  ///
  init(_ request: CreateTicketRequest, by writer: Writer, _ check: inout RequestCheck) {
    title = check.line(request.title, "title", charactersMax: FieldLimits.titleCharactersMax)
    let isMailed = writer == .daemon && request.channel == .email
    textCharactersMax = isMailed ? FieldLimits.mailedInquiryCharactersMax : FieldLimits.inquiryCharactersMax
    isPrioritySet = request.priority.rawValue != 0
    text = check.text(request.text, "text", charactersMax: textCharactersMax)
    check.require(!CanonicalText.isBlank(request.text), "text", "must not be empty")
    channel = Self.channel(request.channel.rawValue, writer, &check)
    priority = check.choice(request.priority.rawValue, "priority", unspecified: .normal) ?? .normal
    language = request.language.isEmpty ? nil : request.language
    check.require(
      request.language.isEmpty || CanonicalText.isLanguage(request.language), "language",
      "is not an ISO 639-1 code such as ko or en")
    submissionType = check.optionalName(request.submissionType, "submission_type")
    check.require(
      writer == .daemon || !request.submissionType.isEmpty, "submission_type",
      "is required; choose one of the service's")
    group = check.optionalName(request.group, "group")
    let agent: AgentName? = check.optionalName(request.agent, "agent")
    self.agent = agent?.id
    customer = Self.customer(request.customer ?? TicketCustomer(), at: "customer", &check)
    fieldValues = FieldValues(request.fieldValues, &check)
    conversation = Conversation(request, channel, &check)
    attachments = AttachmentList(request.attachments, &check)
    hasPrivacyConsent = request.privacyConsent
    isOnForm = writer == .program && [.helpCenter, .helpCenterMobile].contains(channel)
  }

  /// What the ticket will have in the fields of every ticket.
  ///
  /// - Parameter found: the customer as the organization knows them, when they were named by number.
  func systemFields(_ found: CustomerRecord?) -> [SystemFieldUse] {
    let known = customer.id == nil ? nil : found
    func use(_ field: SystemFieldCode, _ path: String, _ own: String, _ known: String?) -> SystemFieldUse {
      SystemFieldUse(
        field, path, text: own.isEmpty ? nil : own,
        isFilled: !CanonicalText.isBlank(own) || !CanonicalText.isBlank(known ?? ""))
    }
    return [
      SystemFieldUse(.title, "title", text: title, isFilled: true),
      SystemFieldUse(.text, "text", text: self.text, isFilled: true, charactersMax: textCharactersMax),
      use(.customerName, "customer.display_name", customer.name, known?.name),
      use(.customerEmail, "customer.email", customer.email, known?.email),
      use(.customerPhone, "customer.phone", customer.phone, known?.phone),
      use(.customerUserCode, "customer.user_code", customer.userCode, known?.userCode),
      SystemFieldUse(.attachments, "attachments", isSet: true, isFilled: !attachments.isEmpty),
      SystemFieldUse(.privacyConsent, "privacy_consent", isSet: isOnForm, isFilled: hasPrivacyConsent || !isOnForm),
      SystemFieldUse(.priority, "priority", isSet: isPrioritySet, isFilled: true),
    ]
  }

  private static func channel(_ number: Int32, _ writer: Writer, _ check: inout RequestCheck) -> TicketChannel {
    check.require(
      writer != .daemon || number != 0, "channel", "is required when no agent creates the ticket; say how it came in")
    let channel: TicketChannel? = check.choice(number, "channel", unspecified: writer == .program ? .api : .manual)
    check.require(channel != .escalation, "channel", "ESCALATION is for tickets that come by escalating")
    check.require(
      channel != .manual || writer == .agent || number == 0, "channel", "MANUAL is for tickets that an agent creates")
    return channel ?? .manual
  }

  /// Who a ticket is from, as a request says it; what is noted as wrong stands here as something harmless.
  static func customer(
    _ customer: TicketCustomer, at path: String, _ check: inout RequestCheck
  ) -> TicketCustomerDraft {
    var draft = TicketCustomerDraft()
    check.require(customer.number >= 0, "\(path).number", "must not be negative")
    if customer.number > 0 { draft.id = CustomerID(customer.number) }
    draft.name = check.line(
      customer.displayName, "\(path).display_name", charactersMax: FieldLimits.customerNameCharactersMax,
      mayBeBlank: true)
    draft.email = check.email(customer.email, "\(path).email")
    draft.phone = check.phone(customer.phone, "\(path).phone")
    draft.userCode = check.userCode(customer.userCode, "\(path).user_code")
    return draft
  }
}
