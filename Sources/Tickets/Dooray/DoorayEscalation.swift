import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to escalate a ticket to Dooray! asks for, checked as far as that goes without database and Dooray!.
struct DoorayEscalation: Sendable {
  private static let choicesMax = 50

  let name: TicketName
  let project: DoorayProjectName
  /// The id of the template that fills in what is left empty; empty: none.
  let template: String
  private(set) var subject: String
  private(set) var text: String
  private(set) var tags: [String]
  private(set) var assignees: [String]
  private(set) var cc: [String]
  /// Files that go with the task.
  let attachments: AttachmentList
  let version: Int64
  let requestID: String

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong; TEXT_REQUIRED; RESOURCE_NOT_FOUND for a project of
  ///   another service than the ticket.
  init(_ request: EscalateToDoorayRequest) throws(ServiceError) {
    var check = RequestCheck()
    check.name(request.name, "name", TicketName.self)
    check.name(request.project, "project", DoorayProjectName.self)
    template = request.templateId
    if !template.isEmpty { check.doorayID(template, "template_id") }
    subject = check.line(
      request.subject, "subject", charactersMax: FieldLimits.titleCharactersMax, mayBeBlank: !template.isEmpty)
    text = check.text(request.text, "text", charactersMax: FieldLimits.answerCharactersMax)
    for (field, ids) in [
      ("tag_ids", request.tagIds), ("assignee_ids", request.assigneeIds), ("cc_ids", request.ccIds),
    ] {
      check.require(ids.count <= Self.choicesMax, field, "must be at most \(Self.choicesMax)")
      for (index, id) in ids.prefix(Self.choicesMax).enumerated() { check.doorayID(id, "\(field)[\(index)]") }
    }
    attachments = AttachmentList(request.attachments, &check)
    check.version(request.version)
    check.requestID(request.requestId)
    try check.done()
    if template.isEmpty && CanonicalText.isBlank(text) { throw ServiceError(.textRequired) }
    name = try TicketName(request.name, field: "name")
    project = try DoorayProjectName(request.project, field: "project")
    tags = request.tagIds
    assignees = request.assigneeIds
    cc = request.ccIds
    version = request.version
    requestID = request.requestId
    if project.service != name.service { throw ServiceError(.resourceNotFound) }
  }

  /// The same with what it leaves empty filled in by its template.
  ///
  /// - Throws: REQUEST_INVALID, TEXT_REQUIRED when the template has no subject or text that could be taken.
  func filled(by content: DoorayTemplateContent) throws(ServiceError) -> DoorayEscalation {
    var filled = self
    var check = RequestCheck()
    if CanonicalText.isBlank(subject) {
      filled.subject = check.line(content.subject, "subject", charactersMax: FieldLimits.titleCharactersMax)
    }
    if CanonicalText.isBlank(text) {
      filled.text = check.text(content.body, "text", charactersMax: FieldLimits.answerCharactersMax)
    }
    try check.done()
    if CanonicalText.isBlank(filled.text) { throw ServiceError(.textRequired) }
    if tags.isEmpty { filled.tags = Array(content.tags.prefix(Self.choicesMax)) }
    if assignees.isEmpty { filled.assignees = Array(content.assignees.prefix(Self.choicesMax)) }
    if cc.isEmpty { filled.cc = Array(content.cc.prefix(Self.choicesMax)) }
    return filled
  }
}
