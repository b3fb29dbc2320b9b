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

  private final class Entry: Sendable {
    let route: Route
    let template: PathTemplate
    /// `GET /v1/services/*/tickets/*`.
    let shown: String

    init(_ route: Route) throws(PathTemplate.Malformed) {
      self.route = route
      template = try PathTemplate(route.path)
      shown = "\(route.verb.rawValue) \(RouteTable.plain(route.path))"
    }
  }

  /// What may follow behind the same beginning of a path. Nodes are named by their places in ``nodes``.
  private struct Node: Sendable {
    /// By the word that the next segment is.
    var words: [String: Int] = [:]
    /// When the next segment may be any.
    var any: Int?
    /// What ends here, by custom verb, in the order of the table.
    var ends: [String?: [Entry]] = [:]
  }

  /// Most paths that are offered in the place of one that is not there.
  private static let nearMax = 5
  /// Letters by which a word of a path may differ from the right one to be taken for it.
  private static let slipMax = 2

  private let entries: [Entry]
  /// A tree whose root stands first: a look-up goes from segment to segment, however many routes there are.
  private let nodes: [Node]

  /// Prepares a table.
  package init(_ routes: [Route] = Route.all) throws(PathTemplate.Malformed) {
    var (entries, nodes): ([Entry], [Node]) = ([], [Node()])
    for route in routes {
      let entry = try Entry(route)
      entries.append(entry)
      let end = Self.node(of: entry.template, in: &nodes)
      nodes[end].ends[entry.template.verb, default: []].append(entry)
    }
    (self.entries, self.nodes) = (entries, nodes)
  }

  /// Finds or makes the node where a template ends.
  private static func node(of template: PathTemplate, in nodes: inout [Node]) -> Int {
    var place = 0
    for segment in template.segments {
      let known: Int? = if case .literal(let word) = segment { nodes[place].words[word] } else { nodes[place].any }
      if let known {
        place = known
        continue
      }
      nodes.append(Node())
      let new = nodes.count - 1
      if case .literal(let word) = segment { nodes[place].words[word] = new } else { nodes[place].any = new }
      place = new
    }
    return place
  }

  /// Looks up a request.
  package func match(_ verb: String, _ path: RequestPath) -> Match {
    var allowed: [Route] = []
    if let match = match(verb, path, depth: 0, at: 0, &allowed) { return match }
    return allowed.isEmpty ? .notFound : .verbNotAllowed(allowed)
  }

  /// Goes on at a node that the segments before `depth` lead to: with the word first, then with any.
  private func match(
    _ verb: String, _ path: RequestPath, depth: Int, at place: Int, _ allowed: inout [Route]
  ) -> Match? {
    guard depth < path.segments.count else { return end(verb, path, nodes[place].ends[path.verb] ?? [], &allowed) }
    let segment = path.segments[depth]
    if let next = nodes[place].words[segment],
      let match = match(verb, path, depth: depth + 1, at: next, &allowed)
    {
      return match
    }
    guard !segment.isEmpty, let next = nodes[place].any else { return nil }
    return match(verb, path, depth: depth + 1, at: next, &allowed)
  }

  private func end(_ verb: String, _ path: RequestPath, _ entries: [Entry], _ allowed: inout [Route]) -> Match? {
    for entry in entries {
      if entry.route.verb.rawValue == verb {
        let value = entry.template.value(in: path.segments)
        return .route(entry.route, field: entry.template.variable?.field, value: value)
      }
      allowed.append(entry.route)
    }
    return nil
  }

  /// What a request may have meant whose path is not there: paths that differ in a few letters of one word.
  package func near(_ path: RequestPath) -> [String] {
    var found: [(slip: Int, shown: String)] = []
    for entry in entries where entry.template.segments.count == path.segments.count {
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
