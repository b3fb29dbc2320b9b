/// The configuration of one process: the environment read through its key table.
///
/// Complete and valid once made; values are looked up by key. Nothing else in the tree reads the environment.
package struct Config: Sendable {
  private let values: [String: any Sendable]
  /// Every key of the table with the text in effect, for the start-up log; secrets appear as their file's path only.
  package let effective: [(name: String, text: String)]

  /// Reads `environment` through `keys`.
  ///
  /// - Throws: `ConfigProblems` with every problem found: unknown `HANDOFF_*` variables, missing and refused values,
  ///   and broken rules.
  package init(
    _ keys: [any AnyConfigKey], rules: [ConfigRule] = [], environment: [String: String]
  ) throws(ConfigProblems) {
    let names = keys.map(\.name)
    precondition(Set(names).count == names.count, "a name appears twice in the key table")
    // An empty variable counts as unset: compose files and shells cannot easily unset what they pass on.
    let set = environment.filter { $0.key.hasPrefix("HANDOFF_") && !$0.value.isEmpty }
    var problems: [String] = []
    var values: [String: any Sendable] = [:]
    // HANDOFF_TEST_ is for the tests, whose environment the programs they start inherit.
    for name in set.keys.sorted() where !names.contains(name) && !name.hasPrefix("HANDOFF_TEST_") {
      let hint = closest(to: name, in: names).map { "did you mean \($0)?" } ?? "see --help for the list; unset it"
      problems.append("\(name) is not known to this program; \(hint)")
    }
    for key in keys {
      do throws(ConfigProblem) {
        values[key.name] = try key.read(set[key.name])
      } catch {
        problems.append("\(key.name) \(error.message)")
      }
    }
    problems += rules.compactMap { $0.problem(isSet: { set[$0] != nil }) }
    guard problems.isEmpty else { throw ConfigProblems(problems: problems) }
    self.values = values
    self.effective = keys.map { ($0.name, set[$0.name] ?? $0.defaultText ?? "") }
  }

  /// The value of `key`, which must be in the table this configuration was read through.
  package subscript<Value>(_ key: ConfigKey<Value>) -> Value {
    guard let value = values[key.name] as? Value else {
      preconditionFailure("\(key.name) is not in the key table of this program")
    }
    return value
  }
}

/// A condition over several keys, checked on which of them are set.
package enum ConfigRule: Sendable {
  /// Exactly one of these is set.
  case exactlyOne(of: [String])

  func problem(isSet: (String) -> Bool) -> String? {
    switch self {
    case .exactlyOne(let names):
      let count = names.count(where: isSet)
      if count == 1 { return nil }
      let list = names.joined(separator: " or ")
      return count == 0 ? "\(list) is not set; set one of them" : "\(list): set only one of them"
    }
  }
}

/// Everything that is wrong with an environment, one sentence each.
package struct ConfigProblems: Error, Sendable, Equatable, CustomStringConvertible {
  /// Unknown variables first, then wrong values in the order of the key table, then broken rules.
  package let problems: [String]

  /// A line for each problem, indented, for the terminal.
  package var description: String { problems.map { "  \($0)\n" }.joined() }
}

/// The text of `--help`: what the program does and its key table, 100 columns wide.
package func helpText(program: String, summary: String, keys: [any AnyConfigKey]) -> String {
  var text = "\(program): \(summary)\n\nConfigured by environment variables:\n"
  for key in keys {
    let origin =
      if let value = key.defaultText { "default \(value)" } else { key.isRequired ? "required" : "optional" }
    text += "\n  \(key.name)  (\(origin))\n"
    text += wrapped("\(key.doc) Takes \(key.expectation).", indent: "      ", columns: 100)
  }
  text += "\nAn unknown HANDOFF_* variable is an error. Secrets are read from files, never from variables.\n"
  return text
}

private func wrapped(_ text: String, indent: String, columns: Int) -> String {
  var lines = ""
  var line = indent
  for word in text.split(separator: " ") {
    if line.count + word.count + 1 > columns, line != indent {
      lines += line + "\n"
      line = indent
    }
    line += (line == indent ? "" : " ") + word
  }
  return lines + line + "\n"
}

/// The candidate that a misspelled `word` most likely means; nil when none is near.
func closest(to word: String, in candidates: [String]) -> String? {
  let distances = candidates.map { ($0, editDistance(Array(word.utf8), Array($0.utf8))) }
  guard let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= max(2, word.utf8.count / 4) else { return nil }
  return best.0
}

/// Levenshtein distance in bytes, each side cut at 128.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  let left = left.prefix(128)
  let right = right.prefix(128)
  var row = Array(0...right.count)
  for (i, a) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, b) in right.enumerated() {
      let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (a == b ? 0 : 1))
      diagonal = row[j + 1]
      row[j + 1] = next
    }
  }
  return row[right.count]
}
