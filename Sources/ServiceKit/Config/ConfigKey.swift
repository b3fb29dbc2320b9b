/// One environment variable of a daemon: its name, how its text becomes a value, and what `--help` says about it.
///
/// Keys are declared once, in the daemon's key table; `Config` reads the environment through them and hands out typed
/// values by key, so a name is spelled in exactly one place.
package struct ConfigKey<Value: Sendable>: Sendable {
  /// The variable's name, beginning with `HANDOFF_`.
  package let name: String
  /// What the value is for, one or two sentences for an operator.
  package let doc: String
  /// The kind and range of the value in words: "a whole number 1 … 64".
  package let expectation: String
  /// Text that is parsed when the variable is unset or empty; nil when there is no default.
  package let defaultText: String?

  /// Value of an unset variable without a default; nil when the variable is required.
  let absent: Value?
  let parse: @Sendable (String) throws(ConfigProblem) -> Value

  init(
    _ name: String, expectation: String, default defaultText: String?, doc: String, absent: Value? = nil,
    parse: @escaping @Sendable (String) throws(ConfigProblem) -> Value
  ) {
    precondition(name.hasPrefix("HANDOFF_"), "\(name): names of keys begin with HANDOFF_")
    self.name = name
    self.expectation = expectation
    self.defaultText = defaultText
    self.doc = doc
    self.absent = absent
    self.parse = parse
  }

  /// The same key, but unset means nil instead of the default or an error.
  package func optional() -> ConfigKey<Value?> {
    ConfigKey<Value?>(
      name, expectation: expectation, default: nil, doc: doc, absent: .some(nil),
      parse: { [parse] text throws(ConfigProblem) in try parse(text) })
  }
}

extension ConfigKey {
  /// The same key with its value made into another type; `transform` may refuse it.
  package func mapped<Other: Sendable>(
    _ transform: @escaping @Sendable (Value) throws(ConfigProblem) -> Other
  ) -> ConfigKey<Other> {
    ConfigKey<Other>(
      name, expectation: expectation, default: defaultText, doc: doc,
      parse: { [parse] text throws(ConfigProblem) in try transform(try parse(text)) })
  }
}

/// Why a value was refused, and what would be accepted; never repeats the content of a secret.
package struct ConfigProblem: Error, Sendable, Equatable {
  /// The rest of a sentence that begins with the variable's name: `is not set; it needs …`.
  package let message: String

  /// Takes the rest of the sentence; see ``message``.
  package init(_ message: String) {
    self.message = message
  }
}

/// A key of any value type, as a key table holds it.
package protocol AnyConfigKey: Sendable {
  /// The variable's name.
  var name: String { get }
  /// What the value is for.
  var doc: String { get }
  /// The kind and range of the value in words.
  var expectation: String { get }
  /// Text used when the variable is unset; nil when there is no default.
  var defaultText: String? { get }
  /// Whether a daemon refuses to start without the variable.
  var isRequired: Bool { get }
  /// The typed value of `text`, of the default, or of absence.
  func read(_ text: String?) throws(ConfigProblem) -> any Sendable
}

extension ConfigKey: AnyConfigKey {
  /// True without a default and without a value that stands for absence.
  package var isRequired: Bool { defaultText == nil && absent == nil }

  /// Parses `text`, or the default when it is nil, or answers the value that stands for absence.
  ///
  /// - Throws: `ConfigProblem` when the text is refused, or is missing though required.
  package func read(_ text: String?) throws(ConfigProblem) -> any Sendable {
    if let text = text ?? defaultText { return try parse(text) }
    if let absent { return absent }
    throw ConfigProblem("is not set; it needs \(expectation)")
  }
}

extension ConfigKey {
  /// A whole number within `range`; `unit` is a word for the reader, such as "bytes".
  package static func integer(
    _ name: String, default value: Int?, range: ClosedRange<Int>, unit: String? = nil, doc: String
  ) -> ConfigKey<Int> {
    let expectation =
      "a whole number \(range.lowerBound) … \(range.upperBound)" + (unit.map { " (\($0))" } ?? "")
    return ConfigKey<Int>(name, expectation: expectation, default: value.map(String.init), doc: doc) {
      text throws(ConfigProblem) in
      guard let number = Int(text), range.contains(number) else {
        throw ConfigProblem("is \(quoted(text)); it needs \(expectation)")
      }
      return number
    }
  }

