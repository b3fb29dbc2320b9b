import EventLoop
import MessageJSON
import RPC
import ServiceKit

/// The documents about the API that the gateway serves, made when somebody first asks for one.
final class Reference: Sendable {
  /// A document, and its compressed form.
  struct Document: Sendable {
    let type: String
    /// What a browser lets it do; nil: as every other answer.
    let policy: String?
    let body: [UInt8]
    let packed: [UInt8]

    init(type: String, policy: String? = nil, body: [UInt8]) {
      self.type = type
      self.policy = policy
      self.body = body
      packed = (try? body.withUnsafeBytes { try Gzip.deflate($0) }) ?? []
    }
  }

  /// The paths of the documents.
  static let paths = ["/openapi.json", "/reference"]

  private static let waitingMax = 256
  // Making them takes long enough to hold up an event loop.
  private let pool = BlockingPool(name: "reference", threads: 1, queueMax: waitingMax)

  /// The document at a path.
  ///
  /// - Throws: TOO_MANY_REQUESTS when too many wait for the first one to be made.
  func document(at path: String) async throws -> Document {
    do {
      return try await pool.run { path == "/reference" ? Self.page : Self.openAPI }
    } catch let error as BlockingPool.Refusal {
      throw ServiceError(.tooManyRequests, cause: error)
    }
  }

  /// Ends the thread; blocks until a document that is being made is there.
  func shutDown() { pool.shutdown() }

  private static let openAPI = Document(
    type: "application/json", body: JSONWriter.bytes(of: OpenAPIDocument().json))
  private static let page = Document(
    type: "text/html; charset=utf-8", policy: ReferencePage.policy, body: ReferencePage.html())
}
