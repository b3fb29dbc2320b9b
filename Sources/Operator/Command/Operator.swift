import FoundationEssentials
import Glibc

/// The version of this build.
let handoffVersion = "0.1.0"

/// Runs `handoff` with the words after the program's name; returns the exit code.
package func runOperator(_ words: [String]) async -> Int32 {
  // Writing into a closed pipe is an error like others, and files are private unless said otherwise.
  signal(SIGPIPE, SIG_IGN)
  umask(0o022)
  let console = Console()
  do throws(OperatorError) {
    if let command = words.first.flatMap(ClientCommand.init(rawValue:)) {
      return try await Client.run(command, words.dropFirst(), console)
    }
    if words.first == "help", words.count > 1, let command = ClientCommand(rawValue: words[1]) {
      return try await Client.run(command, ["--help"], console)
    }
    let arguments = try Arguments(words)
    guard let command = arguments.command, !arguments.wantsHelp else {
      let details = arguments.command.map(details) ?? ""
      console.line(String(help(for: arguments.command, details: details).dropLast()))
      return 0
    }
    return try await run(command, arguments, console)
  } catch {
    console.error(error)
    return error.exitCode
  }
}

private func run(
  _ command: CommandName, _ arguments: Arguments, _ console: Console
) async throws(OperatorError) -> Int32 {
  if command == .version {
    console.line("handoff \(handoffVersion)")
    return 0
  }
  if command == .probe {
    // Runs in the container of a daemon, among the variables of that.
    try await ProbeCommand.run(arguments, environment: ProcessInfo.processInfo.environment, console)
    return 0
  }
  let config = try OperatorConfig(environment: ProcessInfo.processInfo.environment)
  switch command {
  case .up:
    try await UpCommand.run(arguments, config, try StopSignals(), console)
  case .migrate:
    try await DatabaseCommands.migrate(arguments, config, try StopSignals(), console)
  case .seed:
    try await DatabaseCommands.seed(arguments, config, try StopSignals(), console)
  case .demo:
    try await DemoCommand.run(arguments, console)
  case .ingest:
    try await IngestCommand.run(arguments, console)
  case .doctor:
    return await Doctor(arguments, config).report(to: console) ? 0 : 1
  case .certificates:
    try CertificatesCommand.run(arguments, config, console)
  case .backup:
    try BackupCommands.backup(arguments, config, console)
  case .restore:
    try await BackupCommands.restore(arguments, config, try StopSignals(), console)
  case .secrets:
    try SecretsCommand.run(arguments, config, console)
  case .probe, .version: break
  }
  return 0
}

/// What `--help` of a command says after its options.
private func details(_ command: CommandName) -> String {
  switch command {
  case .up:
    """
    Makes a private PostgreSQL in DIR (never as root), brings its schema up to date, fills it with a demo organization
    the first time, and runs the daemons and the edge until Ctrl-C. What is in DIR stays and is used the next time.

    \(OperatorConfig.help)
    """
  case .migrate:
    "Uses HANDOFF_DATABASE_URL or HANDOFF_DATABASE_URL_FILE when set, else the private PostgreSQL in DIR.\n"
  case .seed:
    """
    Does nothing when there is an organization already. Passwords are random; they are kept in DIR/sign-ins.txt.
    Uses HANDOFF_DATABASE_URL or HANDOFF_DATABASE_URL_FILE when set, else the private PostgreSQL in DIR.

    """
  case .demo:
    """
    Needs a running cluster: handoff up, or one elsewhere that --edge and --sign-ins point to. Ends with code 1 when any
    step is not as it should be.

    """
  case .ingest: IngestCommand.help
  case .doctor: "Ends with code 1 when something keeps a cluster from running.\n"
  case .certificates: CertificatesCommand.help
  case .backup:
    """
    Keep what it writes as safe as the installation itself: it holds the keys under which originals are sealed. Uses
    HANDOFF_DATABASE_URL or HANDOFF_DATABASE_URL_FILE when set, else the private PostgreSQL of the cluster in DIR.

    """
  case .restore:
    """
    Uses HANDOFF_DATABASE_URL or HANDOFF_DATABASE_URL_FILE when set, a database without an organization, else makes a
    private PostgreSQL in DIR, where no installation may be. Start it with handoff up afterwards.

    """
  case .secrets:
    """
    Makes what is missing in DIR, certificates among it, and keeps what is there; certificates that expire within
    \(ClusterCertificates.daysLeftMin) days are renewed. HANDOFF_DATABASE_URL says how the database will be reached,
    without a password. The database need not run yet: `handoff migrate` lets the daemons in with these passwords.

    """
  case .probe:
    """
    Ends with code 0 when the answer is 200, or SERVING, else with 1 and the reason. A grpcs URL is called with the
    certificate that HANDOFF_TLS_CERTIFICATE_FILE, HANDOFF_TLS_KEY_FILE and HANDOFF_TLS_CA_FILE name.

    """
  case .version: ""
  }
}
