/// What every search of a service can ask for, beside the fields that the service adds; raw values are the names of the
/// request's fields.
enum SearchCondition: String, CaseIterable, Sendable {
  case receivedTime = "received_from"
  case priority = "priorities"
  case ticketID = "ticket_id"
  case title
  case group = "groups"
  case agent = "agents"
  case state = "states"
  case channel = "channels"
  case submissionType = "submission_types"
  case processingType = "processing_types"
  case customerNumber = "customer_number"
  case customerName = "customer_name"
  case userCode = "user_code"
  case email
  case phone
  case language = "languages"
  case text
  case words

  /// Whether an issue service asks for it, too: its customers are known to the consultation services.
  var isForIssues: Bool { self != .customerNumber && self != .language }
}

extension FieldKind {
  /// How a field is asked for.
  enum Question: Sendable {
    /// By words that stand in it.
    case words
    /// By what was chosen.
    case choice
    /// By a time from and to.
    case time
  }

  /// How search asks for fields of the kind; nil: not at all.
  var question: Question? {
    switch self {
    case .text, .textarea: .words
    case .checkbox, .dropdown, .radio, .agree: .choice
    case .date, .datetime, .datePeriod, .datetimePeriod: .time
    case .file, .caption: nil
    }
  }

  /// Whether its times are whole days.
  var isOfDays: Bool { self == .date || self == .datePeriod }

  /// Whether values are two times in place of one.
  var isPeriod: Bool { self == .datePeriod || self == .datetimePeriod }
}
