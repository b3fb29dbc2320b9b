import MessageJSON
import Protobuf
import ServiceKit

/// The OpenAPI 3.1 description of the JSON face, made of the route table, the descriptors and the comments of the
/// protos.
struct OpenAPIDocument {
  private let words = ReferenceText()
  private let schema: JSONSchema
  private let operations: [APIOperation]

  init(_ operations: [APIOperation] = APIOperation.all) {
    schema = JSONSchema(words)
    self.operations = operations
  }

  /// The whole document.
  var json: JSONValue {
    .members([
      ("openapi", .string("3.1.0")),
      (
        "info",
        .members([
          ("title", .string("Handoff")), ("version", .string("v1")),
          ("description", .string(Self.introduction)),
        ])
      ),
      ("servers", .array([.members([("url", .string("/"))])])),
      ("security", .array([.members([("token", .array([]))]), .members([("cookie", .array([]))])])),
      ("paths", .members(paths)),
      ("components", components),
    ])
  }

  private static let introduction =
    "The one API of a Handoff cluster: tickets, their handling, and the administration of services and people. The same"
    + " methods are offered over gRPC as handoff.gateway.v1. Fields that hold their default are left out of answers;"
    + " unknown fields are refused. A reader for people is at /reference."

  /// Operations by path, in the order of the table.
  private var paths: [(String, JSONValue)] {
    var order: [String] = []
    var verbs: [String: [(String, JSONValue)]] = [:]
    for operation in operations {
      if verbs[operation.path] == nil { order.append(operation.path) }
      verbs[operation.path, default: []].append((operation.route.verb.rawValue.lowercased(), describe(operation)))
    }
    return order.map { ($0, .members(verbs[$0] ?? [])) }
  }

