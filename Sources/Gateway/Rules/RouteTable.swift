/// The routes, ready to be looked up by the path of a request.
package struct RouteTable: Sendable {
  /// What a request asks for.
  package enum Match: Sendable {
    /// This route, and the resource name that its path carries (empty when it carries none).
    case route(Route, field: String?, value: String)
    /// The path is there, but not with this HTTP method; these are allowed.
    case verbNotAllowed([HTTPVerb])
    /// Nothing has this path.
    case notFound
  }

  private struct Entry: Sendable {
    let route: Route
    let template: PathTemplate
  }

  /// Entries by number of segments, so that a look-up compares with a handful.
  private let entries: [Int: [Entry]]

  /// Prepares a table.
  package init(_ routes: [Route] = Route.all) throws(PathTemplate.Malformed) {
    var entries: [Int: [Entry]] = [:]
    for route in routes {
      let template = try PathTemplate(route.path)
      entries[template.segments.count, default: []].append(Entry(route: route, template: template))
    }
    self.entries = entries
  }

  /// Looks up a request.
  package func match(_ verb: String, _ path: RequestPath) -> Match {
    var allowed: [HTTPVerb] = []
    for entry in entries[path.segments.count] ?? [] {
      guard let value = entry.template.match(path.segments, verb: path.verb) else { continue }
      if entry.route.verb.rawValue == verb {
        return .route(entry.route, field: entry.template.variable?.field, value: value)
      }
      allowed.append(entry.route.verb)
    }
    return allowed.isEmpty ? .notFound : .verbNotAllowed(allowed)
  }
}
