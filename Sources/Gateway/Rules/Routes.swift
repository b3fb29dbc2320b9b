/// The daemon that serves a method.
package enum Backend: String, CaseIterable, Sendable {
  case tickets
  case assignment
  case mail
  case masking
  /// The gateway itself.
  case gateway

  /// Full name of the daemon's service.
  var service: String {
    switch self {
    case .tickets: "handoff.tickets.v1.TicketService"
    case .assignment: "handoff.assignment.v1.AssignmentService"
    case .mail: "handoff.mail.v1.MailService"
    case .masking: "handoff.masking.v1.MaskingService"
    case .gateway: "handoff.gateway.v1.SessionService"
    }
  }
}

/// HTTP methods that the JSON API uses.
package enum HTTPVerb: String, CaseIterable, Sendable {
  case get = "GET"
  case post = "POST"
  case patch = "PATCH"
  case delete = "DELETE"
}

/// What the body of a JSON request is.
package enum RouteBody: Equatable, Sendable {
  /// There is none; fields come from the path and the query.
  case none
  /// The request message, less the fields of the path.
  case whole
  /// One field of the request message.
  case field(String)
  /// Bytes of any kind for one field of the request message.
  case raw(String)

  /// Whether nothing is left for the query.
  package var isEverything: Bool {
    switch self {
    case .whole, .raw: true
    case .none, .field: false
    }
  }
}

/// How the messages of a method go.
package enum RouteShape: Sendable {
  /// One there, one back.
  case unary
  /// A file there: many messages, or the body of one HTTP request.
  case upload
  /// A file back: many messages, or the body of one HTTP answer.
  case download
  /// Messages back as long as the client stays, or server-sent events.
  case live

  /// Whether a file goes there or comes back.
  package var isFile: Bool { self == .upload || self == .download }
}

