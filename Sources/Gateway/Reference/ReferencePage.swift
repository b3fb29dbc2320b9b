import Crypto
import MessageJSON
import Protobuf

/// The reference for people: one page without a script and without anything from elsewhere.
struct ReferencePage {
  private let words = ReferenceText()
  private let operations: [APIOperation]
  private var html: [UInt8] = []

  private init(_ operations: [APIOperation]) { self.operations = operations }

  /// The page.
  static func html(_ operations: [APIOperation] = APIOperation.all) -> [UInt8] {
    var page = ReferencePage(operations)
    page.write()
    return page.html
  }

  /// What a browser lets the page do: use the style that stands in it.
  static let policy: String =
    "default-src 'none'; style-src 'sha256-\(Base64.encode(SHA256.hash(style)))'; frame-ancestors 'none'"

  private static let style = """
    body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1b1f24;background:#fff}
    main{max-width:60rem;margin:0 auto;padding:1rem 1.5rem 4rem}
    nav{columns:14rem;font-size:.9rem;margin:1rem 0}nav a{display:block}
    a{color:#0a58ca;text-decoration:none}a:hover{text-decoration:underline}
    h2{margin:3rem 0 0;border-bottom:1px solid #d0d7de}h3{margin:2rem 0 .3rem}
    code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f3f5f7;padding:.7rem 1rem;overflow-x:auto}
    .verb{display:inline-block;min-width:4.2rem;font-weight:600}
    table{border-collapse:collapse;width:100%;font-size:.92rem;margin:.5rem 0 1rem}
    td{border-top:1px solid #e3e7eb;padding:.3rem .8rem .3rem 0;vertical-align:top}
    td:first-child{white-space:nowrap}p{margin:.4rem 0}.scopes{color:#57606a;font-size:.9rem}
    @media(prefers-color-scheme:dark){body{background:#15181c;color:#dde2e8}a{color:#7db1ff}pre{background:#20252b}
    td,h2{border-color:#333a42}.scopes{color:#9aa4ae}}
    """

  private mutating func write() {
    raw("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Handoff: the API</title>")
    raw(
      "<meta name=\"viewport\" content=\"width=device-width\"><style>\(Self.style)</style><main>"
    )
    raw("<h1>Handoff: the API</h1>")
    paragraphs(
      "Every method can be called over HTTP as it stands here, and over gRPC under its name. SignIn gives a token,"
        + " which goes with every other call.")
    raw("<pre>")
    text(
      """
      curl $api/session:signIn -H 'content-type: application/json' -d '{"email": "…", "password": "…"}'
      curl $api/me -H "authorization: Bearer $token"
      """)
    raw("</pre><p>For programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p><nav>")
    for tag in tags { raw("<a href=\"#\(tag)\">\(tag)</a>") }
    raw("<a href=\"#types\">Types</a></nav>")
    for tag in tags {
      raw("<h2 id=\"\(tag)\">\(tag)</h2>")
      for operation in operations where operation.tag == tag { write(operation) }
    }
    raw("<h2 id=\"types\">Types</h2>")
    for (name, message) in types { write(name, message) }
    raw("</main></html>\n")
  }

  /// Collections in the order of their first methods.
  private var tags: [String] {
    operations.reduce(into: []) { tags, operation in
      if !tags.contains(operation.tag) { tags.append(operation.tag) }
    }
  }

