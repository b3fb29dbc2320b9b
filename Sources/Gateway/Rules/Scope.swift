/// What an API key may be for. A key may call a method when it has one of the scopes that suffice for it, and no more
/// than its agent may; a session may call everything.
package enum Scope: String, CaseIterable, Sendable {
  /// Create inquiries and add to them, with their files, and read what the forms for them ask: for a help center.
  case inquiryWrite = "inquiry.write"
  /// Read tickets, their histories, batches and counters, and search and watch them.
  case ticketRead = "ticket.read"
  /// Change tickets: create, keep, process, forward, mask, and so on, one by one and in batches.
  case ticketWrite = "ticket.write"
  /// See and bring back what is masked.
  case originalRead = "original.read"
  /// Read the settings of services: types, fields, templates, triggers, layouts.
  case settingRead = "setting.read"
  /// Change the settings of services.
  case settingWrite = "setting.write"
  /// Read accounts, members, groups and what changed of them.
  case accountRead = "account.read"
  /// Change accounts, members and groups, but make no account and set no password.
  case accountWrite = "account.write"

  /// In a few words, for the documents.
  package var summary: String {
    switch self {
    case .inquiryWrite: "create inquiries and add to them, with their files, and read what the forms for them ask"
    case .ticketRead: "read, search and watch tickets, their histories, batches and counters"
    case .ticketWrite: "change tickets, one by one and in batches"
    case .originalRead: "see and bring back what is masked"
    case .settingRead: "read the settings of services: types, fields, templates, triggers, layouts"
    case .settingWrite: "change the settings of services"
    case .accountRead: "read accounts, members, groups and what changed of them"
    case .accountWrite: "change accounts, members and groups, but make no account and set no password"
    }
  }

  /// The scopes of which one suffices for a method; none: it is for sessions only, or needs none.
  package static func sufficient(for route: Route) -> [Scope] {
    if sessionsOnly.contains(route.method) || !route.needsSession { return [] }
    if route.backend == .gateway { return route.method == "GetMe" ? allCases : [] }
    return [usual(for: route)] + (inquiries.contains(route.method) ? [.inquiryWrite] : [])
  }

  /// Whether a call of a method is an administrative act, which is put on record.
  package static func isAdministrative(_ route: Route) -> Bool {
    switch usual(for: route) {
    case .settingWrite, .accountWrite: route.backend != .gateway && route.needsSession
    default: false
    }
  }

  /// Passwords are people's; a new account has one, with which a key could become a session.
  private static let sessionsOnly: Set<String> = ["SetPassword", "ChangePassword", "CreateAgent"]
  private static let originals: Set<String> = ["RevealMask", "UnmaskText"]
  /// What a help center calls beside reading nothing of anybody's.
  private static let inquiries: Set<String> = [
    "CreateTicket", "AppendInquiry", "UploadAttachment", "ListServices", "GetService", "ListSubmissionTypes", "GetForm",
  ]
  /// Methods that read, though their requests are too large for a path.
  private static let reads: Set<String> = ["SearchTickets", "PreviewAnswer", "SimulateTriggers", "InsertTemplate"]
  /// Collections below a service that are agents' daily work.
  private static let ticketCollections: Set<String> = [
    "tickets", "batches", "attachments", "counters", "inboundMails", "mailMessages",
    "searchSettings",
  ]
  private static let accountCollections: Set<String> = ["agents", "permissionChanges", "members", "groups"]

  /// The scope of a method's own.
  static func usual(for route: Route) -> Scope {
    if originals.contains(route.method) { return .originalRead }
    let isRead = route.verb == .get || reads.contains(route.method)
    switch collection(route.path) {
    case let name where ticketCollections.contains(name): return isRead ? .ticketRead : .ticketWrite
    case let name where accountCollections.contains(name): return isRead ? .accountRead : .accountWrite
    default: return isRead ? .settingRead : .settingWrite
    }
  }

  /// The collection that a path is about: what stands below the service, or the first word when there is none.
  private static func collection(_ path: String) -> String {
    guard let template = try? PathTemplate(path) else { return "" }
    let words = template.segments.compactMap { if case .literal(let word) = $0, word != "v1" { word } else { nil } }
    return words.first == "services" && words.count > 1 ? words[1] : words.first ?? ""
  }
}
