/// A path of the route table, ready to be matched: `/v1/{name=services/*/tickets/*}:keep`.
///
/// The forms follow google.api.http (AIP-127): literal segments, `*` for one segment, one variable that spans several
/// segments, and a custom verb behind a colon.
package struct PathTemplate: Sendable {
  /// One segment of a path.
  package enum Segment: Equatable, Sendable {
    /// Stands there to the letter.
    case literal(String)
    /// Any one segment, not empty.
    case any
  }

  /// The segments, without the custom verb.
  package let segments: [Segment]
  /// The custom verb, without its colon.
  package let verb: String?
  /// The field that takes a part of the path, and which segments it takes.
  package let variable: (field: String, range: Range<Int>)?

  /// How every path ends that fits: its custom verb with the colon, else its last word with the slash.
  package var ending: String {
    if let verb { return ":\(verb)" }
    guard case .literal(let word)? = segments.last else { return "" }
    return "/\(word)"
  }

  /// Why a template of the table is wrong.
  package enum Malformed: Error, Equatable {
    /// The template as it stands in the table.
    case template(String)
  }

  /// Reads a template.
  ///
  /// - Throws: ``Malformed``, which a test of the table would have shown.
  package init(_ template: String) throws(Malformed) {
    guard template.hasPrefix("/") else { throw .template(template) }
    var path = template.dropFirst()
    if let colon = path.lastIndex(of: ":"), path[colon...].allSatisfy({ $0 != "/" && $0 != "}" }) {
      verb = String(path[path.index(after: colon)...])
      path = path[..<colon]
    } else {
      verb = nil
    }
    var segments: [Segment] = []
    var variable: (field: String, range: Range<Int>)?
    while !path.isEmpty {
      if path.first == "{" {
        guard variable == nil, let equals = path.firstIndex(of: "="), let close = path.firstIndex(of: "}"),
          equals < close
        else { throw .template(template) }
        let inner = Self.segments(of: path[path.index(after: equals)..<close])
        let field = String(path[path.index(after: path.startIndex)..<equals])
        variable = (field, segments.count..<(segments.count + inner.count))
        segments += inner
        path = path[path.index(after: close)...]
      } else {
        let end = path.firstIndex(of: "/") ?? path.endIndex
        segments += Self.segments(of: path[..<end])
        path = path[end...]
      }
      if path.first == "/" { path = path.dropFirst() }
    }
    self.segments = segments
    self.variable = variable
  }

  private static func segments(of path: Substring) -> [Segment] {
    path.split(separator: "/").map { $0 == "*" ? .any : .literal(String($0)) }
  }

  /// Returns the value of the variable when the path fits, an empty one when the template has none, and nil otherwise.
  ///
  /// - Parameters:
  ///   - path: The decoded segments of the request's path, without the custom verb.
  ///   - verb: The request's custom verb.
  package func match(_ path: [String], verb: String?) -> String? {
    guard verb == self.verb, path.count == segments.count else { return nil }
    for (segment, text) in zip(segments, path) {
      switch segment {
      case .literal(let literal): guard literal == text else { return nil }
      case .any: guard !text.isEmpty else { return nil }
      }
    }
    return value(in: path)
  }

  /// The value of the variable in a path that fits; an empty one when the template has none.
  func value(in path: [String]) -> String {
    guard let variable else { return "" }
    return path[variable.range].joined(separator: "/")
  }
}

/// The path of a request, taken apart.
package struct RequestPath: Equatable, Sendable {
  /// The decoded segments, without the custom verb.
  package let segments: [String]
  /// What stands behind the last colon of the last segment.
  package let verb: String?

  /// Longest path that is looked at, in bytes.
  package static let bytesMax = 2_048

  /// Reads a path without its query.
  ///
  /// Returns nil when it is too long, does not begin with a slash, holds a broken percent escape, or hides a slash or
  /// a NUL in one (a segment must never become two).
  package init?(_ path: Substring) {
    // Bytes, not characters: a slash with a combining mark behind it is a slash all the same.
    let bytes = Array(path.utf8)
    guard bytes.count <= Self.bytesMax, bytes.first == Self.slash else { return nil }
    let last = bytes.lastIndex(of: Self.slash) ?? 0
    let colon = bytes[last...].lastIndex(of: UInt8(ascii: ":"))
    let end = colon ?? bytes.count
    var segments: [String] = []
    var start = 1
    while start <= end {
      let next = bytes[start..<end].firstIndex(of: Self.slash) ?? end
      guard let text = PercentEncoding.decode(bytes[start..<next], plusIsSpace: false),
        !text.utf8.contains(where: { $0 == Self.slash || $0 == 0 })
      else { return nil }
      segments.append(text)
      start = next + 1
    }
    self.segments = segments
    verb = colon.map { String(decoding: bytes[($0 + 1)...], as: UTF8.self) }
  }

  private static let slash = UInt8(ascii: "/")
}

/// Percent escapes of URLs (RFC 3986 §2.1).
package enum PercentEncoding {
  /// Decodes a text, or returns nil for a broken escape or bytes that are no UTF-8.
  package static func decode(_ text: ArraySlice<UInt8>, plusIsSpace: Bool) -> String? {
    let isPlain = !text.contains { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") && plusIsSpace }
    if isPlain { return String(validating: text, as: UTF8.self) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var rest = text.makeIterator()
    while let byte = rest.next() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
        bytes.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace:
        bytes.append(UInt8(ascii: " "))
      default:
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// Escapes all but what RFC 3986 §2.3 calls unreserved.
  package static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        bytes.append(byte)
      default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// The query of a request as pairs, in order.
package enum QueryString {
  /// Most pairs that are taken.
  package static let pairsMax = 100

  /// Reads a query without its question mark; nil when it is broken or has too many pairs.
  package static func pairs(_ query: Substring) -> [(name: String, value: String)]? {
    var pairs: [(name: String, value: String)] = []
    if query.isEmpty { return pairs }
    for part in Array(query.utf8).split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
      guard pairs.count < pairsMax, let name = PercentEncoding.decode(part[..<equals], plusIsSpace: true),
        let value = PercentEncoding.decode(part[equals...].dropFirst(), plusIsSpace: true)
      else { return nil }
      pairs.append((name, value))
    }
    return pairs
  }
}
