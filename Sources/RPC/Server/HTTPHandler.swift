/// Answers the requests on a server's port that are not gRPC.
package protocol HTTPHandler: Sendable {
  /// How one request is served, of which only the head has come. Runs on the connection's loop.
  ///
  /// - Parameters:
  ///   - method: such as `GET`.
  ///   - path: path and query as sent.
  func terms(method: String, path: String) -> HTTPTerms

  /// Answers one request through `writer`; when it returns without having answered, the client gets 500.
  ///
  /// Runs as a task on the connection's loop, cancelled when the client leaves or the deadline of `call` passes.
  func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async

  /// What a request is told that the server refuses by itself: 413 for a body over the limit, 504 when the deadline
  /// passed before an answer. Runs on the connection's loop.
  func refusal(status: Int, _ call: CallContext) -> HTTPRefusal
}

extension HTTPHandler {
  /// As every request is served.
  package func terms(method: String, path: String) -> HTTPTerms { HTTPTerms() }

  /// Says no more than the status.
  package func refusal(status: Int, _ call: CallContext) -> HTTPRefusal { HTTPRefusal(headers: [], body: []) }
}

/// How one request is served.
package struct HTTPTerms: Sendable {
  /// The handler begins with the head of the request, and reads the body as it comes (``HTTPRequest/pieces``); else it
  /// begins when the body is there as a whole.
  package var bodyComesInPieces = false
  /// How long the answer may take, from the head of the request on; nil: the server's `httpTimeout`.
  package var timeLimit: Duration?

  /// As every request is served.
  package init() {}
}

/// The answer to a request that the server refuses by itself.
package struct HTTPRefusal: Sendable {
  /// Header fields, names in lower case.
  package var headers: [(name: String, value: String)]
  /// The body.
  package var body: [UInt8]

  /// Makes an answer.
  package init(headers: [(name: String, value: String)], body: [UInt8]) {
    self.headers = headers
    self.body = body
  }
}

/// A request whose content type is not gRPC's, with its whole body or with what reads it.
package struct HTTPRequest: Sendable {
  /// Such as `GET`.
  package var method: String
  /// Path and query as sent, such as `/v1/tickets?page_size=10`.
  package var path: String
  /// The host the client meant; empty when it said none.
  package var authority: String
  /// All other fields, names in lower case.
  package var headers: Metadata
  /// The body, at most the server's `httpBodyBytesMax`; a longer one was answered with 413 before. Empty when it comes
  /// in pieces.
  package var body: [UInt8]
  /// The body as it comes, when the handler has said so (``HTTPTerms/bodyComesInPieces``); nil else. Of any length, for
  /// the reader to bound: no more of it waits here than a stream's window (256 KiB), since its client waits for the
  /// reader. Throws when the client has left, or the time is over.
  package var pieces: RequestStream<[UInt8]>?

  /// The value of a field; several are joined as HTTP joins them (`; ` for cookies, else `, `).
  package func header(_ name: String) -> String? {
    headers.joined(name, separator: name == "cookie" ? "; " : ", ")
  }
}

/// Sends the answer to one plain HTTP request: whole with ``respond(status:headers:body:)``, or in pieces with
/// ``begin(status:headers:)``, ``write(_:)`` and ``end()``. To be called from the handler's task or its children.
package struct HTTPResponseWriter: Sendable {
  private let call: HTTPCall

  init(_ call: HTTPCall) { self.call = call }

  /// Sends status, header fields (names in lower case) and body, and ends the answer. A second answer is ignored. While
  /// the client is still sending its request, the answer waits (``RPCServerLimits/httpBytesAwaitedMax``).
  package func respond(status: Int, headers: [(name: String, value: String)], body: [UInt8]) async {
    await call.onLoop { $0.respond(status: status, headers: headers, body: body) }
  }

  /// Sends status and header fields; the body follows in pieces.
  package func begin(status: Int, headers: [(name: String, value: String)]) async {
    await call.onLoop { $0.begin(status: status, headers: headers) }
  }

  /// Sends a piece of the body; suspends while more than the server's bound waits for a slow client.
  ///
  /// - Throws: ``RPCError`` with CANCELLED when the client has left.
  package func write(_ bytes: [UInt8]) async throws { try await call.write(bytes) }

  /// Lets the answer take as long as the client stays, whatever the server's `httpTimeout` says.
  package func liftTimeLimit() async { await call.onLoop { $0.liftTimeLimit() } }

  /// Ends the body.
  package func end() async { await call.onLoop { $0.end() } }
}
