package import Postgres
package import ServiceKit

/// Something that administrators change and that has versions.
package enum SettingSubject: Sendable {
  case service(ServiceID)
  case submissionType(SubmissionTypeID)
  case processingType(ProcessingTypeID)
  /// The form of a submission type.
  case form(SubmissionTypeID)
  case field(FieldID)
  /// One of the fields that every ticket has, by its code.
  case systemField(String)
  case template(TemplateID)
  /// A way by which mails come in, by its id.
  case mailAccount(Int64)
  /// Whether a service uses Dooray!.
  case dooray(ServiceID)
  /// An organization at Dooray!.
  case doorayOrganization(DoorayOrganizationID)
  /// A project at Dooray!.
  case doorayProject(DoorayProjectID)

  /// As `setting_change` names it.
  var text: String {
    switch self {
    case .service(let id): "service/\(id)"
    case .submissionType(let id): "submission_type/\(id)"
    case .processingType(let id): "processing_type/\(id)"
    case .form(let id): "form/\(id)"
    case .field(let id): "field/\(id)"
    case .systemField(let code): "system_field/\(code)"
    case .template(let id): "template/\(id)"
    case .mailAccount(let id): "mail_account/\(id)"
    case .dooray(let id): "dooray/\(id)"
    case .doorayOrganization(let id): "dooray_organization/\(id)"
    case .doorayProject(let id): "dooray_project/\(id)"
    }
  }
}

/// A change of a setting: who makes it, of which fields, and which version they saw.
package struct SettingChange: Sendable {
  /// Versions of a subject that are remembered.
  private static let kept: Int64 = 100

  /// The service whose setting it is.
  package let service: ServiceID
  let subject: SettingSubject
  /// The names of the fields, as in the API.
  let fields: [String]
  /// Who runs the service.
  let agent: AgentID
  /// 0: whatever it is now.
  package let seen: Int64

  /// Describes a change by the caller.
  ///
  /// - Throws: PERMISSION_DENIED when a daemon acts for itself.
  package init(
    _ access: Access, _ subject: SettingSubject, _ fields: some Sequence<String>, seen: Int64 = 0
  ) throws(ServiceError) {
    self.init(of: access.service.id, by: try access.agent().agentID, subject, fields, seen: seen)
  }

  /// Describes a change by an agent who need be no member of the service.
  package init(
    of service: ServiceID, by agent: AgentID, _ subject: SettingSubject, _ fields: some Sequence<String>, seen: Int64
  ) {
    self.service = service
    self.subject = subject
    self.fields = fields.sorted()
    self.agent = agent
    self.seen = seen
  }

  /// Notes the version that the change made, in the change's own transaction.
  package func note(_ version: Int64, _ transaction: PostgresTransaction) async throws {
    _ = try await transaction.batch([
      """
      INSERT INTO setting_change (service_id, subject, version, fields, agent_id)
      VALUES (\(service), \(subject.text), \(version), \(fields), \(agent))
      """,
      """
      DELETE FROM setting_change
      WHERE service_id = \(service) AND subject = \(subject.text) AND version <= \(version - Self.kept)
      """,
    ])
  }

  /// What a writer is told who saw an older version than the current one: what has changed since, by whom and when.
  ///
  /// The metadata are those of a ticket's stale version: `current_version`, `seen_version`, `changed_fields`, and of
  /// the last change `changed_by`, `changed_by_display_name` and `change_time`. What is not remembered is not told.
  package func stale(_ current: Int64, _ transaction: PostgresTransaction) async throws -> ServiceError {
    var error = ServiceError(
      .staleVersion, metadata: ["current_version": String(current), "seen_version": String(seen)])
    let rows = try await transaction.query(
      """
      SELECT c.fields, c.agent_id, a.display_name, c.change_time
      FROM setting_change AS c JOIN agent AS a ON a.id = c.agent_id
      WHERE c.service_id = \(service) AND c.subject = \(subject.text) AND c.version > \(seen)
      ORDER BY c.version DESC
      """)
    guard let last = rows.first else { return error }
    var changed: [String] = []
    for row in rows.reversed() {
      for field in try row.strings(0) where !changed.contains(field) { changed.append(field) }
    }
    let name = try last.string(2)
    error.message = "\(name) changed it meanwhile (\(changed.joined(separator: ", "))); read it again, then decide"
    error.metadata["changed_fields"] = changed.joined(separator: ",")
    error.metadata["changed_by"] = AgentName(id: try last.value(1)).description
    error.metadata["changed_by_display_name"] = name
    error.metadata["change_time"] = try last.instant(3).text
    return error
  }
}
