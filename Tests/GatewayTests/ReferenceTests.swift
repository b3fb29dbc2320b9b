import HandoffAPI
import MessageJSON
import Protobuf
import Testing

@testable import Gateway

@Suite("The reference of the API")
struct ReferenceTests {
  private let document = OpenAPIDocument().json

  private func member(_ name: String, of value: JSONValue) -> JSONValue? {
    guard case .object(let members) = value else { return nil }
    return members.first { $0.name == name }?.value
  }

  private func members(of value: JSONValue?) -> [JSONMember] {
    if case .object(let members) = value { members } else { [] }
  }

  /// Every value of the document with its place.
  private func walk(_ value: JSONValue, _ place: String, _ visit: (JSONValue, String) -> Void) {
    visit(value, place)
    switch value {
    case .object(let members): for member in members { walk(member.value, "\(place)/\(member.name)", visit) }
    case .array(let elements):
      for (index, element) in elements.enumerated() { walk(element, "\(place)/\(index)", visit) }
    default: break
    }
  }

  @Test("the OpenAPI document has every route once, with a summary, and is JSON")
  func operations() throws {
    var found: [String] = []
    for path in members(of: member("paths", of: document)) {
      for operation in members(of: path.value) {
        guard case .string(let id)? = member("operationId", of: operation.value),
          case .string(let summary)? = member("summary", of: operation.value)
        else {
          Issue.record("\(operation.name) \(path.name) has no id or summary")
          continue
        }
        #expect(!summary.isEmpty, "\(id) is not described in its proto file")
        let verb = Route.all.first { $0.method == id }?.verb.rawValue.lowercased()
        #expect(verb == operation.name, "\(id)")
        found.append(id)
      }
    }
    #expect(found.sorted() == Route.all.map(\.method).sorted())
    #expect(try JSONParser.parse(JSONWriter.bytes(of: document)) == document)
  }

  @Test("every reference leads somewhere, and every part of a path is a parameter")
  func references() {
    walk(document, "#") { value, place in
      guard case .string(let target)? = member("$ref", of: value) else { return }
      var there: JSONValue? = document
      for name in target.split(separator: "/").dropFirst() { there = there.flatMap { member(String(name), of: $0) } }
      #expect(there != nil, "\(place) refers to \(target)")
    }
    for operation in APIOperation.all {
      let parts = operation.path.matches(of: /\{([A-Za-z]+)\}/).map { String($0.1) }
      let parameters = operation.parameters.filter(\.isInPath).map(\.name)
      #expect(parts == parameters && Set(parts).count == parts.count, "\(operation.path)")
      let names = operation.parameters.map(\.name)
      #expect(Set(names).count == names.count, "\(operation.route.method): \(names)")
    }
    let paths = Set(APIOperation.all.map { "\($0.route.verb.rawValue) \($0.path)" })
    #expect(paths.count == Route.all.count)
  }

  @Test("every field and value of the public messages is described")
  func comments() {
    let words = ReferenceText()
    for operation in APIOperation.all {
      for (name, message) in JSONSchema.closure(of: [operation.method.input, operation.method.output])
      where message.fullName.hasPrefix("handoff.") {
        #expect(!words.text(message.fullName).isEmpty, "\(name)")
        for field in message.schema.fields {
          #expect(!words.text("\(message.fullName).\(field.name)").isEmpty, "\(name).\(field.name)")
        }
      }
    }
    #expect(words.summary("handoff.tickets.v1.TicketService.GetTicket") == "Returns a ticket")
  }

  @Test("the page has every method, and takes nothing from elsewhere")
  func page() {
    let page = String(decoding: ReferencePage.html(), as: UTF8.self)
    for route in Route.all { #expect(page.contains("<h3 id=\"\(route.method)\">"), "\(route.method)") }
    for word in ["src=", "@import", "url(", "<script", "<link", "href=\"http"] {
      #expect(!page.contains(word), "\(word)")
    }
    for link in page.matches(of: /href="#([^"]+)"/) { #expect(page.contains("id=\"\(link.1)\""), "\(link.1)") }
    #expect(ReferencePage.policy.contains("style-src 'sha256-"))
  }
}
