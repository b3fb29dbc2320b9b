import Foundation
import HandoffAPI
import Protobuf
import Testing

@testable import Gateway

@Suite("One API, without a gap")
struct CoverageTests {
  private let gateway = HandoffAPI.services.filter { $0.fullName.hasPrefix("handoff.gateway.") }
  private let daemons = HandoffAPI.services.filter { !$0.fullName.hasPrefix("handoff.gateway.") }

  @Test("every RPC of the gateway has one route, and every route is an RPC of the gateway")
  func routes() {
    let declared = gateway.flatMap(\.methods)
    #expect(Set(declared.map(\.name)) == Set(Route.all.map(\.method)))
    #expect(declared.count == Route.all.count)
    for route in Route.all {
      let method = declared.first { $0.name == route.method }
      if case .field(let name) = route.body { #expect(method?.input.schema.field(named: name) != nil, "\(name)") }
      if case .raw(let name) = route.body {
        #expect(method?.input.schema.field(named: name)?.kind == .bytes, "\(name)")
      }
      // The request of an upload is made of parts.
      if route.shape != .upload, let field = try? PathTemplate(route.path).variable?.field, let input = method?.input {
        #expect(Self.hasField(field, input), "\(route.path)")
      }
      let isStream = method.map { $0.clientStreaming || $0.serverStreaming }
      #expect(isStream == (route.shape != .unary), "\(route.method)")
    }
  }

  @Test("every RPC of a daemon is offered with the same messages, or is one of the cluster's own")
  func daemonsAreOffered() {
    let offered = Dictionary(uniqueKeysWithValues: gateway.flatMap(\.methods).map { ($0.name, $0) })
    for service in daemons {
      for method in service.methods where !method.isInternal {
        let place = "\(service.fullName)/\(method.name)"
        guard let same = offered[method.name] else {
          Issue.record("\(place) is neither offered nor marked as internal")
          continue
        }
        #expect(same.input == method.input && same.output == method.output, "\(place)")
        #expect(
          same.clientStreaming == method.clientStreaming && same.serverStreaming == method.serverStreaming, "\(place)")
        #expect(Route.all.first { $0.method == method.name }?.backend.service == service.fullName, "\(place)")
      }
      for method in service.methods where method.isInternal {
        #expect(offered[method.name] == nil, "\(service.fullName)/\(method.name)")
      }
    }
  }

  @Test("the documents list the cluster's own RPCs, each with its callers and the reason, and no other")
  func ownMethodsAreExplained() throws {
    let document = try Self.document()
    let section = try #require(document.components(separatedBy: "\n## What only the cluster itself may call\n").last)
    let rows = section.prefix { $0 != "#" }.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
      row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    for row in rows { #expect(row.count == 3 && row.allSatisfy { !$0.isEmpty }, "\(row)") }
    let own = daemons.flatMap { service in
      service.methods.filter(\.isInternal).map { "`\(service.fullName)/\($0.name)`" }
    }
    #expect(rows.map { $0[0] }.sorted() == own.sorted())
  }

  /// What is written about the API.
  static func document() throws -> String {
    let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: project.appending(path: "docs/api.md"), encoding: .utf8)
  }

  /// Whether a message type has a field, which is named by a dotted path.
  static func hasField(_ path: String, _ message: MessageDescriptor) -> Bool {
    var message: MessageDescriptor? = message
    for name in path.split(separator: ".") {
      guard let field = message?.schema.field(named: String(name)) else { return false }
      message = field.message
    }
    return true
  }
}
