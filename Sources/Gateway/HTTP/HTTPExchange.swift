import RPC
import ServiceKit

/// An answer of one piece.
struct HTTPAnswer {
  var status = 200
  /// Fields beside those that all answers have; names in lower case.
  var headers: [(name: String, value: String)] = []
  var body: [UInt8] = []
  /// Whether it may be compressed: not when it holds a secret, whose length would tell something of it.
  var mayCompress = false
  /// The body in gzip, when it is there already.
  var packed: [UInt8]?
}

/// One request on its way to its answer: all that is sent for it has the same protecting fields.
struct HTTPExchange: Sendable {
  /// A smaller body is not worth compressing.
  private static let compressedBytesMin = 1_024

  let request: HTTPRequest
  let call: CallContext
  private let writer: HTTPResponseWriter
  private let common: [(name: String, value: String)]

  init(_ request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext, _ crossOrigin: CrossOriginPolicy) {
    self.request = request
    self.writer = writer
    self.call = call
    common = Self.commonFields(call, crossOrigin)
  }

  /// What every answer says: the request's id, and that a browser is neither to guess what it is, nor to show it in a
  /// frame, nor to let it load or run anything.
  static func commonFields(_ call: CallContext, _ crossOrigin: CrossOriginPolicy) -> [(name: String, value: String)] {
    [
      ("x-request-id", call.requestID), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
      ("cross-origin-resource-policy", "same-origin"),
    ] + crossOrigin.fields(for: call.metadata["origin"])
  }

  /// Says what a document may do in a browser.
  static let policyField = "content-security-policy"
  private static let nothing = (name: policyField, value: "default-src 'none'; frame-ancestors 'none'")

  /// Sends an answer.
  func respond(_ answer: HTTPAnswer) async {
    var (headers, body) = (answer.headers, answer.body)
    if answer.mayCompress {
      headers.append(("vary", "accept-encoding"))
      if body.count >= Self.compressedBytesMin, let accepted = request.header("accept-encoding"),
        ContentCodings.acceptsGzip(accepted),
        let packed = answer.packed ?? (try? body.withUnsafeBytes { try Gzip.deflate($0) })
      {
        headers.append(("content-encoding", "gzip"))
        body = packed
      }
    }
    await writer.respond(status: answer.status, headers: all(headers), body: body)
  }

  /// Sends status and fields; the body follows in pieces.
  func begin(status: Int, headers: [(name: String, value: String)]) async {
    await writer.begin(status: status, headers: all(headers))
  }

  /// Sends a piece of the body. Throws when the client has left.
  func write(_ bytes: [UInt8]) async throws { try await writer.write(bytes) }

  /// Lets the answer take as long as the client stays.
  func liftTimeLimit() async { await writer.liftTimeLimit() }

  /// Ends the body.
  func end() async { await writer.end() }

  /// The body of the request, expanded when it came compressed.
  ///
  /// - Throws: BODY_TOO_LARGE; REQUEST_INVALID for broken gzip; ``MediaTypeNotSupported`` for another coding.
  func body(bytesMax: Int) throws -> [UInt8] {
    guard try isCompressed else {
      guard request.body.count <= bytesMax else { throw ServiceError(.bodyTooLarge) }
      return request.body
    }
    do {
      return try request.body.withUnsafeBytes { try Gzip.inflate($0, bytesMax: bytesMax) }
    } catch let error as RPCError {
      guard error.code == .resourceExhausted else { throw IncomingFile.brokenGzip }
      throw ServiceError(.bodyTooLarge)
    }
  }

  /// The body of a request that is read as it comes, expanded when it came compressed.
  ///
  /// - Throws: ``MediaTypeNotSupported`` for another coding.
  func file() throws -> IncomingFile {
    guard let pieces = request.pieces else { throw ServiceError(.internal) }
    return IncomingFile(pieces, isCompressed: try isCompressed)
  }

  /// - Throws: ``MediaTypeNotSupported`` for another coding than gzip.
  private var isCompressed: Bool {
    get throws {
      switch request.header("content-encoding")?.lowercased() {
      case nil, "", "identity": false
      case "gzip", "x-gzip": true
      default:
        throw MediaTypeNotSupported(
          "Send the body as it is, or with content-encoding: gzip.", ("accept-encoding", "gzip"))
      }
    }
  }

  private func all(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
    Self.all(headers, common)
  }

  /// The fields of an answer, with those that all have.
  static func all(
    _ headers: [(name: String, value: String)], _ common: [(name: String, value: String)]
  ) -> [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = []
    fields.reserveCapacity(common.count + headers.count + 1)
    fields += common
    fields += headers
    if !headers.contains(where: { $0.name == policyField }) { fields.append(nothing) }
    return fields
  }
}

/// The path is right, the HTTP method is not.
struct VerbNotAllowed: Error {
  /// What the path takes.
  let allowed: [String]

  /// For a path of documents.
  init(allowed: [String]) { self.allowed = allowed }

  /// For a path of the API: its methods, and those that follow from them.
  init(routes: [Route]) {
    let hasHead = routes.contains { $0.verb == .get && $0.shape == .unary }
    allowed = routes.map(\.verb.rawValue) + (hasHead ? ["HEAD"] : []) + ["OPTIONS"]
  }

  /// As a field of the answer.
  var field: (name: String, value: String) { ("allow", allowed.joined(separator: ", ")) }
}

/// The body is of another kind than is taken here, or does not say what it is.
struct MediaTypeNotSupported: Error {
  let detail: String
  /// The field that tells what is taken.
  let accepted: (name: String, value: String)

  init(_ detail: String, _ accepted: (name: String, value: String)) {
    self.detail = detail
    self.accepted = accepted
  }
}
