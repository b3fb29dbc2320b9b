import Crypto
import EventLoop
import MessageJSON

/// A person at Dooray!.
struct DoorayMember: Sendable, Equatable {
  let id: String
  /// Empty when Dooray! does not tell.
  let email: String
  /// Empty when Dooray! does not tell.
  let organizationID: String
}

/// Who and what there is at Dooray!. All throw ``DoorayFailure`` and `CancellationError`.
extension DoorayClient {
  private static let pageSize = 100
  /// A project with more members than this counts as one whose other members are not known.
  private static let memberPagesMax = 50

  /// Whose a token is.
  func owner(of token: SecretBytes, deadline: Deadline) async throws -> DoorayMember {
    let result = try await get("/common/v1/members/me", as: token, deadline: deadline).result
    guard let id = result["id"]?.text else { throw DoorayFailure.unreadable }
    return DoorayMember(
      id: id, email: result["externalEmailAddress"]?.text ?? "",
      organizationID: result["defaultOrganization"]?["id"]?.text ?? "")
  }

  /// The organization that a project belongs to; empty when Dooray! does not tell.
  ///
  /// - Parameter id: digits only.
  func organization(ofProject id: String, as token: SecretBytes, deadline: Deadline) async throws -> String {
    let result = try await get("/project/v1/projects/\(id)", as: token, deadline: deadline).result
    guard result["id"]?.text != nil else { throw DoorayFailure.unreadable }
    return result["organizationId"]?.text ?? result["organization"]?["id"]?.text ?? ""
  }

  /// Whether somebody is a member of a project.
  ///
  /// - Parameter project: digits only.
  func isMember(
    _ member: String, of project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> Bool {
    for page in 0..<Self.memberPagesMax {
      let path = "/project/v1/projects/\(project)/members?page=\(page)&size=\(Self.pageSize)"
      let answer = try await get(path, as: token, deadline: deadline)
      guard let members = answer.result.elements else { throw DoorayFailure.unreadable }
      if members.contains(where: { $0["organizationMemberId"]?.text == member }) { return true }
      // Without a total, a page that is not full is the last one.
      let isLast = answer.totalCount.map { $0 <= (page + 1) * Self.pageSize } ?? (members.count < Self.pageSize)
      if members.isEmpty || isLast { return false }
    }
    return false
  }
}