  /// A length of time such as `250ms`, `30s`, `15m`, `8h` or `7d`, within `range`.
  package static func duration(
    _ name: String, default text: String?, range: ClosedRange<Duration>, doc: String
  ) -> ConfigKey<Duration> {
    let expectation =
      "a length of time such as 250ms, 30s, 15m, 8h or 7d, from \(range.lowerBound) to \(range.upperBound)"
    return ConfigKey<Duration>(name, expectation: expectation, default: text, doc: doc) {
      text throws(ConfigProblem) in
      guard let duration = Duration(configText: text), range.contains(duration) else {
        throw ConfigProblem("is \(quoted(text)); it needs \(expectation)")
      }
      return duration
    }
  }

  /// One word out of `allowed`.
  package static func choice(
    _ name: String, default value: String?, of allowed: [String], doc: String
  ) -> ConfigKey<String> {
    let expectation = "one of " + allowed.joined(separator: ", ")
    return ConfigKey<String>(name, expectation: expectation, default: value, doc: doc) {
      text throws(ConfigProblem) in
      guard allowed.contains(text) else {
        let hint = closest(to: text, in: allowed).map { "; did you mean \($0)?" } ?? ""
        throw ConfigProblem("is \(quoted(text)); it needs \(expectation)\(hint)")
      }
      return text
    }
  }

  /// `true` or `false`.
  package static func flag(_ name: String, default value: Bool, doc: String) -> ConfigKey<Bool> {
    ConfigKey<Bool>(name, expectation: "true or false", default: String(value), doc: doc) {
      text throws(ConfigProblem) in
      guard let flag = Bool(text) else { throw ConfigProblem("is \(quoted(text)); it needs true or false") }
      return flag
    }
  }

  /// Text of at most `bytesMax` bytes without control characters.
  package static func text(
    _ name: String, default value: String?, bytesMax: Int = 1024, expectation: String = "text", doc: String
  ) -> ConfigKey<String> {
    ConfigKey<String>(name, expectation: expectation, default: value, doc: doc) {
      text throws(ConfigProblem) in
      guard text.utf8.count <= bytesMax, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
        throw ConfigProblem("needs text of at most \(bytesMax) bytes without control characters")
      }
      return text
    }
  }

  /// A URL with one of `schemes`, without a password in it: passwords come from files.
  ///
  /// `passwordKey` names the key of the file that the password, or the whole URL, belongs into.
  package static func url(
    _ name: String, default value: String?, schemes: [String], passwordKey: String? = nil, doc: String
  ) -> ConfigKey<String> {
    let expectation = "a URL that begins with " + schemes.map { "\($0)://" }.joined(separator: " or ")
    return ConfigKey<String>(name, expectation: expectation, default: value, doc: doc) {
      text throws(ConfigProblem) in
      // The text is not repeated in these messages: it may hold a password.
      guard schemes.contains(where: { text.hasPrefix("\($0)://") }), text.utf8.count <= 2048,
        !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f })
      else { throw ConfigProblem("needs \(expectation), without spaces") }
      if urlHoldsPassword(text) {
        let advice = passwordKey.map { "; put it into a file and name the file in \($0)" } ?? ""
        throw ConfigProblem("holds a password, which anyone who lists processes may read\(advice)")
      }
      return text
    }
  }
}

/// Whether a URL names a password, in its authority or as a libpq parameter.
private func urlHoldsPassword(_ url: String) -> Bool {
  guard let start = url.firstRange(of: "://")?.upperBound else { return false }
  let rest = url[start...]
  let authority = rest.prefix { $0 != "/" && $0 != "?" }
  if let at = authority.lastIndex(of: "@"), authority[..<at].contains(":") { return true }
  let query = rest.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
  return query.split(separator: "&").contains { $0.hasPrefix("password=") || $0.hasPrefix("sslpassword=") }
}

/// `text` in quotes, cut at a length that keeps a message readable.
func quoted(_ text: String) -> String {
  text.count <= 80 ? "\"\(text)\"" : "\"\(text.prefix(80))…\""
}

extension Duration {
  /// Parses a whole number followed by `ms`, `s`, `m`, `h` or `d`; nil for anything else or above 10 years.
  init?(configText text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let number = Int64(digits) else { return nil }
    let unit: Int64
    switch text[digits.endIndex...] {
    case "ms": unit = 1
    case "s": unit = 1_000
    case "m": unit = 60_000
    case "h": unit = 3_600_000
    case "d": unit = 86_400_000
    default: return nil
    }
    let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow, milliseconds <= 3650 * 86_400_000 else { return nil }
    self = .milliseconds(milliseconds)
  }
}
