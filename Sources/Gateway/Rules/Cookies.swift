/// The field `cookie` of a request (RFC 6265 §4.2).
package enum Cookies {
  /// The value of a cookie; nil when it is not there, is empty, or stands there twice.
  package static func value(of name: String, in field: String) -> String? {
    var found: String?
    for pair in field.split(separator: ";") {
      let text = pair.drop { $0 == " " }
      guard let equals = text.firstIndex(of: "="), text[..<equals] == name else { continue }
      guard found == nil else { return nil }
      var value = text[text.index(after: equals)...]
      while value.last == " " { value.removeLast() }
      if value.isEmpty { return nil }
      found = String(value)
    }
    return found
  }
}
