/// A command of `handoff` that uses a cluster as its agents do, through the public API.
enum ClientCommand: String, CaseIterable, Sendable {
  case login, logout, me, services, list, get, create, keep, forward, process, batch, watch, call, completion

  /// One line of `handoff --help`.
  var summary: String {
    switch self {
    case .login: "sign in, and keep the session for the commands below"
    case .logout: "end that session"
    case .me: "show who is signed in, and what they may do where"
    case .services: "list the services you belong to"
    case .list: "list tickets"
    case .get: "show a ticket with its history"
    case .create: "create a ticket, and print its name"
    case .keep: "take a ticket that nobody holds"
    case .forward: "hand a ticket to an agent of a group"
    case .process: "resolve, hold, comment on or close a ticket"
    case .batch: "do the same to many tickets, and watch how far it is"
    case .watch: "print what changes, as it happens"
    case .call: "call any method of the API with JSON"
    case .completion: "print the completion of a shell: bash, zsh or fish"
    }
  }

  /// The words that stand behind it, as help shows them.
  var words: String {
    switch self {
    case .login, .logout, .me, .services, .list, .create: ""
    case .get, .keep, .forward, .process: "TICKET"
    case .batch: "[TICKET...]"
    case .watch: "[TICKET]"
    case .call: "[METHOD [JSON]]"
    case .completion: "SHELL"
    }
  }

  /// How many words may stand behind it.
  var wordCount: ClosedRange<Int> {
    switch self {
    case .login, .logout, .me, .services, .list, .create: 0...0
    case .get, .keep, .forward, .process, .completion: 1...1
    case .watch: 0...1
    case .call: 0...2
    case .batch: 0...10_000
    }
  }

  /// The options it takes, beside `--session` and `--help`.
  var options: [ClientOption] {
    switch self {
    case .login: [.url, .ca, .email, .passwordFile, .service]
    case .logout, .call, .completion: []
    case .me, .services: [.json]
    case .list: [.service, .menu, .state, .limit, .json]
    case .get: [.service, .json]
    case .create:
      [
        .service, .title, .text, .type, .priority, .channel, .customer, .customerEmail, .customerPhone, .customerCode,
        .agent, .json,
      ]
    case .keep: [.service, .group, .json]
    case .forward: [.service, .group, .agent, .version, .json]
    case .process: [.service, .act, .text, .reason, .version, .json]
    case .batch: [.service, .act, .text, .reason, .json]
    case .watch: [.service, .json]
    }
  }

  /// What `--help` says after the options.
  var details: String {
    switch self {
    case .login:
      """
      The password is asked for, or read from a file. The session is kept in a file that only you can read.
      """
    case .get, .keep, .process, .watch:
      "TICKET is a number of the service, care/42, or services/care/tickets/42.\n\(Self.codes)"
    case .forward:
      """
      TICKET is a number of the service, care/42, or services/care/tickets/42. Groups and agents have numbers, too:

        handoff call ListGroups '{"parent": "services/care"}'

      \(Self.codes)
      """
    case .list: Self.codes
    case .create: "The text is read from standard input when --text is left out or -.\n\(Self.codes)"
    case .batch:
      """
      Without tickets, their numbers are read from standard input, one a line. Ends with code 1 when something could not
      be done.
      \(Self.codes)
      """
    case .call:
      """
      Without METHOD, all methods are listed. JSON is read from standard input when it is -; left out, it is {}.

        handoff call GetCounters '{"parent": "services/care"}'
      """
    case .completion:
      """
        source <(handoff completion bash)
        handoff completion zsh > "${fpath[1]}/_handoff"
        handoff completion fish > ~/.config/fish/completions/handoff.fish
      """
    case .logout, .me, .services: ""
    }
  }

  private static let codes =
    "Ends with 64 for a wrong command line, 66 when there is no such thing, 69 when the cluster does not answer,\n"
    + "75 when somebody was faster, 77 when you may not or are not signed in, else 1."
}

/// An option of these commands.
enum ClientOption: String, CaseIterable, Sendable {
  case url = "--url"
  case ca = "--ca"
  case email = "--email"
  case passwordFile = "--password-file"
  case session = "--session"
  case service = "--service"
  case menu = "--menu"
  case state = "--state"
  case limit = "--limit"
  case title = "--title"
  case text = "--text"
  case type = "--type"
  case priority = "--priority"
  case channel = "--channel"
  case customer = "--customer"
  case customerEmail = "--customer-email"
  case customerPhone = "--customer-phone"
  case customerCode = "--customer-code"
  case agent = "--agent"
  case group = "--group"
  case act = "--act"
  case reason = "--reason"
  case version = "--version"
  case json = "--json"

  /// What stands behind it; nil for a switch.
  var value: String? {
    switch self {
    case .url: "URL"
    case .ca, .passwordFile, .session: "FILE"
    case .email, .customerEmail: "ADDRESS"
    case .service, .customerCode: "CODE"
    case .menu, .state, .priority, .channel, .act, .reason, .customer: "NAME"
    case .limit, .version, .group, .agent, .type: "N"
    case .title, .text: "TEXT"
    case .customerPhone: "NUMBER"
    case .json: nil
    }
  }

  /// One line of a command's help.
  var summary: String {
    switch self {
    case .url: "the cluster's edge (default: http://127.0.0.1:8080)"
    case .ca: "the authority of its certificate, for https (default: those that the system trusts)"
    case .email: "who signs in (default: asked for)"
    case .passwordFile: "a file with the password in its first line"
    case .session: "where the session is kept (default: handoff/session in the directory of your settings)"
    case .service: "the service (default: the one chosen at the sign-in)"
    case .menu: "which set: all, unassigned, my_processing, my_pending, my_groups, spam, and so on"
    case .state: "only this state: processing, pending, resolved, and so on"
    case .limit: "at most so many (default: 50)"
    case .title: "what it is about"
    case .text: "the words; - reads them from standard input"
    case .type: "the number of the submission type (default: the service's first)"
    case .priority: "low, normal, high or urgent"
    case .channel: "how it came in: phone, manual, and so on"
    case .customer: "the customer's name"
    case .customerEmail: "where the answer goes"
    case .customerPhone: "the customer's phone"
    case .customerCode: "by which your own systems know the customer"
    case .agent: "the number of the agent who is to hold it (left out when creating: triggers decide)"
    case .group: "the number of the group in charge"
    case .act: "resolve, hold, comment or resolve_internally"
    case .reason: "why, when resolving internally: spam, duplicate, and so on"
    case .version: "the version you saw; refused when somebody was faster"
    case .json: "print JSON"
    }
  }
}
