import Crypto
import EventLoop
import MessageJSON

/// A task to be created.
struct DoorayTaskDraft: Sendable {
  /// The project's id at Dooray!.
  let project: String
  let subject: String
  /// Markdown; HTML is not honoured.
  let body: String
  let tags: [String]
  let assignees: [String]
  let cc: [String]

  var json: JSONValue {
    func people(_ ids: [String]) -> JSONValue {
      .array(
        ids.map { id in
          .object([
            .init("type", .string("member")), .init("member", .object([.init("organizationMemberId", .string(id))])),
          ])
        })
    }
    return .object([
      .init("users", .object([.init("to", people(assignees)), .init("cc", people(cc))])),
      .init("subject", .string(subject)),
      .init("body", .object([.init("mimeType", .string("text/x-markdown")), .init("content", .string(body))])),
      .init("dueDateFlag", .bool(true)), .init("tagIds", .array(tags.map { .string($0) })),
    ])
  }
}

extension JSONMember {
  fileprivate init(_ name: String, _ value: JSONValue) { self.init(name: name, value: value) }
}

extension DoorayFailure {
  /// Whether what was asked may have been done all the same.
  var isUnsure: Bool {
    switch self {
    case .unreachable, .failing, .unreadable, .cutShort: true
    case .tokenRefused, .notAllowed, .notFound, .tooManyRequests, .refused: false
    }
  }
}

/// Tasks at Dooray!. All throw ``DoorayFailure`` and `CancellationError`.
extension DoorayClient {
  private static let pageSize = 100
  /// Pages that are looked through; a search that does not end within them says so.
  private static let searchPagesMax = 50
  private static let newestMax = 20
  /// How far the clocks here and at Dooray! may be apart.
  private static let clockMarginSeconds: Int64 = 3600

  /// Creates a task and returns its id.
  func create(_ draft: DoorayTaskDraft, as token: SecretBytes, deadline: Deadline) async throws -> String {
    let path = "/project/v1/projects/\(draft.project)/posts"
    let answer = try await post(path, draft.json, as: token, deadline: deadline)
    guard let id = answer.result["id"]?.text else { throw DoorayFailure.unreadable }
    return id
  }

  /// The id of the task that has a marker in its text, looked for among those that were created since its row was;
  /// nil when there is certainly none.
  ///
  /// - Parameters:
  ///   - subject: as it is stored here: parts of it may have been masked since it was sent.
  ///   - beginSeconds: when its row was made, in seconds since 1970.
  /// - Throws: ``DoorayFailure/cutShort`` when there are too many tasks to tell; ``DoorayFailure/notAllowed`` when it
  ///   may be one that the token's owner must not read.
  func task(
    marked marker: String, subject: String, since beginSeconds: Int64, inProject project: String,
    as token: SecretBytes, deadline: Deadline
  ) async throws -> String? {
    var isHidden = false
    for page in 0..<Self.searchPagesMax {
      let path = "/project/v1/projects/\(project)/posts?page=\(page)&size=\(Self.pageSize)&order=-createdAt"
      guard let found = try await get(path, as: token, deadline: deadline).result.elements else {
        throw DoorayFailure.unreadable
      }
      for (index, candidate) in found.enumerated() {
        let isNamedSo = DoorayMarker.mayBe(candidate["subject"]?.text ?? "", storedAs: subject)
        // The newest ones are looked into whatever their subject is: Dooray! may have changed spaces in it.
        guard page == 0 && index < Self.newestMax || isNamedSo, let id = candidate["id"]?.text else { continue }
        guard DoorayMarker.isID(id) else { throw DoorayFailure.unreadable }
        do {
          let task = try await get("/project/v1/projects/\(project)/posts/\(id)", as: token, deadline: deadline)
          if task.result["body"]?["content"]?.text?.contains(marker) == true { return id }
        } catch DoorayFailure.notFound {
          // It was deleted meanwhile.
        } catch DoorayFailure.notAllowed {
          if isNamedSo { isHidden = true }
        }
      }
      let isOlder = (found.last?["createdAt"]?.text).flatMap { RFC3339.parse($0) }
        .map { $0.seconds < beginSeconds - Self.clockMarginSeconds }
      if found.count < Self.pageSize || isOlder == true {
        if isHidden { throw DoorayFailure.notAllowed }
        return nil
      }
    }
    throw DoorayFailure.cutShort
  }
}

extension DoorayClient {
  /// How far a task is; nil when that is said in a word that is not known.
  func progress(
    ofTask id: String, inProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> DoorayProgress? {
    let task = try await get("/project/v1/projects/\(project)/posts/\(id)", as: token, deadline: deadline).result
    guard task["id"]?.text == id else { throw DoorayFailure.unreadable }
    return task["workflowClass"]?.text.flatMap { DoorayProgress(workflowClass: $0) }
  }

  /// The id of the project in which a task is, wherever it was created.
  func place(ofTask id: String, as token: SecretBytes, deadline: Deadline) async throws -> String {
    let task = try await get("/project/v1/posts/\(id)", as: token, deadline: deadline).result
    guard task["id"]?.text == id, let project = task["project"]?["id"]?.text, DoorayMarker.isID(project) else {
      throw DoorayFailure.unreadable
    }
    return project
  }
}

extension DoorayClient {
  /// The files of a task.
  func files(
    ofTask id: String, inProject project: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> [DoorayTaskFile] {
    let task = try await get("/project/v1/projects/\(project)/posts/\(id)", as: token, deadline: deadline).result
    guard task["id"]?.text == id else { throw DoorayFailure.unreadable }
    return (task["files"]?.elements ?? []).compactMap { file in
      file["id"]?.text.map {
        DoorayTaskFile(id: $0, name: file["name"]?.text ?? "", sizeBytes: file["size"]?.integer)
      }
    }
  }
}

/// A file of a task as Dooray! has it.
struct DoorayTaskFile: Sendable {
  let id: String
  let name: String
  /// Nil when Dooray! does not tell.
  let sizeBytes: Int?
}
