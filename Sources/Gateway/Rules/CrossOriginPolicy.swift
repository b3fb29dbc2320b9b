/// Which web pages of other origins may call the API from a browser (CORS, Fetch Standard §3.2).
package struct CrossOriginPolicy: Sendable, Equatable {
  /// Such as `https://desk.example.com`.
  package let origins: [String]

  /// Fields of a request that a page may set beside the few that every page may.
  private static let requestFields =
    "authorization, content-type, idempotency-key, if-match, last-event-id, x-csrf-token, x-request-id"
  /// Fields of an answer that a page may read beside the few that every page may.
  private static let answerFields =
    "allow, content-disposition, etag, link, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after,"
    + " x-csrf-token, x-request-id"
  /// How long a browser remembers what a preflight said.
  private static let seconds = 7_200

  /// Lets pages of these origins call; none: of no other origin.
  package init(origins: [String]) { self.origins = origins }

  /// Whether a text is an origin: scheme, host and perhaps a port, and nothing behind it.
  package static func isOrigin(_ text: String) -> Bool {
    guard let scheme = ["https://", "http://"].first(where: text.hasPrefix), text.utf8.count <= 255 else {
      return false
    }
    let rest = text.dropFirst(scheme.utf8.count)
    return !rest.isEmpty
      && rest.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D: true
        default: false
        }
      }
  }

  /// What every answer says to a page of an origin; nothing to those that may not call.
  package func fields(for origin: String?) -> [(name: String, value: String)] {
    guard !origins.isEmpty else { return [] }
    // Answers differ by origin: a cache must not hand one to another.
    guard let origin, origins.contains(origin) else { return [("vary", "origin")] }
    return [
      ("access-control-allow-origin", origin), ("access-control-allow-credentials", "true"),
      ("access-control-expose-headers", Self.answerFields), ("vary", "origin"),
    ]
  }

  /// What the answer to a preflight says beside ``fields(for:)``.
  package func preflight(for origin: String?, verbs: [String]) -> [(name: String, value: String)] {
    guard let origin, origins.contains(origin) else { return [] }
    return [
      ("access-control-allow-methods", verbs.joined(separator: ", ")),
      ("access-control-allow-headers", Self.requestFields), ("access-control-max-age", "\(Self.seconds)"),
    ]
  }
}
