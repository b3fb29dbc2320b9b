import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to change a service's settings asks for, checked as far as that goes without the database; nil:
/// unchanged.
struct ServiceUpdate: Sendable {
  /// The settings that can be changed.
  static let paths: [String] =
    [
      "display_name", "language", "time_zone", "auto_complete_days", "assignee_only", "reply_policy", "reopen_days",
    ] + organizationPaths
  /// Those of them that administrators of the organization change: what a service may use at all.
  static let organizationPaths = ["security_enabled"]
  private static let daysMax: Int32 = 3_650

  let name: ServiceName
  let version: Int64
  /// What the mask names.
  let paths: Set<String>
  private(set) var displayName: String?
  private(set) var language: String?
  private(set) var timeZone: String?
  private(set) var autoCompleteDays: Int32?
  private(set) var isAssigneeOnly: Bool?
  private(set) var replyPolicy: ReplyPolicy?
  private(set) var reopenDays: Int32?
  private(set) var hasSecurity: Bool?

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong.
  init(_ request: UpdateServiceRequest) throws(ServiceError) {
    var check = RequestCheck()
    let service = request.service ?? Service()
    check.name(service.name, "service.name", ServiceName.self)
    // What is noted as wrong stands here as something harmless.
    name = ServiceName(service.name) ?? ServiceName(code: "")
    version = request.version
    paths = check.mask(request.updateMask, Self.paths)
    check.version(request.version)
    for path in Self.paths where paths.contains(path) { read(path, of: service, &check) }
    if let reopenDays, let replyPolicy {
      check.require(
        (replyPolicy == .reopenWithinDays) == (reopenDays > 0), "service.reopen_days",
        "goes with REOPEN_WITHIN_DAYS: 1 to \(Self.daysMax) there, 0 with the other policies")
    }
    try check.done()
  }

  private mutating func read(_ path: String, of service: Service, _ check: inout RequestCheck) {
    let field = "service.\(path)"
    switch path {
    case "display_name": displayName = check.line(service.displayName, field, charactersMax: 200)
    case "language":
      check.require(CanonicalText.isLanguage(service.language), field, "is not an ISO 639-1 code such as ko or en")
      language = service.language
    case "time_zone": timeZone = check.line(service.timeZone, field, charactersMax: 100)
    case "auto_complete_days":
      check.require(
        (0...Self.daysMax).contains(service.autoCompleteDays), field, "must be 0 (never) to \(Self.daysMax)")
      autoCompleteDays = service.autoCompleteDays
    case "assignee_only": isAssigneeOnly = service.assigneeOnly
    case "reply_policy":
      replyPolicy = check.choice(service.replyPolicy.rawValue, field, unspecified: nil)
      check.require(service.replyPolicy.rawValue != 0, field, "is required when the mask names it")
    case "security_enabled": hasSecurity = service.securityEnabled
    default:
      check.require((0...Self.daysMax).contains(service.reopenDays), field, "must be 0 to \(Self.daysMax)")
      reopenDays = service.reopenDays
    }
  }
}
