import FoundationEssentials
import Glibc

/// Who is signed in where, kept in a file of mode 0600 between two commands.
struct ClientSession: Codable, Equatable, Sendable {
  /// The cluster's edge, a URL without a path.
  var url: String
  /// The file with the authority of its certificate; nil: those that the system trusts.
  var authority: String?
  /// The secret of the session.
  var token: String
  /// Who signed in.
  var email: String
  /// The code of the service that is meant when none is named.
  var service: String

  /// The session of a command.
  ///
  /// - Throws: `OperatorError` with exit code 77 when nobody is signed in.
  static func read(_ arguments: ClientArguments) throws(OperatorError) -> ClientSession {
    let path = try path(arguments)
    guard let text = try PrivateFile.read(path) else {
      throw OperatorError("nobody is signed in", advice: "Sign in: handoff login --url URL", exitCode: EX_NOPERM)
    }
    do {
      return try JSONDecoder().decode(ClientSession.self, from: Data(text.utf8))
    } catch {
      throw OperatorError("\(path) is no session of Handoff's", advice: "Sign in again: handoff login")
    }
  }

  /// Keeps the session.
  func write(_ arguments: ClientArguments) throws(OperatorError) {
    let path = try Self.path(arguments)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { throw OperatorError("the session cannot be written") }
    if let slash = path.lastIndex(of: "/"), arguments[.session] == nil {
      try PrivateFile.makeDirectory(String(path[..<slash]), owner: .current)
    }
    try PrivateFile.write(String(decoding: data, as: UTF8.self) + "\n", to: path, owner: .current)
  }

  /// Forgets the session.
  static func remove(_ arguments: ClientArguments) throws(OperatorError) {
    unlink(try path(arguments))
  }

  private static func path(_ arguments: ClientArguments) throws(OperatorError) -> String {
    if let path = arguments[.session] { return DataDirectory.absolutePath(path) }
    let environment = ProcessInfo.processInfo.environment
    if let directory = environment["XDG_CONFIG_HOME"], directory.hasPrefix("/") {
      return "\(directory)/handoff/session"
    }
    guard let home = environment["HOME"], home.hasPrefix("/") else {
      throw .usage("there is no HOME to keep the session in", advice: "Name a file: --session FILE")
    }
    return "\(home)/.config/handoff/session"
  }
}
