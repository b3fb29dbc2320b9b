import EventLoop
import Glibc
import HandoffAPI
import RPC
import ServiceKit

/// `handoff login` and `handoff logout`.
enum SignInCommand {
  private static let defaultURL = "http://127.0.0.1:8080"

  /// Signs in and keeps the session.
  static func login(_ arguments: ClientArguments, _ console: Console) async throws(OperatorError) {
    let url = arguments[.url] ?? defaultURL
    let email: String
    if let given = arguments[.email] { email = given } else { email = try answer("E-mail: ", isSecret: false, console) }
    let password: String
    if let path = arguments[.passwordFile] {
      password = try firstLine(path)
    } else {
      password = try answer("Password: ", isSecret: true, console)
    }
    let authority = arguments[.ca].map(DataDirectory.absolutePath)
    let connection = try ClientConnection(url: url, authority: authority, token: nil)
    let outcome: Result<(Session, [Service]), OperatorError>
    do {
      let opened = try await connection.sessions.signIn(
        SignInRequest(email: email, password: password), connection.options())
      var options = connection.options()
      options.metadata.replace("authorization", "Bearer \(opened.token)")
      let services = try await connection.api.listServices(ListServicesRequest(pageSize: 200), options).services
      outcome = .success((opened, services))
    } catch {
      outcome = .failure(ClientConnection.words(error))
    }
    await connection.close()
    let (opened, services) = try outcome.get()
    let codes = services.map { String($0.name.split(separator: "/").last ?? "") }
    if let wanted = arguments[.service], !codes.contains(wanted) {
      throw OperatorError(
        "\(email) is in no service \(wanted)", advice: "Services: \(codes.joined(separator: ", "))",
        exitCode: EX_NOINPUT)
    }
    let session = ClientSession(
      url: url, authority: authority, token: opened.token, email: email,
      service: arguments[.service] ?? codes.first ?? "")
    try session.write(arguments)
    console.line("Signed in as \(opened.agent?.displayName ?? email).")
    console.line("Services: \(codes.joined(separator: ", ")); \(session.service) is meant when none is named.")
  }

  /// Ends the session and forgets it; one that has ended already is forgotten, too.
  static func logout(_ client: Client) async throws {
    do {
      _ = try await client.connection.sessions.signOut(SignOutRequest(), client.connection.options())
    } catch let error as RPCError where ServiceError(error).reason == .sessionExpired {
      client.console.line("The session had ended already.")
    }
    try ClientSession.remove(client.arguments)
    client.console.line("Signed out.")
  }

  private static func firstLine(_ path: String) throws(OperatorError) -> String {
    guard let text = try PrivateFile.read(path) else { throw .usage("\(path) is missing", advice: "") }
    return String(text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)[0])
  }

  /// Asks the person at the terminal; what is secret is not shown while it is typed.
  private static func answer(
    _ question: String, isSecret: Bool, _ console: Console
  ) throws(OperatorError) -> String {
    let isTerminal = isatty(STDIN_FILENO) == 1
    var before = termios()
    let hides = isSecret && isTerminal && tcgetattr(STDIN_FILENO, &before) == 0
    if isTerminal { console.status(question) }
    if hides {
      var silent = before
      silent.c_lflag &= ~tcflag_t(ECHO)
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
    }
    let line = readLine()
    if hides {
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
      console.status("\n")
    }
    guard let line, !line.isEmpty else {
      throw .usage("nothing was entered", advice: "Or name it: --email ADDRESS --password-file FILE")
    }
    return line
  }
}
