/// The links between the pages of a list (RFC 8288).
package enum PageLinks {
  /// The value of the `link` field of a page: where the next page is, and the first one when this is another.
  ///
  /// - Parameters:
  ///   - path: the request's path, taken apart.
  ///   - query: its parameters.
  ///   - nextPageToken: empty on the last page.
  /// - Returns: nil when there is nothing to link to.
  package static func field(
    _ path: RequestPath, _ query: [(name: String, value: String)], nextPageToken: String
  ) -> String? {
    let kept = query.filter { $0.name != "pageToken" && $0.name != "page_token" }
    var links: [String] = []
    if !nextPageToken.isEmpty { links.append(link(path, kept + [("pageToken", nextPageToken)], "next")) }
    if kept.count < query.count { links.append(link(path, kept, "first")) }
    return links.isEmpty ? nil : links.joined(separator: ", ")
  }

  private static func link(_ path: RequestPath, _ query: [(name: String, value: String)], _ relation: String) -> String
  {
    var text = "<" + path.segments.map { "/" + PercentEncoding.encode($0) }.joined()
    if let verb = path.verb { text += ":" + PercentEncoding.encode(verb) }
    for (index, pair) in query.enumerated() {
      text += (index == 0 ? "?" : "&") + PercentEncoding.encode(pair.name) + "=" + PercentEncoding.encode(pair.value)
    }
    return text + ">; rel=\"\(relation)\""
  }
}