/// One method of the public API: who serves it, and how it is called with JSON.
package struct Route: Sendable {
  /// Simple name of the RPC, the same in the gateway's service and in the backend's.
  package let method: String
  /// Who serves it.
  package let backend: Backend
  /// HTTP method of the JSON form.
  package let verb: HTTPVerb
  /// Path of the JSON form; `{field=a/*/b/*}` takes a resource name into a field.
  package let path: String
  /// What the body is.
  package let body: RouteBody
  /// How its messages go.
  package let shape: RouteShape
  /// False for the method that is called to get a session, and for those that other systems call with a secret in their
  /// path.
  package let needsSession: Bool
  /// Path of the RPC at the daemon that serves it.
  let daemonPath: String

  /// Whether a call is put on record as an act of administration.
  package var isAdministrative: Bool { Self.administrative.contains(method) }
  /// The scopes of which a key needs one to call it; none: it is for sessions only.
  package var scopes: [Scope] { Self.scopes[method] ?? [] }

  private static let scopes = Dictionary(uniqueKeysWithValues: all.map { ($0.method, Scope.sufficient(for: $0)) })
  private static let administrative = Set(all.filter(Scope.isAdministrative).map(\.method))

  private init(
    _ method: String, _ backend: Backend, _ verb: HTTPVerb, _ path: String, body: RouteBody = .none,
    shape: RouteShape = .unary, needsSession: Bool = true
  ) {
    self.method = method
    self.backend = backend
    self.verb = verb
    self.path = path
    self.body = body
    self.shape = shape
    self.needsSession = needsSession
    daemonPath = "/\(backend.service)/\(method)"
  }

  /// The whole public API. A test holds it against the descriptors: every RPC of the gateway stands here once.
  package static let all: [Route] = [
    .init("SignIn", .gateway, .post, "/v1/session:signIn", body: .whole, needsSession: false),
    .init("SignOut", .gateway, .post, "/v1/session:signOut", body: .whole),
    .init("GetMe", .gateway, .get, "/v1/me"),
    .init("ListSessions", .gateway, .get, "/v1/sessions"),
    .init("RevokeSession", .gateway, .post, "/v1/{name=sessions/*}:revoke", body: .whole),
    .init("CreateApiKey", .gateway, .post, "/v1/apiKeys", body: .field("api_key")),
    .init("ListApiKeys", .gateway, .get, "/v1/apiKeys"),
    .init("RevokeApiKey", .gateway, .post, "/v1/{name=apiKeys/*}:revoke", body: .whole),
    .init("ListAuditEvents", .gateway, .get, "/v1/auditEvents"),

    .init("CreateTicket", .tickets, .post, "/v1/{parent=services/*}/tickets", body: .whole),
    .init("GetTicket", .tickets, .get, "/v1/{name=services/*/tickets/*}"),
    .init("ListTickets", .tickets, .get, "/v1/{parent=services/*}/tickets"),
    .init("SearchTickets", .tickets, .post, "/v1/{parent=services/*}/tickets:search", body: .whole),
    .init("GetSearchSettings", .tickets, .get, "/v1/{name=services/*/searchSettings}"),
    .init(
      "UpdateSearchSettings", .tickets, .patch, "/v1/{search_settings.name=services/*/searchSettings}",
      body: .field("search_settings")),
    .init("AppendInquiry", .tickets, .post, "/v1/{parent=services/*/tickets/*}:appendInquiry", body: .whole),
    .init("ProcessTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:process", body: .whole),
    .init("CompleteTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:complete", body: .whole),
    .init("UpdateTicket", .tickets, .patch, "/v1/{ticket.name=services/*/tickets/*}", body: .field("ticket")),
    .init("RestoreTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:restore", body: .whole),
    .init("DeleteTicket", .tickets, .delete, "/v1/{name=services/*/tickets/*}"),
    .init("StarTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:star", body: .whole),
    .init("UnstarTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:unstar", body: .whole),
    .init("EscalateTicket", .tickets, .post, "/v1/{name=services/*/tickets/*}:escalate", body: .whole),
    .init("ListSourceEntries", .tickets, .get, "/v1/{parent=services/*/tickets/*}/sourceEntries"),
    .init("ListEntries", .tickets, .get, "/v1/{parent=services/*/tickets/*}/entries"),
    .init("ListEvents", .tickets, .get, "/v1/{parent=services/*/tickets/*}/events"),
    .init("ListActs", .tickets, .get, "/v1/{parent=services/*/tickets/*}/acts"),
    .init("VerifyHistory", .tickets, .get, "/v1/{name=services/*/tickets/*}:verifyHistory"),
    .init("GetCounters", .tickets, .get, "/v1/{parent=services/*}/counters"),
    .init("CreateBatch", .tickets, .post, "/v1/{parent=services/*}/batches", body: .whole),
    .init("GetBatch", .tickets, .get, "/v1/{name=services/*/batches/*}"),
    .init("ListBatches", .tickets, .get, "/v1/{parent=services/*}/batches"),
    .init("CancelBatch", .tickets, .post, "/v1/{name=services/*/batches/*}:cancel", body: .whole),
    .init("ListBatchResults", .tickets, .get, "/v1/{parent=services/*/batches/*}/results"),
    .init("WatchTickets", .tickets, .get, "/v1/{parent=services/*}/tickets:watch", shape: .live),
    .init("GetOrganization", .tickets, .get, "/v1/{name=organizations/*}"),
    .init(
      "UpdateOrganization", .tickets, .patch, "/v1/{organization.name=organizations/*}", body: .field("organization")),
    .init("CreateService", .tickets, .post, "/v1/services", body: .field("service")),
    .init("GetService", .tickets, .get, "/v1/{name=services/*}"),
    .init("UpdateService", .tickets, .patch, "/v1/{service.name=services/*}", body: .field("service")),
    .init("ListEscalationTargets", .tickets, .get, "/v1/{parent=services/*}/escalationTargets"),
    .init("ListServices", .tickets, .get, "/v1/services"),
    .init("ListSubmissionTypes", .tickets, .get, "/v1/{parent=services/*}/submissionTypes"),
    .init("ListProcessingTypes", .tickets, .get, "/v1/{parent=services/*}/processingTypes"),
    .init(
      "CreateSubmissionType", .tickets, .post, "/v1/{parent=services/*}/submissionTypes",
      body: .field("submission_type")),
    .init(
      "UpdateSubmissionType", .tickets, .patch, "/v1/{submission_type.name=services/*/submissionTypes/*}",
      body: .field("submission_type")),
    .init("DeleteSubmissionType", .tickets, .delete, "/v1/{name=services/*/submissionTypes/*}"),
    .init(
      "CreateProcessingType", .tickets, .post, "/v1/{parent=services/*}/processingTypes",
      body: .field("processing_type")),
    .init(
      "UpdateProcessingType", .tickets, .patch, "/v1/{processing_type.name=services/*/processingTypes/*}",
      body: .field("processing_type")),
    .init("DeleteProcessingType", .tickets, .delete, "/v1/{name=services/*/processingTypes/*}"),
    .init("ListFields", .tickets, .get, "/v1/{parent=services/*}/fields"),
    .init("CreateField", .tickets, .post, "/v1/{parent=services/*}/fields", body: .field("field")),
    .init("UpdateField", .tickets, .patch, "/v1/{field.name=services/*/fields/*}", body: .field("field")),
    .init("DeleteField", .tickets, .delete, "/v1/{name=services/*/fields/*}"),
    .init("ListSystemFields", .tickets, .get, "/v1/{parent=services/*}/systemFields"),
    .init(
      "UpdateSystemField", .tickets, .patch, "/v1/{system_field.name=services/*/systemFields/*}",
      body: .field("system_field")),
    .init("ResetSystemField", .tickets, .post, "/v1/{name=services/*/systemFields/*}:reset", body: .whole),
    .init("GetForm", .tickets, .get, "/v1/{submission_type=services/*/submissionTypes/*}/form"),
    .init(
      "UpdateForm", .tickets, .post, "/v1/{submission_type=services/*/submissionTypes/*}:updateForm", body: .whole),
    .init("GetTicketForm", .tickets, .get, "/v1/{ticket=services/*/tickets/*}/form"),
    .init("GetTemplate", .tickets, .get, "/v1/{name=services/*/templates/*}"),
    .init("ListTemplates", .tickets, .get, "/v1/{parent=services/*}/templates"),
    .init("CreateTemplate", .tickets, .post, "/v1/{parent=services/*}/templates", body: .field("template")),
    .init("UpdateTemplate", .tickets, .patch, "/v1/{template.name=services/*/templates/*}", body: .field("template")),
    .init("DeleteTemplate", .tickets, .delete, "/v1/{name=services/*/templates/*}"),
    .init("InsertTemplate", .tickets, .post, "/v1/{name=services/*/templates/*}:insert", body: .whole),
    .init("ListCustomerTickets", .tickets, .get, "/v1/{parent=services/*/tickets/*}/customerTickets"),
    .init("ListTranscriptLines", .tickets, .get, "/v1/{parent=services/*/tickets/*}/transcriptLines"),
    .init("UploadAttachment", .tickets, .post, "/v1/{parent=services/*}/attachments", shape: .upload),
    .init("DownloadAttachment", .tickets, .get, "/v1/{name=services/*/attachments/*}:download", shape: .download),
    .init("GetCallRecord", .tickets, .get, "/v1/{ticket=services/*/tickets/*}/callRecord"),
    .init("GetDooraySettings", .tickets, .get, "/v1/{name=services/*/dooraySettings}"),
    .init(
      "UpdateDooraySettings", .tickets, .patch, "/v1/{dooray_settings.name=services/*/dooraySettings}",
      body: .field("dooray_settings")),
    .init("ListDoorayOrganizations", .tickets, .get, "/v1/{parent=services/*}/doorayOrganizations"),
    .init(
      "CreateDoorayOrganization", .tickets, .post, "/v1/{parent=services/*}/doorayOrganizations",
      body: .field("organization")),
    .init(
      "UpdateDoorayOrganization", .tickets, .patch, "/v1/{organization.name=services/*/doorayOrganizations/*}",
      body: .field("organization")),
    .init("DeleteDoorayOrganization", .tickets, .delete, "/v1/{name=services/*/doorayOrganizations/*}"),
    .init("ListDoorayProjects", .tickets, .get, "/v1/{parent=services/*}/doorayProjects"),
    .init(
      "CreateDoorayProject", .tickets, .post, "/v1/{parent=services/*}/doorayProjects", body: .field("project")),
    .init(
      "UpdateDoorayProject", .tickets, .patch, "/v1/{project.name=services/*/doorayProjects/*}",
      body: .field("project")),
    .init("DeleteDoorayProject", .tickets, .delete, "/v1/{name=services/*/doorayProjects/*}"),
    .init("ListDoorayUserKeys", .tickets, .get, "/v1/{parent=services/*/doorayOrganizations/*}/userKeys"),
    .init(
      "SetDoorayUserKey", .tickets, .post, "/v1/{name=services/*/doorayOrganizations/*/userKeys/*}:set", body: .whole),
    .init("DeleteDoorayUserKey", .tickets, .delete, "/v1/{name=services/*/doorayOrganizations/*/userKeys/*}"),
    .init("GetDoorayChoices", .tickets, .get, "/v1/{name=services/*/doorayProjects/*}:getChoices"),
    .init("EscalateToDooray", .tickets, .post, "/v1/{name=services/*/tickets/*}:escalateToDooray", body: .whole),
    .init(
      "ReceiveDoorayHook", .tickets, .post, "/v1/{name=services/*/doorayHooks/*}", body: .raw("payload"),
      needsSession: false),
    .init("ListDoorayTasks", .tickets, .get, "/v1/{parent=services/*/tickets/*}/doorayTasks"),
    .init(
      "CreateDoorayComment", .tickets, .post, "/v1/{parent=services/*/tickets/*}/doorayComments", body: .whole),
    .init("ListDoorayComments", .tickets, .get, "/v1/{parent=services/*/tickets/*}/doorayComments"),
    .init(
      "VerifyDoorayConnection", .tickets, .get, "/v1/{name=services/*/doorayOrganizations/*}:verifyConnection"),

    .init("KeepTicket", .assignment, .post, "/v1/{name=services/*/tickets/*}:keep", body: .whole),
    .init("ForwardTicket", .assignment, .post, "/v1/{name=services/*/tickets/*}:forward", body: .whole),
    .init("GetAgent", .assignment, .get, "/v1/{name=agents/*}"),
    .init("ListMembers", .assignment, .get, "/v1/{parent=services/*}/members"),
    .init("ListGroups", .assignment, .get, "/v1/{parent=services/*}/groups"),
    .init("CreateAgent", .assignment, .post, "/v1/agents", body: .whole),
    .init("ListAgents", .assignment, .get, "/v1/agents"),
    .init("UpdateAgent", .assignment, .patch, "/v1/{agent.name=agents/*}", body: .field("agent")),
    .init("DeactivateAgent", .assignment, .post, "/v1/{name=agents/*}:deactivate", body: .whole),
    .init("ActivateAgent", .assignment, .post, "/v1/{name=agents/*}:activate", body: .whole),
    .init("SetPassword", .assignment, .post, "/v1/{name=agents/*}:setPassword", body: .whole),
    .init("ChangePassword", .assignment, .post, "/v1/{name=agents/*}:changePassword", body: .whole),
    .init("CreateMember", .assignment, .post, "/v1/{parent=services/*}/members", body: .field("member")),
    .init("UpdateMember", .assignment, .patch, "/v1/{member.name=services/*/members/*}", body: .field("member")),
    .init("DeleteMember", .assignment, .post, "/v1/{name=services/*/members/*}:delete", body: .whole),
    .init("CreateGroup", .assignment, .post, "/v1/{parent=services/*}/groups", body: .field("group")),
    .init("UpdateGroup", .assignment, .patch, "/v1/{group.name=services/*/groups/*}", body: .field("group")),
    .init("DeleteGroup", .assignment, .delete, "/v1/{name=services/*/groups/*}"),
    .init("ListPermissionChanges", .assignment, .get, "/v1/permissionChanges"),
    .init("CreateTrigger", .assignment, .post, "/v1/{parent=services/*}/triggers", body: .field("trigger")),
    .init("GetTrigger", .assignment, .get, "/v1/{name=services/*/triggers/*}"),
    .init("ListTriggers", .assignment, .get, "/v1/{parent=services/*}/triggers"),
    .init("UpdateTrigger", .assignment, .patch, "/v1/{trigger.name=services/*/triggers/*}", body: .field("trigger")),
    .init("ActivateTrigger", .assignment, .post, "/v1/{name=services/*/triggers/*}:activate", body: .whole),
    .init("DeactivateTrigger", .assignment, .post, "/v1/{name=services/*/triggers/*}:deactivate", body: .whole),
    .init("DeleteTrigger", .assignment, .delete, "/v1/{name=services/*/triggers/*}"),
    .init("ReorderTriggers", .assignment, .post, "/v1/{parent=services/*}/triggers:reorder", body: .whole),
    .init("GetTriggerSettings", .assignment, .get, "/v1/{name=services/*/triggerSettings}"),
    .init(
      "UpdateTriggerSettings", .assignment, .patch, "/v1/{trigger_settings.name=services/*/triggerSettings}",
      body: .field("trigger_settings")),
    .init("GetTriggerVocabulary", .assignment, .get, "/v1/{name=services/*/triggerVocabulary}"),
    .init("ExplainAssignment", .assignment, .get, "/v1/{name=services/*/tickets/*}:explainAssignment"),
    .init("SimulateTriggers", .assignment, .post, "/v1/{parent=services/*}/triggers:simulate", body: .whole),
    .init("GetCallbackSettings", .assignment, .get, "/v1/{name=services/*/callbackSettings}"),
    .init(
      "RotateCallbackSecret", .assignment, .post, "/v1/{name=services/*/callbackSettings}:rotateSecret", body: .whole),
    .init("ListCallbacks", .assignment, .get, "/v1/{parent=services/*}/callbacks"),
    .init("ReplayCallback", .assignment, .post, "/v1/{name=services/*/callbacks/*}:replay", body: .whole),
    .init("ListMessengerHooks", .assignment, .get, "/v1/{parent=services/*}/messengerHooks"),
    .init(
      "CreateMessengerHook", .assignment, .post, "/v1/{parent=services/*}/messengerHooks",
      body: .field("messenger_hook")),
    .init(
      "UpdateMessengerHook", .assignment, .patch, "/v1/{messenger_hook.name=services/*/messengerHooks/*}",
      body: .field("messenger_hook")),
    .init("DeleteMessengerHook", .assignment, .delete, "/v1/{name=services/*/messengerHooks/*}"),

    .init("PreviewAnswer", .mail, .post, "/v1/{ticket=services/*/tickets/*}:previewAnswer", body: .whole),
    .init("ListMailMessages", .mail, .get, "/v1/{parent=services/*/tickets/*}/mailMessages"),
    .init("ResendMailMessage", .mail, .post, "/v1/{name=services/*/mailMessages/*}:resend", body: .whole),
    .init("GetCustomerAddress", .mail, .get, "/v1/{name=services/*/tickets/*/customerAddress}"),
    .init(
      "UnblockCustomerAddress", .mail, .post, "/v1/{name=services/*/tickets/*/customerAddress}:unblock", body: .whole),
    .init("ListLayouts", .mail, .get, "/v1/{parent=services/*}/mailLayouts"),
    .init("CreateLayout", .mail, .post, "/v1/{parent=services/*}/mailLayouts", body: .field("layout")),
    .init("DeleteLayout", .mail, .delete, "/v1/{name=services/*/mailLayouts/*}"),
    .init("ListBannedWords", .mail, .get, "/v1/{parent=services/*}/bannedWords"),
    .init("ChangeBannedWords", .mail, .post, "/v1/{parent=services/*}/bannedWords:change", body: .whole),
    .init("IngestMessage", .mail, .post, "/v1/{parent=services/*}/inboundMails", shape: .upload),
    .init("ListInboundMails", .mail, .get, "/v1/{parent=services/*}/inboundMails"),
    .init("GetInboundMail", .mail, .get, "/v1/{name=services/*/inboundMails/*}"),
    .init("AcceptInboundMail", .mail, .post, "/v1/{name=services/*/inboundMails/*}:accept", body: .whole),
    .init("RejectInboundMail", .mail, .post, "/v1/{name=services/*/inboundMails/*}:reject", body: .whole),
    .init("RerunInboundMail", .mail, .post, "/v1/{name=services/*/inboundMails/*}:rerun", body: .whole),
    .init("CreateMailAccount", .mail, .post, "/v1/{parent=services/*}/mailAccounts", body: .field("mail_account")),
    .init("GetMailAccount", .mail, .get, "/v1/{name=services/*/mailAccounts/*}"),
    .init("ListMailAccounts", .mail, .get, "/v1/{parent=services/*}/mailAccounts"),
    .init(
      "UpdateMailAccount", .mail, .patch, "/v1/{mail_account.name=services/*/mailAccounts/*}",
      body: .field("mail_account")),
    .init("DeleteMailAccount", .mail, .delete, "/v1/{name=services/*/mailAccounts/*}"),
    .init("CheckMailAccount", .mail, .post, "/v1/{name=services/*/mailAccounts/*}:check", body: .whole),

    .init("CreateMasks", .masking, .post, "/v1/{parent=services/*/tickets/*}/masks", body: .whole),
    .init("UnmaskText", .masking, .post, "/v1/{name=services/*/tickets/*/masks/*}:unmask", body: .whole),
    .init("RevealMask", .masking, .post, "/v1/{name=services/*/tickets/*/masks/*}:reveal", body: .whole),
    .init("ListMasks", .masking, .get, "/v1/{parent=services/*/tickets/*}/masks"),
    .init("DetectPersonalData", .masking, .get, "/v1/{parent=services/*/tickets/*}:detectPersonalData"),
    .init("GetMaskingSettings", .masking, .get, "/v1/{name=services/*/maskingSettings}"),
    .init(
      "UpdateMaskingSettings", .masking, .patch, "/v1/{masking_settings.name=services/*/maskingSettings}",
      body: .field("masking_settings")),
    .init("ListMaskingActs", .masking, .get, "/v1/{parent=services/*}/maskingActs"),
  ]
}
