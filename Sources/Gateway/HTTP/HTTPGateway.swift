import HandoffAPI
import MessageJSON
import Protobuf
package import RPC
import ServiceKit

/// The JSON form of the API: looks the path up in the route table, turns JSON into the message of the method and back.
///
/// Errors are `application/problem+json` (RFC 9457). Nothing here knows a message by its type.
package struct HTTPGateway: HTTPHandler {
  let service: GatewayService
  private let routes: RouteTable
  private let methods: [String: MethodDescriptor]

  /// Creates the handler.
  ///
  /// - Throws: when a row of the route table is malformed or names no method, which a test of the table shows.
  package init(_ service: GatewayService) throws {
    self.service = service
    routes = try RouteTable()
    var methods: [String: MethodDescriptor] = [:]
    for service in HandoffAPI.services where service.fullName.hasPrefix("handoff.gateway.") {
      for method in service.methods { methods[method.name] = method }
    }
    for route in Route.all where methods[route.method] == nil { throw PathTemplate.Malformed.template(route.path) }
    self.methods = methods
  }

  /// Answers one request.
  package func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async {
    do {
      guard let body = try await answer(request, writer, call) else { return }
      await writer.respond(
        status: 200,
        headers: [
          ("content-type", "application/json"), ("cache-control", "no-store"), ("x-request-id", call.requestID),
        ], body: body)
    } catch {
      let problem = Problem(error, requestID: call.requestID)
      await writer.respond(status: problem.status, headers: problem.headers, body: problem.body)
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
    return HTTPRefusal(headers: problem.headers, body: problem.body)
  }

  /// The JSON of an answer; nil when it has been sent as a file or a stream.
  private func answer(
    _ request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext
  ) async throws -> [UInt8]? {
    let parts = request.path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard let path = parts.first.flatMap(RequestPath.init) else {
      throw ServiceError(.resourceNotFound, "The path cannot be read; check its percent escapes.")
    }
    switch routes.match(request.method, path) {
    case .notFound:
      throw ServiceError(.methodNotFound, "There is nothing at this path; the paths are in the API's reference.")
    case .verbNotAllowed(let allowed):
      throw VerbNotAllowed(allowed: allowed)
    case .route(let route, let field, let value):
      guard let method = methods[route.method] else { throw ServiceError(.internal) }
      let query: Substring = parts.count > 1 ? parts[1] : ""
      if route.shape == .download {
        try await download(route, request, name: value, writer, call)
        return nil
      }
      if route.shape == .upload {
        let made = try await upload(route, request, parent: value, query: query, call)
        return MessageWriter.json(try DynamicMessage(serialized: made, as: method.output, in: Arena()))
      }
      guard request.body.count <= Self.jsonBytesMax else { throw ServiceError(.bodyTooLarge) }
      let arena = Arena()
      let message = DynamicMessage(method.input, in: arena)
      try fill(message, route, request, query: query)
      if let field { try put(value, named: field, into: message) }
      if route.shape == .live {
        if let id = request.header("last-event-id"), !id.isEmpty { try put(id, named: "resume_after", into: message) }
        try await watch(route, request, message.serialized(), method, writer, call)
        return nil
      }
      let response = try await service.respond(
        to: route, message.serialized(), authorization: request.header("authorization"), call)
      return MessageWriter.json(try DynamicMessage(serialized: response, as: method.output, in: Arena()))
    }
  }

  /// Puts body and query into the request message.
  private func fill(_ message: DynamicMessage, _ route: Route, _ request: HTTPRequest, query: Substring) throws {
    guard let pairs = QueryString.pairs(query) else {
      throw ServiceError.invalid("query", "cannot be read; check its percent escapes (at most 100 parameters)")
    }
    if !pairs.isEmpty, route.body == .whole {
      throw ServiceError.invalid(pairs[0].name, "must stand in the body, not in the query")
    }
    for pair in pairs { try put(pair.value, named: pair.name, into: message) }
    switch route.body {
    case .none:
      guard request.body.isEmpty else { throw ServiceError.invalid("body", "must be empty for this method") }
    case .whole:
      try read(request, into: message, path: "")
    case .field(let name):
      guard let field = message.descriptor.schema.field(named: name) else { throw ServiceError(.internal) }
      try read(request, into: message.putMessage(in: field), path: name)
    }
  }

  private func read(_ request: HTTPRequest, into message: DynamicMessage, path: String) throws {
    if request.body.isEmpty { return }
    let type = request.header("content-type")?.split(separator: ";").first?.lowercased() ?? ""
    guard type == "application/json" else { throw MediaTypeNotSupported() }
    do {
      try MessageReader.read(try JSONParser.parse(request.body), into: message, path: path)
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

/// The path is right, the HTTP method is not.
struct VerbNotAllowed: Error {
  let allowed: [HTTPVerb]
}

/// The body is not JSON, or does not say so.
struct MediaTypeNotSupported: Error {}
