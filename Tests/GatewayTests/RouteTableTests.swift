import Gateway
import Testing

@Suite("Paths lead to methods")
struct RouteTableTests {
  private func answer(_ verb: String, _ path: String) throws -> String {
    guard let path = RequestPath(Substring(path)) else { return "bad path" }
    switch try RouteTable().match(verb, path) {
    case .route(let route, let field, let value): return "\(route.method) \(field ?? "-")=\(value)"
    case .verbNotAllowed(let allowed): return "allowed: " + allowed.map(\.verb.rawValue).joined(separator: ", ")
    case .notFound: return "not found"
    }
  }

  @Test(
    "each path gives its method and resource name",
    arguments: [
      ("GET", "/v1/services/care/tickets/42", "GetTicket name=services/care/tickets/42"),
      ("POST", "/v1/services/care/tickets/42:keep", "KeepTicket name=services/care/tickets/42"),
      ("POST", "/v1/services/care/tickets/42%3Akeep", "allowed: GET, PATCH, DELETE"),
      ("GET", "/v1/services/care/tickets", "ListTickets parent=services/care"),
      ("POST", "/v1/services/care/tickets", "CreateTicket parent=services/care"),
      ("DELETE", "/v1/services/care/tickets", "allowed: POST, GET"),
      ("GET", "/v1/services", "ListServices -="),
      ("POST", "/v1/services", "CreateService -="),
      ("GET", "/v1/organizations/-", "GetOrganization name=organizations/-"),
      ("PATCH", "/v1/organizations/aram", "UpdateOrganization organization.name=organizations/aram"),
      ("GET", "/v1/services/care", "GetService name=services/care"),
      ("GET", "/v1/services/%EC%83%81%EB%8B%B4", "GetService name=services/상담"),
      ("POST", "/v1/session:signIn", "SignIn -="),
      ("POST", "/v1/services/care/tickets/4/masks/9:unmask", "UnmaskText name=services/care/tickets/4/masks/9"),
      ("PATCH", "/v1/services/care/tickets/42", "UpdateTicket ticket.name=services/care/tickets/42"),
      ("DELETE", "/v1/services/care/tickets/42", "DeleteTicket name=services/care/tickets/42"),
      ("PATCH", "/v1/services/care", "UpdateService service.name=services/care"),
      ("GET", "/v1/services/care/tickets/", "not found"),
      ("GET", "/v1/services//tickets", "not found"),
      ("GET", "/v1/services/care/tickets/42:fly", "not found"),
      ("GET", "/v2/services", "not found"),
      ("GET", "/", "not found"),
      ("GET", "/v1/services/a%2Fb", "bad path"),
      ("GET", "/v1/services/a%2F%CC%81", "bad path"),
      ("GET", "/v1/services/care/\u{301}tickets", "not found"),
      ("GET", "/v1/services/care:", "not found"),
      ("GET", "/v1/services/care/tickets/42/", "not found"),
      ("GET", "/v1/services/%zz", "bad path"),
      ("GET", "/v1/services/%ff", "bad path"),
      ("GET", "/v1/services/%00", "bad path"),
      ("GET", "v1", "bad path"),
    ])
  func paths(verb: String, path: String, expected: String) throws {
    #expect(try answer(verb, path) == expected)
  }

  @Test(
    "a path that is not there is answered with those that differ from it by a slip",
    arguments: [
      ("/v1/services/care/ticket", "GET /v1/services/*/tickets, POST /v1/services/*/tickets"),
      ("/v1/service", "GET /v1/services, POST /v1/services"),
      ("/v1/services/care/tickets/42:kep", "POST /v1/services/*/tickets/*:keep"),
      ("/v1/services/care/ticket/42:keep", "POST /v1/services/*/tickets/*:keep"),
      ("/v1/services/care/dropTickets", ""),
      ("/v1/servces/care/tickts/1", ""),
      ("/", ""),
    ])
  func near(path: String, expected: String) throws {
    let path = try #require(RequestPath(Substring(path)))
    #expect(try RouteTable().near(path).joined(separator: ", ") == expected)
  }

  @Test("every template of the table can be read, and no two routes share verb and path")
  func table() throws {
    _ = try RouteTable()
    let keys = Route.all.map { "\($0.verb.rawValue) \($0.path)" }
    #expect(Set(keys).count == keys.count)
  }

  @Test("every route is found by a path that its template fits, and by no other route's")
  func completeness() throws {
    let table = try RouteTable()
    for route in Route.all {
      let template = try PathTemplate(route.path)
      let segments = template.segments.map { if case .literal(let word) = $0 { word } else { "x" } }
      let text = "/" + segments.joined(separator: "/") + (template.verb.map { ":" + $0 } ?? "")
      let path = try #require(RequestPath(Substring(text)))
      guard case .route(let found, let field, let value) = table.match(route.verb.rawValue, path) else {
        Issue.record("\(route.method) is not found at \(text)")
        continue
      }
      #expect(found.method == route.method && field == template.variable?.field, "\(text)")
      #expect(value == template.match(path.segments, verb: path.verb), "\(text)")
    }
  }

  @Test("broken templates are refused")
  func malformed() {
    for template in ["v1", "/v1/{name", "/v1/{name}", "/v1/{a=b/*}/{c=d/*}"] {
      #expect(throws: PathTemplate.Malformed.template(template)) { try PathTemplate(template) }
    }
  }

  @Test("queries are read as pairs, and broken ones are refused")
  func queries() {
    let pairs = QueryString.pairs("menu=MY_PENDING&pageSize=10&q=a+b%26c&flag")
    #expect(pairs?.map { "\($0.name)=\($0.value)" } == ["menu=MY_PENDING", "pageSize=10", "q=a b&c", "flag="])
    #expect(QueryString.pairs("a=%") == nil)
    #expect(QueryString.pairs(Substring(String(repeating: "a=1&", count: 101))) == nil)
  }
}
