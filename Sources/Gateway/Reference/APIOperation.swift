import HandoffAPI
import Protobuf

/// One route as a reader of the reference sees it: its path with named parts, its parameters, its body.
struct APIOperation {
  /// A parameter in path or query.
  struct Parameter {
    /// As it is written in a request.
    let name: String
    let isInPath: Bool
    /// The type of a parameter of the query; nil for a part of the path, which is a text.
    let field: FieldSchema?
    /// Full name of the field, under which something is said of it.
    let fullName: String
  }

  let route: Route
  let method: MethodDescriptor
  /// `/v1/services/{service}/tickets/{ticket}:process`.
  let path: String
  let parameters: [Parameter]
  /// Fields of the request message that the path gives, and are left out of the body.
  let pathField: String?

  /// Full name of the RPC that says what it does.
  var fullName: String { "\(route.backend.service).\(route.method)" }

  /// The collection it is about: `tickets`.
  var tag: String {
    let words = path.split(separator: "/").filter { !$0.hasPrefix("{") && $0 != "v1" }
    let first = words.first.map { String($0.split(separator: ":")[0]) } ?? ""
    return first == "services" && words.count > 1 ? String(words[1].split(separator: ":")[0]) : first
  }

  /// Whether a change can be made for one version.
  var takesVersion: Bool { method.input.schema.field(named: "version")?.kind == .int64 }
  /// Whether a request can be repeated safely.
  var takesRequestID: Bool { method.input.schema.field(named: "request_id") != nil }

  /// Every route of the public API, in the order of the table.
  static let all: [APIOperation] = {
    var methods: [String: MethodDescriptor] = [:]
    for service in HandoffAPI.services where service.fullName.hasPrefix("handoff.gateway.") {
      for method in service.methods { methods[method.name] = method }
    }
    return Route.all.compactMap { route in methods[route.method].flatMap { APIOperation(route, $0) } }
  }()

  /// Deepest message whose fields can be named in a query: `customer.email`.
  private static let queryDepthMax = 2

  private init?(_ route: Route, _ method: MethodDescriptor) {
    guard let template = try? PathTemplate(route.path) else { return nil }
    self.route = route
    self.method = method
    var path = ""
    var parameters: [Parameter] = []
    var collection = ""
    for segment in template.segments {
      switch segment {
      case .literal(let word):
        path += "/\(word)"
        collection = word
      case .any:
        let name = Self.singular(collection)
        path += "/{\(name)}"
        parameters.append(Parameter(name: name, isInPath: true, field: nil, fullName: ""))
      }
    }
    if let verb = template.verb { path += ":\(verb)" }
    self.path = path
    pathField = template.variable.map { $0.field }
    switch (route.shape, route.body) {
    case (.upload, _):
      if route.method == "UploadAttachment", let header = method.input.schema.field(named: "header")?.message,
        let field = header.schema.field(named: "file_name")
      {
        parameters.append(
          Parameter(name: field.jsonName, isInPath: false, field: field, fullName: "\(header.fullName).\(field.name)"))
      }
    case (.download, _), (_, .whole), (_, .raw): break
    case (_, .field(let body)):
      parameters += Self.query(method.input, without: [body, pathField ?? ""], prefix: "", depth: 1)
    case (_, .none):
      parameters += Self.query(method.input, without: [pathField ?? ""], prefix: "", depth: 1)
    }
    self.parameters = parameters
  }

  private static func query(
    _ message: MessageDescriptor, without: [String], prefix: String, depth: Int
  ) -> [Parameter] {
    message.schema.fields.flatMap { field -> [Parameter] in
      if without.contains(field.name) { return [] }
      let name = prefix + field.jsonName
      if field.kind == .message, let inner = field.message, JSONSchema.text(of: inner) == nil {
        guard !field.isRepeated, depth < queryDepthMax else { return [] }
        return query(inner, without: [], prefix: "\(name).", depth: depth + 1)
      }
      return [Parameter(name: name, isInPath: false, field: field, fullName: "\(message.fullName).\(field.name)")]
    }
  }

  /// `batches` → `batch`, `entries` → `entry`, `tickets` → `ticket`.
  private static func singular(_ word: String) -> String {
    if word.hasSuffix("ies") { return word.dropLast(3) + "y" }
    if word.hasSuffix("ches") { return String(word.dropLast(2)) }
    return word.hasSuffix("s") ? String(word.dropLast()) : word
  }
}
