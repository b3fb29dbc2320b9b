/// The command line of a command that uses a cluster.
struct ClientArguments: Sendable, Equatable {
  /// The command.
  let command: ClientCommand
  /// The words that are no options.
  private(set) var words: [String] = []
  /// The values of options.
  private(set) var values: [ClientOption: String] = [:]
  /// Whether its help is wanted.
  private(set) var wantsHelp = false
  /// Whether JSON is to be printed.
  private(set) var isJSON = false

  private static let valueBytesMax = 65_536

  /// Understands the words behind the command.
  ///
  /// - Throws: `OperatorError` with exit code 64 that says what would be understood.
  init(_ command: ClientCommand, _ words: some Sequence<String>) throws(OperatorError) {
    self.command = command
    var rest = Array(words)[...]
    var onlyWords = false
    while let word = rest.popFirst() {
      if onlyWords || word == "-" || !word.hasPrefix("-") {
        self.words.append(word)
      } else if word == "--" {
        onlyWords = true
      } else if word == "--help" || word == "-h" {
        wantsHelp = true
      } else {
        try read(word, &rest)
      }
    }
    guard !wantsHelp else { return }
    guard command.wordCount.contains(self.words.count) else {
      throw .usage(
        "handoff \(command.rawValue) takes \(command.words.isEmpty ? "no words but options" : command.words)",
        advice: "See: handoff \(command.rawValue) --help")
    }
  }

  private mutating func read(_ word: String, _ rest: inout ArraySlice<String>) throws(OperatorError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let option = ClientOption(rawValue: parts[0]), option == .session || command.options.contains(option) else {
      let known = command.options.map(\.rawValue) + ["--session", "--help"]
      throw .usage(
        "\"\(parts[0])\" is not an option of handoff \(command.rawValue)",
        advice: "It takes: \(known.joined(separator: ", ")).")
    }
    guard option.value != nil else {
      guard parts.count == 1 else { throw .usage("\(option.rawValue) takes no value", advice: "Leave it out.") }
      isJSON = true
      return
    }
    guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
      throw .usage(
        "\(option.rawValue) needs a value", advice: "It takes \(option.value ?? ""): \(option.summary).")
    }
    guard value.utf8.count <= Self.valueBytesMax, !value.utf8.contains(0) else {
      throw .usage("\(option.rawValue) is too long", advice: "It takes at most \(Self.valueBytesMax) bytes.")
    }
    values[option] = value
  }

  /// The value of an option; nil when it is left out.
  subscript(option: ClientOption) -> String? { values[option] }

  /// A whole number, or nil when the option is left out.
  func number(_ option: ClientOption, _ range: ClosedRange<Int64>) throws(OperatorError) -> Int64? {
    guard let text = values[option] else { return nil }
    guard let number = Int64(text), range.contains(number) else {
      throw .usage(
        "\(option.rawValue) is \"\(text)\"",
        advice: "It takes a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  /// The help of a command.
  static func help(for command: ClientCommand) -> String {
    let options = command.options + [.session]
    var text = "handoff \(command.rawValue): \(command.summary)\n\nUsage: handoff \(command.rawValue)"
    if !command.words.isEmpty { text += " \(command.words)" }
    text += " [OPTIONS]\n"
    for option in options {
      let shown = option.rawValue + (option.value.map { " \($0)" } ?? "")
      text += "\n  \(padded(shown, 26))\(option.summary)"
    }
    return command.details.isEmpty ? text + "\n" : "\(text)\n\n\(command.details)\n"
  }
}
