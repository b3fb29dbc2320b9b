import EventLoop
import HandoffAPI
import ServiceKit

/// What is looked at before a task is created; nothing of it leaves a trace at Dooray!.
extension DoorayEscalator {
  /// Requests for names at a time: half of an organization's threads.
  private static let concurrencyMax = 4

  /// An escalation with what its template says, when its tags are in order.
  ///
  /// - Throws: REQUEST_INVALID naming what is wrong with the tags; TEXT_REQUIRED; DOORAY_REFUSED, BACKEND_UNAVAILABLE.
  func prepared(_ escalation: DoorayEscalation, _ deadline: Deadline) async throws -> DoorayEscalation {
    do {
      var escalation = escalation
      if !escalation.template.isEmpty {
        let content = try await template(escalation.template, deadline)
        escalation = try escalation.filled(by: content)
      }
      let problems = try await tags(deadline).problems(with: escalation.tags)
      if !problems.isEmpty { throw ServiceError.invalid(problems.map { FieldViolation("tag_ids", $0) }) }
      return escalation
    } catch let failure as DoorayFailure {
      throw Self.beforehand(failure)
    }
  }

  /// Everything that can be chosen.
  ///
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func choices(_ deadline: Deadline) async throws -> DoorayChoices {
    let tags = try await tags(deadline)
    let templates = try await keyring.inTurn { token in
      try await client.templates(ofProject: project.doorayID, as: token, deadline: deadline)
    }
    let members = try await keyring.inTurn { token in
      try await client.members(ofProject: project.doorayID, as: token, deadline: deadline)
    }
    let names = try await names(of: members, deadline)
    return DoorayChoices(
      tags: tags.tags.map { DoorayTag(id: $0.id, displayName: $0.name, groupId: $0.group?.id ?? "") },
      tagGroups: tags.groups.map {
        DoorayTagGroup(id: $0.id, displayName: $0.name, mandatory: $0.isMandatory, singleChoice: $0.isSingleChoice)
      },
      templates: templates.map { DoorayTemplate(id: $0.id, displayName: $0.name) },
      members: zip(members, names).map { DoorayPerson(id: $0, displayName: $1) })
  }

  private func tags(_ deadline: Deadline) async throws -> DoorayTags {
    try await keyring.inTurn { token in
      try await client.tags(ofProject: project.doorayID, as: token, deadline: deadline)
    }
  }

  private func template(_ id: String, _ deadline: Deadline) async throws -> DoorayTemplateContent {
    do {
      return try await keyring.inTurn { token in
        try await client.template(id, ofProject: project.doorayID, as: token, deadline: deadline)
      }
    } catch let failure as DoorayFailure where failure == .notFound {
      throw ServiceError.invalid("template_id", "is no template of the project")
    }
  }

  /// Names in the order of the ids; one that is not told is empty.
  private func names(of members: [String], _ deadline: Deadline) async throws -> [String] {
    let (dooray, keyring) = (dooray, keyring)
    return try await withThrowingTaskGroup(of: (Int, String).self) { group in
      var names = [String](repeating: "", count: members.count)
      for (index, member) in members.enumerated() {
        if index >= Self.concurrencyMax, let (done, name) = try await group.next() { names[done] = name }
        group.addTask {
          do {
            return (index, try await dooray.name(ofMember: member, with: keyring, deadline: deadline))
          } catch is DoorayFailure {
            return (index, "")
          }
        }
      }
      for try await (done, name) in group { names[done] = name }
      return names
    }
  }

  /// What an agent is told when Dooray! fails before anything was asked of it that could leave a trace.
  static func beforehand(_ failure: DoorayFailure) -> ServiceError {
    failure.isUnsure
      ? ServiceError(.backendUnavailable, "Dooray! does not answer; nothing was changed, try later") : error(failure)
  }
}