  /// What requests and answers are made of; requests themselves stand at their method.
  private var types: [(String, MessageDescriptor)] {
    let used = operations.flatMap { [$0.method.output] + $0.method.input.schema.fields.compactMap(\.message) }
    return JSONSchema.closure(of: used).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private mutating func write(_ operation: APIOperation) {
    let method = operation.route.method
    raw("<h3 id=\"\(method)\">\(method)</h3><pre><span class=\"verb\">\(operation.route.verb.rawValue)</span>")
    text(operation.path)
    raw("</pre>")
    paragraphs(words.text(operation.fullName))
    let scopes = operation.route.scopes.map(\.rawValue).joined(separator: " or ")
    let who =
      operation.route.needsSession ? (scopes.isEmpty ? "Sessions only." : "Keys need \(scopes).") : "For everybody."
    raw("<p class=\"scopes\">\(who)</p>")
    let query = operation.parameters.filter { !$0.isInPath }
    if !query.isEmpty {
      raw("<p>In the query:</p><table>")
      for parameter in query { row(parameter.name, parameter.field, words.text(parameter.fullName)) }
      raw("</table>")
    }
    switch operation.route.body {
    case .whole:
      let fields = operation.method.input.schema.fields.filter { $0.name != operation.pathField }
      guard !fields.isEmpty else { break }
      raw("<p>In the body:</p>")
      table(fields, of: operation.method.input)
    case .field(let name):
      raw("<p>The body is ")
      type(operation.method.input.schema.field(named: name))
      raw(".</p>")
    case .raw: raw("<p>The body is passed on as it is.</p>")
    case .none: break
    }
    switch operation.route.shape {
    case .download: raw("<p>Answers with the file.</p>")
    case .live: raw("<p>Answers with server-sent events.</p>")
    case .unary, .upload:
      raw("<p>Answers with ")
      link(operation.method.output)
      raw(".</p>")
    }
  }

  private mutating func write(_ name: String, _ message: MessageDescriptor) {
    raw("<h3 id=\"type-\(name)\">\(name)</h3>")
    paragraphs(words.text(message.fullName))
    if !message.schema.fields.isEmpty { table(message.schema.fields, of: message) }
  }

  private mutating func table(_ fields: [FieldSchema], of message: MessageDescriptor) {
    raw("<table>")
    for field in fields { row(field.jsonName, field, words.text("\(message.fullName).\(field.name)")) }
    raw("</table>")
  }

  private mutating func row(_ name: String, _ field: FieldSchema?, _ about: String) {
    raw("<tr><td><code>\(name)</code><td>")
    type(field)
    raw("<td>")
    paragraphs(about)
    if let values = field?.enumeration?.values, let type = field?.enumeration?.fullName {
      for value in values.dropFirst() {
        raw("<p><code>\(value.name)</code> ")
        text(words.text("\(type).\(value.name)"))
        raw("</p>")
      }
    }
  }

  private mutating func type(_ field: FieldSchema?) {
    guard let field else { return raw("text") }
    if field.isRepeated { raw("list of ") }
    switch field.kind {
    case .message: if let message = field.message { link(message) }
    case .enumeration: raw("name")
    case .bool: raw("true or false")
    case .string: raw("text")
    case .bytes: raw("base64")
    case .int64, .sint64, .sfixed64, .uint64, .fixed64: raw("number as text")
    default: raw("number")
    }
  }

  private mutating func link(_ message: MessageDescriptor) {
    switch message.fullName {
    case "google.protobuf.Timestamp": raw("time")
    case "google.protobuf.Duration": raw("duration")
    case "google.protobuf.FieldMask": raw("field names")
    default:
      let name = JSONSchema.name(of: message)
      raw("<a href=\"#type-\(name)\">\(name)</a>")
    }
  }

  private mutating func paragraphs(_ about: String) {
    for paragraph in about.split(separator: "\n\n") {
      raw("<p>")
      text(String(paragraph))
      raw("</p>")
    }
  }

  /// Text of a comment; what stands in backticks is code.
  private mutating func text(_ words: String) {
    var isCode = false
    for part in words.split(separator: "`", omittingEmptySubsequences: false) {
      if isCode { raw("<code>") }
      raw(part.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;"))
      if isCode { raw("</code>") }
      isCode.toggle()
    }
  }

  private mutating func raw(_ text: some StringProtocol) { html.append(contentsOf: text.utf8) }
}