  private func describe(_ operation: APIOperation) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("operationId", .string(operation.route.method)), ("tags", .array([.string(operation.tag)])),
      ("summary", .string(words.summary(operation.fullName))),
      ("description", .string(words.text(operation.fullName))),
    ]
    let parameters = operation.parameters.map(describe) + headers(operation)
    if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
    if let body = body(operation) { members.append(("requestBody", body)) }
    let errors = Self.errorStatuses.map { ("\($0)", Self.problem) }
    members.append(("responses", .members([("200", success(operation))] + errors)))
    if !operation.route.needsSession { members.append(("security", .array([]))) }
    let scopes = operation.route.scopes
    if operation.route.needsSession, !scopes.isEmpty {
      members.append(("x-scopes", .array(scopes.map { .string($0.rawValue) })))
    }
    return .members(members)
  }

  private func describe(_ parameter: APIOperation.Parameter) -> JSONValue {
    guard let field = parameter.field else {
      return .members([
        ("name", .string(parameter.name)), ("in", .string("path")), ("required", .bool(true)),
        ("schema", .members([("type", .string("string")), ("minLength", .number("1"))])),
      ])
    }
    let text = words.text(parameter.fullName)
    return .members(
      [("name", .string(parameter.name)), ("in", .string("query"))]
        + (text.isEmpty ? [] : [("description", .string(text))])
        + (field.name == "file_name" ? [("required", .bool(true))] : []) + [("schema", schema.value(field))])
  }

  private func headers(_ operation: APIOperation) -> [JSONValue] {
    func header(_ name: String, _ text: String) -> JSONValue {
      .members([
        ("name", .string(name)), ("in", .string("header")), ("description", .string(text)),
        ("schema", .members([("type", .string("string"))])),
      ])
    }
    return (operation.takesVersion ? [header("If-Match", "The ETag of the version that is to be changed.")] : [])
      + (operation.takesRequestID
        ? [header("Idempotency-Key", "Makes the request safe to repeat, as requestId does.")] : [])
  }

  private func body(_ operation: APIOperation) -> JSONValue? {
    func content(_ type: String, _ schema: JSONValue, isRequired: Bool) -> JSONValue {
      .members([
        ("required", .bool(isRequired)), ("content", .members([(type, .members([("schema", schema)]))])),
      ])
    }
    if operation.route.shape == .upload {
      let type = operation.route.method == "IngestMessage" ? "message/rfc822" : "application/octet-stream"
      return content(type, .members([("type", .string("string")), ("format", .string("binary"))]), isRequired: true)
    }
    switch operation.route.body {
    case .none: return nil
    case .whole:
      return content(
        "application/json", schema.schema(of: operation.method.input, without: operation.pathField), isRequired: false)
    case .field(let name):
      guard let message = operation.method.input.schema.field(named: name)?.message else { return nil }
      return content("application/json", JSONSchema.reference(message), isRequired: false)
    case .raw:
      return content("application/json", .members([("type", .string("object"))]), isRequired: true)
    }
  }

  private func success(_ operation: APIOperation) -> JSONValue {
    let type: String
    let schema: JSONValue
    switch operation.route.shape {
    case .unary, .upload: (type, schema) = ("application/json", JSONSchema.reference(operation.method.output))
    case .download: (type, schema) = ("*/*", .members([("type", .string("string")), ("format", .string("binary"))]))
    case .live: (type, schema) = ("text/event-stream", .members([("type", .string("string"))]))
    }
    return .members([
      ("description", .string(words.summary(operation.method.output.fullName))),
      ("content", .members([(type, .members([("schema", schema)]))])),
    ])
  }

  private static let problem = JSONValue.members([("$ref", .string("#/components/responses/Problem"))])

  /// Every HTTP status of the error catalogue, and those that HTTP itself brings.
  private static let errorStatuses = Set(Reason.allCases.map(\.entry.httpStatus) + [405, 412, 415]).sorted()

  private var components: JSONValue {
    let messages = JSONSchema.closure(of: operations.flatMap(messages))
    let schemas = messages.sorted { $0.key < $1.key }.map { ($0.key, schema.schema(of: $0.value)) }
    return .members([
      ("schemas", .members(schemas + [("Problem", Self.problemSchema)])),
      ("responses", .members([("Problem", Self.problemResponse)])),
      ("securitySchemes", Self.securitySchemes),
    ])
  }

  /// The messages that an operation refers to.
  private func messages(_ operation: APIOperation) -> [MessageDescriptor] {
    let input = operation.method.input.schema
    let isPlain = operation.route.shape == .unary || operation.route.shape == .upload
    let output = isPlain ? [operation.method.output] : []
    switch operation.route.body {
    case .none, .raw: return output
    case .whole: return output + input.fields.compactMap(\.message)
    case .field(let name): return output + [input.field(named: name)?.message].compactMap { $0 }
    }
  }

  private static let problemResponse: JSONValue = {
    let schema = JSONValue.members([("$ref", .string("#/components/schemas/Problem"))])
    let content = JSONValue.members([("application/problem+json", .members([("schema", schema)]))])
    return .members([
      ("description", .string("An error (RFC 9457). Program against its reason.")), ("content", content),
    ])
  }()

  private static let securitySchemes: JSONValue = {
    let token = JSONValue.members([
      ("type", .string("http")), ("scheme", .string("bearer")),
      ("description", .string("The token of a session (SignIn) or of an API key (CreateApiKey).")),
    ])
    let cookie = JSONValue.members([
      ("type", .string("apiKey")), ("in", .string("cookie")), ("name", .string("__Host-handoff")),
      ("description", .string("Set by SignIn with cookie: true; requests other than GET carry x-csrf-token, too.")),
    ])
    return .members([("token", token), ("cookie", cookie)])
  }()

  private static let problemSchema: JSONValue = {
    func type(_ name: String) -> JSONValue { .members([("type", .string(name))]) }
    func names(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
    let violation = JSONValue.members([
      ("type", .string("object")),
      ("properties", .members([("field", type("string")), ("description", type("string"))])),
      ("required", names(["field", "description"])),
    ])
    let reason = JSONValue.members([("type", .string("string")), ("enum", names(Reason.allCases.map(\.rawValue)))])
    let metadata = JSONValue.members([("type", .string("object")), ("additionalProperties", type("string"))])
    let properties: [(String, JSONValue)] = [
      ("title", type("string")), ("status", type("integer")), ("detail", type("string")), ("reason", reason),
      ("requestId", type("string")), ("violations", .members([("type", .string("array")), ("items", violation)])),
      ("metadata", metadata),
    ]
    return .members([
      ("type", .string("object")), ("properties", .members(properties)),
      ("required", names(["title", "status", "detail", "reason", "requestId"])), ("additionalProperties", .bool(false)),
    ])
  }()
}
