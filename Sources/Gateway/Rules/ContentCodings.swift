/// What a client says of compression.
package enum ContentCodings {
  /// Whether an `accept-encoding` field takes gzip (RFC 9110 §12.5.3): by name, or by `*` when it does not name it.
  package static func acceptsGzip(_ field: String) -> Bool {
    var gzip: Bool?
    var others = false
    for part in field.split(separator: ",") {
      let words = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
      guard let name = words.first else { continue }
      let isTaken = !words.dropFirst().contains { isZero($0) }
      switch name {
      case "gzip", "x-gzip": gzip = isTaken
      case "*": others = isTaken
      default: break
      }
    }
    return gzip ?? others
  }

  /// `q=0`, `q=0.0` and so on: not at all.
  private static func isZero(_ parameter: String) -> Bool {
    parameter.hasPrefix("q=0") && parameter.dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
  }
}
