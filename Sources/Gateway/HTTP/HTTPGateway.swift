import MessageJSON
import Protobuf
package import RPC
import ServiceKit

/// The JSON form of the API: looks the path up in the route table, turns JSON into the message of the method and back.
///
/// Errors are `application/problem+json` (RFC 9457). Nothing here knows a message by its type.
package struct HTTPGateway: HTTPHandler {
  /// Largest body of a request that is JSON, expanded.
  package static let jsonBytesMax = 1 << 20
  /// Bytes that may come of a request that is refused; the largest that is not, a mail, has 36 MB.
  package static let refusedBytesMax = 64 << 20

  let service: GatewayService
  let routes: RouteTable
  /// How the paths end that files go to or come from, such as `/attachments` and `:download`.
  let fileEndings: [String]
  private let methods: [String: JSONMethod]
  private let crossOrigin: CrossOriginPolicy
  private let reference = Reference()

  /// Creates the handler.
  ///
  /// - Parameter crossOrigin: which pages of other origins may call.
  /// - Throws: when a row of the route table is malformed or names no method, which a test of the table shows.
  package init(_ service: GatewayService, crossOrigin: CrossOriginPolicy) throws {
    self.service = service
    self.crossOrigin = crossOrigin
    routes = try RouteTable()
    methods = GatewayService.methods.mapValues { JSONMethod($0) }
    for route in Route.all where methods[route.method] == nil { throw PathTemplate.Malformed.template(route.path) }
    fileEndings = try Route.all.filter(\.shape.isFile).map { try PathTemplate($0.path).ending }
  }

  /// Answers one request.
  package func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async {
    let exchange = HTTPExchange(request, writer, call, crossOrigin)
    do {
      if let answer = try await answer(exchange) { await exchange.respond(answer) }
    } catch {
      let isConditional = request.header("if-match") != nil
      let problem = Problem(error, requestID: call.requestID, isConditional: isConditional)
      await exchange.respond(HTTPAnswer(status: problem.status, headers: problem.headers, body: problem.body))
    }
  }

  /// Tells what the server refused by itself in the same form as every other error.
  package func refusal(status: Int, _ call: CallContext) -> HTTPRefusal {
    let reason: Reason =
      switch status {
      case 413: .bodyTooLarge
      case 504: .deadlineExceeded
      default: .tooManyRequests
      }
    let problem = Problem(ServiceError(reason), requestID: call.requestID)
    let headers = HTTPExchange.all(problem.headers, HTTPExchange.commonFields(call, crossOrigin))
    return HTTPRefusal(headers: headers, body: problem.body)
  }

  /// A request that has found its method.
  struct Found {
    let route: Route
    let method: JSONMethod
    let path: RequestPath
    /// The parameters of its query, in order.
    let query: [(name: String, value: String)]
    /// The field that takes a resource name from the path, and that name.
    let field: String?
    let value: String
  }

  /// The answer; nil when it has been sent as a file or a stream.
  private func answer(_ exchange: HTTPExchange) async throws -> HTTPAnswer? {
    let request = exchange.request
    let (plainPath, queryText) = Self.parts(of: request.path)
    guard let path = RequestPath(plainPath) else {
      throw ServiceError(.resourceNotFound, "The path cannot be read; check its percent escapes.")
    }
    if path.segments.count == 1, Reference.paths.contains(String(plainPath)) {
      return try await self.document(String(plainPath), exchange)
    }
    switch routes.match(request.method == "HEAD" ? "GET" : request.method, path) {
    case .notFound:
      throw ServiceError(.methodNotFound, notFound(path))
    case .verbNotAllowed(let allowed) where request.method == "OPTIONS":
      return options(allowed, exchange)
    case .verbNotAllowed(let allowed):
      throw VerbNotAllowed(routes: allowed)
    case .route(let route, _, _) where request.method == "HEAD" && route.shape != .unary:
      throw VerbNotAllowed(routes: [route])
    case .route(let route, let field, let value):
      guard let method = methods[route.method] else { throw ServiceError(.internal) }
      guard let query = QueryString.pairs(queryText) else {
        throw ServiceError.invalid("query", "cannot be read; check its percent escapes (at most 100 parameters)")
      }
      let found = Found(route: route, method: method, path: path, query: query, field: field, value: value)
      return try await answer(found, exchange)
    }
  }

  /// Path and query of what a request asks for.
  static func parts(of target: String) -> (path: Substring, query: Substring) {
    guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (target[...], "") }
    return (target[..<mark], target[target.utf8.index(after: mark)...])
  }

  /// One of the documents about the API, for everybody.
  private func document(_ path: String, _ exchange: HTTPExchange) async throws -> HTTPAnswer {
    guard ["GET", "HEAD"].contains(exchange.request.method) else { throw VerbNotAllowed(allowed: ["GET", "HEAD"]) }
    _ = try service.admitAddress(of: exchange.call)
    let document = try await reference.document(at: path)
    var headers = [("content-type", document.type), ("cache-control", "no-cache")].map { (name: $0.0, value: $0.1) }
    if let policy = document.policy { headers.append((HTTPExchange.policyField, policy)) }
    return HTTPAnswer(headers: headers, body: document.body, mayCompress: true, packed: document.packed)
  }

  /// Ends what the handler has of its own; blocks, so not to be called on a loop.
  package func shutDown() { reference.shutDown() }

  private func answer(_ found: Found, _ exchange: HTTPExchange) async throws -> HTTPAnswer? {
    let credential = try SessionCookie.credential(exchange, found.route)
    let authorization = credential.authorization
    let admission = try await service.admit(found.route, authorization: authorization, exchange.call)
    var answer: HTTPAnswer
    switch found.route.shape {
    case .download:
      try await download(found, admission, exchange)
      return nil
    case .upload:
      answer = try json(try await upload(found, admission, exchange), found)
    case .live:
      let message = try message(found, exchange)
      if let id = exchange.request.header("last-event-id"), !id.isEmpty {
        try put(id, named: "resume_after", into: message)
      }
      try await watch(found, message.serialized(), admission, authorization: authorization, exchange)
      return nil
    case .unary:
      let message = try message(found, exchange).serialized()
      let response = try await service.respond(
        to: found.route, message, admission, authorization: authorization, exchange.call)
      let (shown, fields) = try SessionCookie.answer(response, to: message, found.route, credential, exchange)
      answer = try json(shown, found)
      answer.headers += fields
    }
    if let budget = admission.budget { answer.headers += Self.fields(budget) }
    return answer
  }

  /// What is left of the caller's budget.
  private static func fields(_ budget: TokenBucket.Verdict) -> [(name: String, value: String)] {
    [
      ("ratelimit-limit", "\(budget.limit)"), ("ratelimit-remaining", "\(budget.remaining)"),
      ("ratelimit-reset", "\(budget.resetSeconds)"),
    ]
  }

  /// The JSON of an answer, with its version and the way to the next page.
  private func json(_ response: [UInt8], _ found: Found) throws -> HTTPAnswer {
    let message = try DynamicMessage(serialized: response, as: found.method.output, in: Arena())
    var answer = HTTPAnswer(
      headers: [("content-type", "application/json"), ("cache-control", "no-store")],
      body: MessageWriter.json(message), mayCompress: found.route.backend != .gateway)
    if let tag = found.method.entityTag(of: message) { answer.headers.append(("etag", tag)) }
    if found.route.verb == .get, let token = found.method.nextPageToken {
      let links = PageLinks.field(found.path, found.query, nextPageToken: message.string(token))
      if let links { answer.headers.append(("link", links)) }
    }
    return answer
  }

  private func notFound(_ path: RequestPath) -> String {
    let near = routes.near(path)
    return near.isEmpty
      ? "There is nothing at this path; the paths are in the API's reference."
      : "There is nothing at this path. Near it are: \(near.joined(separator: ", "))."
  }

  /// What may be done at a path; for a page of another origin, what it may send.
  private func options(_ allowed: [Route], _ exchange: HTTPExchange) -> HTTPAnswer {
    var headers = [VerbNotAllowed(routes: allowed).field]
    if exchange.request.header("access-control-request-method") != nil {
      headers += crossOrigin.preflight(
        for: exchange.request.header("origin"), verbs: allowed.map(\.verb.rawValue))
    }
    return HTTPAnswer(status: 204, headers: headers)
  }

  /// The request message, made of path, query, header and body.
  private func message(_ found: Found, _ exchange: HTTPExchange) throws -> DynamicMessage {
    let message = DynamicMessage(found.method.input, in: Arena())
    try fill(message, found, exchange)
    if let field = found.field { try put(found.value, named: field, into: message) }
    try RequestTerms.apply(exchange.request, to: message)
    return message
  }

  private func fill(_ message: DynamicMessage, _ found: Found, _ exchange: HTTPExchange) throws {
    if let pair = found.query.first, found.route.body.isEverything {
      throw ServiceError.invalid(pair.name, "must stand in the body, not in the query")
    }
    for pair in found.query { try put(pair.value, named: pair.name, into: message) }
    switch found.route.body {
    case .none:
      guard exchange.request.body.isEmpty else { throw ServiceError.invalid("body", "must be empty for this method") }
    case .whole:
      try read(exchange, into: message, path: "")
    case .field(let name):
      guard let field = message.descriptor.schema.field(named: name) else { throw ServiceError(.internal) }
      try read(exchange, into: message.putMessage(in: field), path: name)
    case .raw(let name):
      guard let field = message.descriptor.schema.field(named: name) else { throw ServiceError(.internal) }
      message.put(bytes: try exchange.body(bytesMax: Self.jsonBytesMax), in: field)
    }
  }

  private func read(_ exchange: HTTPExchange, into message: DynamicMessage, path: String) throws {
    if exchange.request.body.isEmpty { return }
    let type = exchange.request.header("content-type")?.split(separator: ";").first?.lowercased() ?? ""
    guard type.filter({ $0 != " " }) == "application/json" else {
      throw MediaTypeNotSupported(
        "Send the body with content-type: application/json.", ("accept", "application/json"))
    }
    do {
      let body = try exchange.body(bytesMax: Self.jsonBytesMax)
      try MessageReader.read(try JSONParser.parse(body), into: message, path: path)
    } catch let error as JSONSyntaxError {
      throw ServiceError.invalid("body", "is no JSON \(error)")
    } catch let error as JSONMappingError {
      throw ServiceError.invalid(error.path.isEmpty ? "body" : error.path, error.problem)
    }
  }

  private func put(_ text: String, named name: String, into message: DynamicMessage) throws(ServiceError) {
    do {
      try MessageReader.put(parameter: text, named: name, into: message)
    } catch {
      throw ServiceError.invalid(error.path, error.problem)
    }
  }
}
