import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to add a service asks for, checked as far as that goes without the database.
struct ServiceDraft: Sendable {
  let code: String
  let kind: ServiceKind
  let displayName: String
  let language: String
  let timeZone: String

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong.
  init(_ request: CreateServiceRequest) throws(ServiceError) {
    var check = RequestCheck()
    let wanted = request.service ?? Service()
    let name = ServiceName("services/\(request.serviceId)")
    check.require(name != nil, "service_id", "must be 2 to 40 lower-case letters")
    code = name?.code ?? ""
    check.require(
      wanted.name.isEmpty || wanted.name == name?.description, "service.name",
      "must be left out, or be the name that service_id makes")
    displayName = check.line(wanted.displayName, "service.display_name", charactersMax: 200)
    check.require(wanted.kind.rawValue != 0, "service.kind", "is required: CONSULTATION or ISSUE")
    kind = check.choice(wanted.kind.rawValue, "service.kind", unspecified: nil) ?? .consultation
    language = wanted.language.isEmpty ? "ko" : wanted.language
    check.require(CanonicalText.isLanguage(language), "service.language", "is not an ISO 639-1 code such as ko or en")
    timeZone =
      wanted.timeZone.isEmpty
      ? "Asia/Seoul" : check.line(wanted.timeZone, "service.time_zone", charactersMax: 100)
    let later = [
      ("auto_complete_days", wanted.autoCompleteDays != 0), ("assignee_only", wanted.assigneeOnly),
      ("reply_policy", wanted.replyPolicy.rawValue != 0), ("reopen_days", wanted.reopenDays != 0),
    ]
    for (field, isSet) in later {
      check.require(!isSet, "service.\(field)", "is changed with UpdateService, once the service is there")
    }
    try check.done()
  }
}
