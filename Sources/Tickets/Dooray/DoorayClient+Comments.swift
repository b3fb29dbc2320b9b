import Crypto
import EventLoop
import MessageJSON

/// A comment as Dooray! has it.
struct DoorayLog: Sendable {
  let id: String
  /// The member who wrote it; empty for anybody else.
  let member: String
  let text: String
}

/// Comments on tasks at Dooray!. All throw ``DoorayFailure`` and `CancellationError`; tasks and projects are named by
/// digits only.
extension DoorayClient {
  /// Comments on a page.
  static let logPageSize = 100
  /// Comments beyond these pages are older than any whose sending is in doubt.
  private static let searchPagesMax = 3

  /// Sends a comment and returns its id.
  func comment(
    _ text: String, onTask task: String, inProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> String {
    let body = JSONValue.object([
      JSONMember(
        name: "body",
        value: .object([
          JSONMember(name: "content", value: .string(text)),
          JSONMember(name: "mimeType", value: .string("text/x-markdown")),
        ]))
    ])
    let answer = try await post(
      "/project/v1/projects/\(project)/posts/\(task)/logs", body, as: token, deadline: deadline)
    guard let id = answer.result["id"]?.text, DoorayMarker.isID(id) else { throw DoorayFailure.unreadable }
    return id
  }

  /// A page of the comments on a task, the newest first.
  ///
  /// - Returns: the comments, and whether there may be a further page.
  func logs(
    onTask task: String, inProject project: String, page: Int, as token: SecretBytes, deadline: Deadline
  ) async throws -> (logs: [DoorayLog], mayBeMore: Bool) {
    let path =
      "/project/v1/projects/\(project)/posts/\(task)/logs?page=\(page)&size=\(Self.logPageSize)&order=-createdAt"
    guard let found = try await get(path, as: token, deadline: deadline).result.elements else {
      throw DoorayFailure.unreadable
    }
    let logs = found.compactMap { log -> DoorayLog? in
      guard log["type"]?.text == "comment", let id = log["id"]?.text, DoorayMarker.isID(id) else { return nil }
      return DoorayLog(
        id: id, member: log["creator"]?["member"]?["organizationMemberId"]?.text ?? "",
        text: log["body"]?["content"]?.text ?? "")
    }
    return (logs, found.count >= Self.logPageSize)
  }

  /// The id of the comment that has a marker, looked for among the newest; nil when there is none.
  func comment(
    marked marker: String, onTask task: String, inProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> String? {
    for page in 0..<Self.searchPagesMax {
      let (logs, mayBeMore) = try await logs(
        onTask: task, inProject: project, page: page, as: token, deadline: deadline)
      if let found = logs.first(where: { DoorayMarker.marker(in: $0.text) == marker }) { return found.id }
      if !mayBeMore { break }
    }
    return nil
  }
}
