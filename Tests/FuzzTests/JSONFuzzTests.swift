import Gateway
import HandoffAPI
import HandoffTestKit
import MessageJSON
import Protobuf
import Testing

@Suite("The JSON face, whatever it is sent", .timeLimit(.minutes(60)))
struct JSONFuzzTests {
  @Test("refuses a text at a place, or reads a message that is written and read again alike")
  func messages() throws {
    var run = FuzzRun(salt: 17, usual: 15)
    var (values, accepted) = (0, 0)
    while run.next() {
      for type in HandoffAPI.types {
        let bytes = run.damage(run.json(of: type.descriptor))
        let place = "\(type.descriptor.fullName), \(TestScale.place(run.round))"
        let value: JSONValue
        do {
          value = try JSONParser.parse(bytes)
        } catch {
          try #require(error.line >= 1 && error.column >= 1 && error.column <= bytes.count + 1, "\(place): \(error)")
          continue
        }
        values += 1
        try #require(try JSONParser.parse(JSONWriter.bytes(of: value)) == value, "\(place)")
        if try Self.check(value, type.descriptor, place) { accepted += 1 }
      }
    }
    run.report("texts into the JSON of \(HandoffAPI.types.count) messages", "\(values) are JSON, \(accepted) accepted")
    #expect(accepted > run.round * HandoffAPI.types.count / 20)
  }

  @Test("finds one route or none for a path, and the route's template fits it")
  func routes() throws {
    var run = FuzzRun(salt: 19, usual: 2_000)
    let table = try RouteTable()
    var found = 0
    while run.next() {
      let bytes = run.damage(run.path())
      let text = String(decoding: bytes, as: UTF8.self)
      let place = "\(text), \(TestScale.place(run.round))"
      _ = QueryString.pairs(Substring(text))
      guard let path = RequestPath(Substring(text)) else { continue }
      try #require(path.segments.allSatisfy { !$0.contains("/") && !$0.utf8.contains(0) }, "\(place)")
      try #require(table.near(path).count <= 5, "\(place)")
      let verb = HTTPVerb.allCases[run.number(0...HTTPVerb.allCases.count - 1)]
      switch table.match(verb.rawValue, path) {
      case .route(let route, let field, let value):
        found += 1
        try #require(route.verb == verb && (field == nil) == value.isEmpty, "\(place)")
        try #require(try PathTemplate(route.path).match(path.segments, verb: path.verb) == value, "\(place)")
      case .verbNotAllowed(let allowed):
        try #require(!allowed.isEmpty && !allowed.contains { $0.verb == verb }, "\(place)")
      case .notFound: break
      }
    }
    run.report("paths into the router", "\(found) found")
    #expect(found > run.round / 20)
  }

  private static func check(_ value: JSONValue, _ type: MessageDescriptor, _ place: String) throws -> Bool {
    let message = DynamicMessage(type, in: Arena())
    do {
      try MessageReader.read(value, into: message)
    } catch {
      try #require(!error.problem.isEmpty, "\(place)")
      return false
    }
    let bytes = message.serialized()
    let written = MessageWriter.json(try DynamicMessage(serialized: bytes, as: type, in: Arena()))
    let again = DynamicMessage(type, in: Arena())
    try MessageReader.read(try JSONParser.parse(written), into: again)
    try #require(again.serialized() == bytes, "\(place): \(String(decoding: written, as: UTF8.self))")
    return true
  }
}

extension FuzzRun {
  /// The JSON of a message with random fields of a type.
  fileprivate mutating func json(of type: MessageDescriptor) -> [UInt8] {
    guard let message = try? DynamicMessage(serialized: wire(of: type.schema, depth: 3), as: type, in: Arena()) else {
      return Array("{}".utf8)
    }
    return MessageWriter.json(message)
  }

  /// A path of the route table with random names in it.
  fileprivate mutating func path() -> [UInt8] {
    let names = ["care", "1", "%EC%83%81", "a:b", "..", "%2e%2e", "", "x%2Fy", "9223372036854775808"]
    let template = Route.all[number(0...Route.all.count - 1)].path
    var path = ""
    var isName = false
    for character in template {
      switch character {
      case "{": isName = true
      case "=" where isName: isName = false
      case "}": continue
      case "*": path += names[number(0...(chance(70) ? 1 : names.count - 1))]
      default: if !isName { path.append(character) }
      }
    }
    return Array(path.utf8)
  }
}
