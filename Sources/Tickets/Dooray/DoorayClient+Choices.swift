import Crypto
import EventLoop
import MessageJSON
import TicketLedger

/// What a template says of a task.
struct DoorayTemplateContent: Sendable, Equatable {
  let subject: String
  let body: String
  let tags: [String]
  let assignees: [String]
  let cc: [String]
}

/// What can be chosen for a task of a project. All throw ``DoorayFailure`` and `CancellationError`; projects, templates
/// and members are named by digits only.
extension DoorayClient {
  private static let pageSize = 100
  private static let tagPagesMax = 20

  /// The tags of a project.
  func tags(ofProject project: String, as token: SecretBytes, deadline: Deadline) async throws -> DoorayTags {
    var tags: [DoorayTags.Tag] = []
    for page in 0..<Self.tagPagesMax {
      let path = "/project/v1/projects/\(project)/tags?page=\(page)&size=\(Self.pageSize)"
      let answer = try await get(path, as: token, deadline: deadline)
      guard let found = answer.result.elements else { throw DoorayFailure.unreadable }
      tags += found.compactMap { tag in
        guard let id = tag["id"]?.text else { return nil }
        return DoorayTags.Tag(
          id: id, name: tag["name"]?.text ?? id, group: tag["tagGroup"].flatMap { DoorayTags.Group($0) })
      }
      if found.count < Self.pageSize || tags.count >= answer.totalCount ?? .max { break }
    }
    return DoorayTags(tags: tags)
  }

  /// Ids and names of a project's templates, at most 100.
  func templates(
    ofProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> [(id: String, name: String)] {
    let path = "/project/v1/projects/\(project)/templates?page=0&size=\(Self.pageSize)"
    guard let found = try await get(path, as: token, deadline: deadline).result.elements else {
      throw DoorayFailure.unreadable
    }
    return found.compactMap { template in
      template["id"]?.text.map { ($0, template["templateName"]?.text ?? template["subject"]?.text ?? $0) }
    }
  }

  /// What a template says, with its variables filled in by Dooray!.
  func template(
    _ id: String, ofProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> DoorayTemplateContent {
    let path = "/project/v1/projects/\(project)/templates/\(id)?interpolation=true"
    let result = try await get(path, as: token, deadline: deadline).result
    guard result["id"]?.text == id else { throw DoorayFailure.unreadable }
    func members(_ kind: String) -> [String] {
      (result["users"]?[kind]?.elements ?? []).compactMap { $0["member"]?["organizationMemberId"]?.text }
        .filter(DoorayMarker.isID)
    }
    let body = result["body"]?["content"]?.text ?? ""
    return DoorayTemplateContent(
      subject: result["subject"]?.text ?? "",
      // Tasks are created as Markdown: Dooray! would show the tags.
      body: result["body"]?["mimeType"]?.text == "text/html" ? HTMLToText.text(body) : body,
      tags: (result["tags"]?.elements ?? []).compactMap { $0["id"]?.text }.filter(DoorayMarker.isID),
      assignees: members("to"), cc: members("cc"))
  }

  /// Ids of a project's members, at most 100.
  func members(ofProject project: String, as token: SecretBytes, deadline: Deadline) async throws -> [String] {
    let path = "/project/v1/projects/\(project)/members?page=0&size=\(Self.pageSize)"
    guard let found = try await get(path, as: token, deadline: deadline).result.elements else {
      throw DoorayFailure.unreadable
    }
    return found.compactMap { $0["organizationMemberId"]?.text }.filter(DoorayMarker.isID)
  }

  /// A member's name; empty when Dooray! does not tell.
  func memberName(_ id: String, as token: SecretBytes, deadline: Deadline) async throws -> String {
    try await get("/common/v1/members/\(id)", as: token, deadline: deadline).result["name"]?.text ?? ""
  }
}

extension DoorayTags.Group {
  init?(_ json: JSONValue) {
    guard let id = json["id"]?.text else { return nil }
    self.init(
      id: id, name: json["name"]?.text ?? id, isMandatory: json["mandatory"] == .bool(true),
      isSingleChoice: json["selectOne"] == .bool(true))
  }
}
