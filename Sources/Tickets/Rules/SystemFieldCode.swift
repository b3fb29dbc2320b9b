/// A field that every ticket has; raw values are the codes of the API and of the database. In the order of a form.
enum SystemFieldCode: String, CaseIterable, Sendable {
  case submissionType = "submission_type"
  case title
  case text
  case customerName = "customer_name"
  case customerEmail = "customer_email"
  case customerPhone = "customer_phone"
  case customerUserCode = "customer_user_code"
  case attachments
  case privacyConsent = "privacy_consent"
  case processingType = "processing_type"
  case priority
  case callTime = "call_time"
  case callDirection = "call_direction"
  case callBack = "call_back"
  case callBackTime = "call_back_time"
  case callBackPhone = "call_back_phone"

  /// What is built in, and what of it administrators can change. A name and a description can always be.
  var traits: SystemFieldTraits {
    switch self {
    case .submissionType: .init(.dropdown, .customer, "접수유형", "Submission type", .always)
    case .title: .init(.text, .customer, "제목", "Title", .always, charactersMax: FieldLimits.titleCharactersMax)
    case .text:
      .init(.textarea, .customer, "문의 내용", "Inquiry", .always, charactersMax: FieldLimits.inquiryCharactersMax)
    case .customerName:
      .init(.text, .customer, "이름", "Name", .optional, charactersMax: FieldLimits.customerNameCharactersMax)
    case .customerEmail: .init(.text, .customer, "이메일", "E-mail", .optional)
    case .customerPhone: .init(.text, .customer, "전화번호", "Phone", .optional)
    case .customerUserCode:
      .init(.text, .customer, "아이디", "User code", .optional, charactersMax: FieldLimits.userCodeCharactersMax)
    case .attachments: .init(.file, .customer, "첨부 파일", "Attachments", .optional)
    case .privacyConsent: .init(.agree, .customer, "개인정보 수집·이용 동의", "Consent to the use of personal data", .always)
    case .processingType:
      .init(.dropdown, .agent, "처리유형", "Processing type", .optional, canBeAdministratorsOnly: true)
    case .priority: .init(.dropdown, .agent, "우선순위", "Priority", .never, canBeAdministratorsOnly: true)
    case .callTime: .init(.datetime, .agent, "상담 일시", "Time of the call", .never)
    case .callDirection: .init(.radio, .agent, "IN/OUT", "Incoming or outgoing", .never)
    case .callBack: .init(.agree, .agent, "전화 예약", "Call back", .never)
    case .callBackTime: .init(.datetime, .agent, "예약 시간", "Time to call back", .never)
    case .callBackPhone: .init(.text, .agent, "전화 예약 번호", "Number to call back", .never)
    }
  }
}

/// What a field is like as it is built in.
struct SystemFieldTraits: Sendable {
  /// Whether the field must be filled.
  enum Requirement: Sendable {
    /// There is no ticket, or no inquiry on a form, without it.
    case always
    /// Administrators say so; not as it is built in.
    case optional
    /// It has a value of itself, or goes with something that has rules of its own.
    case never
  }

  let kind: FieldKind
  let audience: FieldAudience
  let koreanName: String
  let englishName: String
  let requirement: Requirement
  /// The longest value in Unicode scalars, which administrators can lower; 0: its values have a form of their own.
  let charactersMax: Int
  /// Whether it can be for administrators alone to fill.
  let canBeAdministratorsOnly: Bool

  init(
    _ kind: FieldKind, _ audience: FieldAudience, _ koreanName: String, _ englishName: String,
    _ requirement: Requirement, charactersMax: Int = 0, canBeAdministratorsOnly: Bool = false
  ) {
    self.kind = kind
    self.audience = audience
    self.koreanName = koreanName
    self.englishName = englishName
    self.requirement = requirement
    self.charactersMax = charactersMax
    self.canBeAdministratorsOnly = canBeAdministratorsOnly
  }

  /// The name in a language; English where there is none.
  func name(in language: String) -> String { language == "ko" ? koreanName : englishName }

  /// The languages of the names.
  static let languages = ["en", "ko"]
}

/// What holds for a field of every ticket in a service.
struct SystemFieldRule: Sendable, Equatable {
  let field: SystemFieldCode
  var displayName: String
  var isRequired: Bool
  /// 0: its values have a form of their own.
  var lengthMax: Int
  var isAdministratorsOnly: Bool
}

/// What a request does to a field of every ticket.
struct SystemFieldUse: Sendable {
  let field: SystemFieldCode
  /// The field's name in the request, for messages.
  let path: String
  /// Unicode scalars that the request puts there; 0 for what has a form of its own, nil when it leaves it as it is.
  let characters: Int?
  /// Whether the ticket has something there afterwards.
  let isFilled: Bool
  /// The longest value of this request where the service has set none; nil: as it is built in.
  let charactersMax: Int?

  /// - Parameter text: nil when the request leaves the field as it is.
  init(_ field: SystemFieldCode, _ path: String, text: String?, isFilled: Bool? = nil, charactersMax: Int? = nil) {
    self.field = field
    self.path = path
    characters = text?.unicodeScalars.count
    self.isFilled = isFilled ?? !(text ?? "").isEmpty
    self.charactersMax = charactersMax
  }

  /// - Parameter isSet: whether the request puts something there, or takes it away.
  init(_ field: SystemFieldCode, _ path: String, isSet: Bool, isFilled: Bool) {
    self.field = field
    self.path = path
    characters = isSet ? 0 : nil
    self.isFilled = isFilled
    charactersMax = nil
  }

  /// What is wrong with it under a service's rule; nil: nothing.
  ///
  /// - Parameters:
  ///   - isAsked: the field must be filled now, whether or not the request touches it.
  ///   - isForbidden: the caller is an agent and no administrator, or a program that speaks for customers.
  func problem(under rule: SystemFieldRule, isAsked: Bool, isForbidden: Bool) -> FieldProblem? {
    let isSet = characters != nil
    if rule.isAdministratorsOnly, isForbidden {
      return isSet ? FieldProblem(code: path, rule: .invalid, text: "is for administrators to fill") : nil
    }
    if rule.isRequired, !isFilled, isAsked || isSet {
      let isAgreement = field.traits.kind == .agree
      return FieldProblem(
        code: path, rule: .required,
        text: isAgreement ? "must be true: \(rule.displayName)" : "fill in \(rule.displayName)")
    }
    let isBuiltIn = rule.lengthMax == field.traits.charactersMax
    let lengthMax = isBuiltIn ? charactersMax ?? rule.lengthMax : rule.lengthMax
    if lengthMax > 0, let characters, characters > lengthMax {
      return FieldProblem(code: path, rule: .length, text: "must have at most \(lengthMax) characters")
    }
    return nil
  }
}
