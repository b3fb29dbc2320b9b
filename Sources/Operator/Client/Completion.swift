import HandoffAPI

/// What shells offer when a line with `handoff` is to be completed: commands, and the options of each.
enum Completion {
  /// The script of a shell.
  ///
  /// - Throws: `OperatorError` with exit code 64 for a shell that is not known.
  static func script(for shell: String) throws(OperatorError) -> String {
    switch shell {
    case "bash": return bash
    case "zsh": return zsh
    case "fish": return fish
    default: throw .usage("there is no completion for \(shell)", advice: "It takes: bash, zsh, fish.")
    }
  }

  /// A command as a shell sees it.
  private static let commands: [(name: String, summary: String, options: [(name: String, summary: String)])] =
    CommandName.allCases.map { command in
      (command.rawValue, command.summary, command.options.map { ($0.rawValue, $0.summary(of: command)) })
    }
    + ClientCommand.allCases.map { command in
      (command.rawValue, command.summary, (command.options + [.session]).map { ($0.rawValue, $0.summary) })
    }

  private static let files = ["--ca", "--password-file", "--session", "--data", "--certificates", "--sign-ins"]

  private static var bash: String {
    let cases = commands.map { command in
      "    \(command.name)) words=\"\(command.options.map(\.name).joined(separator: " ")) --help\" ;;"
    }
    return """
      _handoff() {
        local words current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
        COMPREPLY=()
        case $before in
          \(files.joined(separator: "|"))) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        esac
        case ${COMP_WORDS[1]} in
      \(cases.joined(separator: "\n"))
        esac
        ((COMP_CWORD > 1)) || words="\(commands.map(\.name).joined(separator: " "))"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      }
      complete -F _handoff handoff
      """
  }

  private static var zsh: String {
    let names = commands.map { "    '\($0.name):\(quoted($0.summary))'" }
    let cases = commands.map { command in
      let options = command.options.map {
        "'\($0.name)=[\(quoted($0.summary).replacing("[", with: "(").replacing("]", with: ")"))]:'"
      }
      return "    \(command.name)) _arguments '--help[say more]' \(options.joined(separator: " ")) '*: :_files' ;;"
    }
    return """
      #compdef handoff
      _handoff() {
        local -a commands=(
      \(names.joined(separator: "\n"))
        )
        if ((CURRENT == 2)); then
          _describe command commands
          return
        fi
        case $words[2] in
      \(cases.joined(separator: "\n"))
        esac
      }
      compdef _handoff handoff
      """
  }

  private static var fish: String {
    var lines = ["complete -c handoff -f"]
    for command in commands {
      lines.append("complete -c handoff -n __fish_use_subcommand -a \(command.name) -d '\(quoted(command.summary))'")
      for option in command.options {
        let file = files.contains(option.name) ? " -F" : ""
        lines.append(
          "complete -c handoff -n '__fish_seen_subcommand_from \(command.name)' -l \(option.name.dropFirst(2))"
            + " -r\(file) -d '\(quoted(option.summary))'")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Within single quotes.
  private static func quoted(_ text: String) -> String { text.replacing("'", with: "’").replacing(":", with: " -") }
}
