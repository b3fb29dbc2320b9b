/// The routes, ready to be looked up by the path of a request.
package struct RouteTable: Sendable {
  /// What a request asks for.
  package enum Match: Sendable {
    /// This route, and the resource name that its path carries (empty when it carries none).
    case route(Route, field: String?, value: String)
    /// The path is there, but not with this HTTP method; these take it with another.
    case verbNotAllowed([Route])
    /// Nothing has this path.
    case notFound
  }

  private struct Entry: Sendable {
    let route: Route
    let template: PathTemplate
    /// `GET /v1/services/*/tickets/*`.
    let shown: String
  }

  /// Most paths that are offered in the place of one that is not there.
  private static let nearMax = 5
  /// Letters by which a word of a path may differ from the right one to be taken for it.
  private static let slipMax = 2

  /// Entries by number of segments, so that a look-up compares with a handful.
  private let entries: [Int: [Entry]]

  /// Prepares a table.
  package init(_ routes: [Route] = Route.all) throws(PathTemplate.Malformed) {
    var entries: [Int: [Entry]] = [:]
    for route in routes {
      let template = try PathTemplate(route.path)
      let shown = "\(route.verb.rawValue) \(Self.plain(route.path))"
      entries[template.segments.count, default: []].append(Entry(route: route, template: template, shown: shown))
    }
    self.entries = entries
  }

  /// Looks up a request.
  package func match(_ verb: String, _ path: RequestPath) -> Match {
    var allowed: [Route] = []
    for entry in entries[path.segments.count] ?? [] {
      guard let value = entry.template.match(path.segments, verb: path.verb) else { continue }
      if entry.route.verb.rawValue == verb {
        return .route(entry.route, field: entry.template.variable?.field, value: value)
      }
      allowed.append(entry.route)
    }
    return allowed.isEmpty ? .notFound : .verbNotAllowed(allowed)
  }

  /// What a request may have meant whose path is not there: paths that differ in a few letters of one word.
  package func near(_ path: RequestPath) -> [String] {
    var found: [(slip: Int, shown: String)] = []
    for entry in entries[path.segments.count] ?? [] {
      let wanted = entry.template.segments.map { if case .literal(let word) = $0 { word } else { nil as String? } }
      var pairs = zip(path.segments, wanted).compactMap { given, wanted in wanted.map { (given, $0) } }
      pairs.append((path.verb ?? "", entry.template.verb ?? ""))
      let wrong = pairs.filter { $0.0 != $0.1 }
      guard wrong.count == 1, let slip = Self.slip(wrong[0].0, wrong[0].1) else { continue }
      found.append((slip, entry.shown))
    }
    return found.sorted { ($0.slip, $0.shown) < ($1.slip, $1.shown) }.prefix(Self.nearMax).map(\.shown)
  }

  /// `/v1/{name=services/*}` as `/v1/services/*`.
  private static func plain(_ template: String) -> String {
    var text = ""
    var isName = false
    for character in template {
      switch character {
      case "{": isName = true
      case "=" where isName: isName = false
      case "}": continue
      default: if !isName { text.append(character) }
      }
    }
    return text
  }

  /// In how many letters two words differ; nil for more than a slip.
  private static func slip(_ given: String, _ wanted: String) -> Int? {
    let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
    guard abs(given.count - wanted.count) <= slipMax, !wanted.isEmpty else { return nil }
    var row = Array(0...wanted.count)
    for (index, byte) in given.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in 1...wanted.count {
        let above = row[column]
        row[column] = min(above + 1, row[column - 1] + 1, diagonal + (byte == wanted[column - 1] ? 0 : 1))
        diagonal = above
      }
    }
    return row[wanted.count] <= slipMax ? row[wanted.count] : nil
  }
}
