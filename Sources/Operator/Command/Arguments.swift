/// A command of `handoff`.
enum CommandName: String, CaseIterable, Sendable {
  case up, migrate, seed, demo, ingest, doctor, backup, restore, certificates, secrets, probe, version

  /// One line of `handoff --help`.
  var summary: String {
    switch self {
    case .up: "start a whole cluster on this machine and keep it running"
    case .migrate: "bring the database's schema up to date"
    case .seed: "fill an empty database with the demo organization"
    case .demo: "drive a ticket through the running cluster, step by step"
    case .ingest: "hand a mail that came in to the running cluster"
    case .doctor: "say what is missing or wrong on this machine, and how to mend it"
    case .certificates: "make the certificates by which the processes of a cluster know one another"
    case .backup: "write the database and its keys into a directory, while the cluster runs"
    case .restore: "make a new installation out of such a directory"
    case .secrets: "make the secrets of a cluster in containers, and hand each program its own"
    case .probe: "ask a URL, such as a daemon's /readyz, and print the answer"
    case .version: "print the version"
    }
  }

  /// The options it takes.
  var options: [CommandOption] {
    switch self {
    case .up: [.data, .port, .copies, .withFakeDooray]
    case .migrate: [.data]
    case .seed: [.data, .tickets, .days, .seed]
    case .demo: [.data, .edge, .certificates, .signIns, .mails, .dooray]
    case .ingest: [.data, .service, .recipient]
    case .doctor: [.data, .port]
    case .certificates: [.out, .host]
    case .backup: [.data, .to]
    case .restore: [.data, .from]
    case .secrets: [.data, .out, .host]
    case .probe: [.url]
    case .version: []
    }
  }
}

/// An option of a command; each takes a value, but those that say yes by themselves.
enum CommandOption: String, CaseIterable, Sendable {
  case data = "--data"
  case port = "--port"
  case copies = "--copies"
  case withFakeDooray = "--with-fake-dooray"
  case host = "--host"
  case edge = "--edge"
  case certificates = "--certificates"
  case tickets = "--tickets"
  case signIns = "--sign-ins"
  case mails = "--mails"
  case dooray = "--dooray"
  case out = "--out"
  case url = "--url"
  case to = "--to"
  case from = "--from"
  case days = "--days"
  case seed = "--seed"
  case service = "--service"
  case recipient = "--recipient"

  /// Whether it stands alone.
  var isFlag: Bool { self == .withFakeDooray }

  /// The option as usages and helps show it.
  func usage(of command: CommandName) -> String { isFlag ? rawValue : "\(rawValue) \(value(of: command))" }

  /// What stands behind it.
  func value(of command: CommandName) -> String {
    switch self {
    case .withFakeDooray: ""
    case .data, .certificates, .out, .to, .from: "DIR"
    case .mails: "PLACE"
    case .host: "NAMES"
    case .port: "PORT"
    case .copies: "NUMBERS"
    case .edge, .url, .dooray: "URL"
    case .signIns: "FILE"
    case .tickets, .days, .seed: "N"
    case .service: "CODE"
    case .recipient: "ADDRESS"
    }
  }

  /// One line of a command's help.
  func summary(of command: CommandName) -> String {
    switch self {
    case .tickets: "how many generated tickets, in the place of the demo's 500"
    case .data: "where the installation keeps its data (default: .handoff)"
    case .port: "the port that browsers and curl use, 0 for any free ports (default: 8080)"
    case .withFakeDooray: "run a fake Dooray! beside it, set up, to try escalations out"
    case .copies: "how many of which daemon, for example tickets=3,mail=2 (default: one of each)"
    case .host: "names and addresses of gateway and edge, separated by commas"
    case .edge: "the edge of a cluster that runs elsewhere, instead of the one in --data"
    case .certificates: "that cluster's certificates, when its edge has TLS"
    case .signIns: "the sign-ins of that cluster's demo organization"
    case .mails: "where the cluster's mails can be read: a directory, or the URL of scripts/inbox"
    case .dooray: "a fake Dooray! beside that cluster, which is set up first; none: there is none"
    case .out: "where the certificates, or each program's own secrets, go"
    case .to: "the backup's directory, which must be new"
    case .from: "the backup's directory"
    case .days: "over how many days they were received (default: 365)"
    case .seed: "another number makes other tickets, the same one the same (default: 2024)"
    case .service: "the service that the mail is for, for example care"
    case .recipient: "the address that the mail was delivered to"
    case .url: "what to ask: http://127.0.0.1:7201/readyz, or grpcs://127.0.0.1:7101 for its health"
    }
  }
}

/// A command line, understood.
struct Arguments: Sendable, Equatable {
  /// What to do; nil: print the help of all commands.
  var command: CommandName?
  /// Print the help of `command` instead of doing it.
  var wantsHelp = false
  /// Where the data lies, as given.
  var data = ".handoff"
  /// The edge's port, when one was asked for.
  var port: UInt16?
  /// The values of the other options, as given.
  var texts: [CommandOption: String] = [:]

  /// Understands the words after the program's name.
  ///
  /// - Throws: `OperatorError` with exit code 64 that says what would be understood.
  init(_ words: [String]) throws(OperatorError) {
    var rest = words[...]
    guard let first = rest.popFirst(), !["--help", "-h", "help"].contains(first) else {
      // `handoff help up` is `handoff up --help`.
      command = rest.first.flatMap(CommandName.init(rawValue:))
      wantsHelp = true
      return
    }
    let name = ["--version", "-V"].contains(first) ? "version" : first
    guard let command = CommandName(rawValue: name) else {
      let known = CommandName.allCases.map(\.rawValue) + ClientCommand.allCases.map(\.rawValue)
      throw .usage(
        "\"\(first)\" is not a command of handoff",
        advice: "Commands: \(known.joined(separator: ", ")). See: handoff --help")
    }
    self.command = command
    while let word = rest.popFirst() {
      if word == "--help" || word == "-h" {
        wantsHelp = true
      } else {
        try read(word, command, &rest)
      }
    }
  }

  private mutating func read(
    _ word: String, _ command: CommandName, _ rest: inout ArraySlice<String>
  ) throws(OperatorError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let option = CommandOption(rawValue: parts[0]), command.options.contains(option) else {
      let known = command.options.map { $0.usage(of: command) } + ["--help"]
      throw .usage(
        "\"\(word)\" is not an option of handoff \(command.rawValue)",
        advice: "It takes: \(known.joined(separator: ", ")).")
    }
    if option.isFlag {
      guard parts.count == 1 else {
        throw .usage("\(option.rawValue) takes no value", advice: "Leave out \(parts[1]).")
      }
      texts[option] = ""
      return
    }
    guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
      throw .usage(
        "\(option.rawValue) needs a value",
        advice: "For example: handoff \(command.rawValue) \(option.example(of: command))")
    }
    switch option {
    case .data:
      data = try Self.bounded(value, option)
    case .port:
      guard let number = UInt16(value) else {
        throw .usage("--port is \"\(value)\"", advice: "It takes a number from 0 (any free port) to 65535.")
      }
      port = number
    case .copies, .edge, .certificates, .tickets, .signIns, .mails, .dooray, .out, .host, .url, .to, .from, .days,
      .seed, .service, .recipient, .withFakeDooray:
      texts[option] = try Self.bounded(value, option)
    }
  }

  private static func bounded(_ value: String, _ option: CommandOption) throws(OperatorError) -> String {
    guard !value.utf8.contains(0), value.utf8.count <= 1024 else {
      throw .usage("\(option.rawValue) is too long", advice: "It takes at most 1024 bytes.")
    }
    return value
  }
}

extension CommandOption {
  fileprivate func example(of command: CommandName) -> String {
    switch self {
    case .tickets: "--tickets 100000"
    case .data: "--data /srv/handoff"
    case .port: "--port 8080"
    case .copies: "--copies tickets=3,mail=2"
    case .withFakeDooray: rawValue
    case .host: "--host desk.example.com,192.0.2.7"
    case .edge: "--edge http://127.0.0.1:8080"
    case .certificates: "--certificates /srv/handoff/tls"
    case .signIns: "--sign-ins sign-ins.txt"
    case .mails: "--mails /srv/handoff/mail"
    case .dooray: "--dooray https://127.0.0.1:7190"
    case .out: "--out /run/handoff"
    case .to, .from: "\(rawValue) backup"
    case .service: "--service care"
    case .recipient: "--recipient care@example.com"
    case .url: "--url http://127.0.0.1:7201/readyz"
    case .days: "--days 365"
    case .seed: "--seed 7"
    }
  }
}

/// The text of `handoff --help`, or of one command's `--help`; `details` follows the options.
func help(for command: CommandName?, details: String = "") -> String {
  guard let command else {
    let lines = CommandName.allCases.map { "  \(padded($0.rawValue, 14))\($0.summary)\n" }.joined()
    let client = ClientCommand.allCases.map { "  \(padded($0.rawValue, 14))\($0.summary)\n" }.joined()
    return """
      handoff runs and looks after a Handoff cluster, and works with it as its agents do.

      Usage: handoff COMMAND [OPTIONS]

      \(lines)
      As an agent, through the public API:

      \(client)
      `handoff COMMAND --help` says more.

      """
  }
  let usage = command.options.map { " [\($0.usage(of: command))]" }.joined()
  var text = "handoff \(command.rawValue): \(command.summary)\n\nUsage: handoff \(command.rawValue)\(usage)\n"
  for option in command.options {
    text += "\n  \(padded(option.usage(of: command), 20))\(option.summary(of: command))"
  }
  if !command.options.isEmpty { text += "\n" }
  return details.isEmpty ? text : "\(text)\n\(details)"
}

func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
