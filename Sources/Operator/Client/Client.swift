import EventLoop
import Glibc
import HandoffAPI
import MessageJSON
import Protobuf
import RPC
import ServiceKit

/// Runs the commands that use a cluster as its agents do.
struct Client: Sendable {
  let arguments: ClientArguments
  let session: ClientSession
  let connection: ClientConnection
  let console: Console

  /// Runs a command; returns the exit code.
  ///
  /// - Throws: `OperatorError` whose exit code tells what kind of failure it is.
  static func run(
    _ command: ClientCommand, _ words: some Sequence<String>, _ console: Console
  ) async throws(OperatorError) -> Int32 {
    let arguments = try ClientArguments(command, words)
    if arguments.wantsHelp {
      console.line(String(ClientArguments.help(for: command).dropLast()))
      return 0
    }
    switch command {
    case .completion:
      console.line(try Completion.script(for: arguments.words[0]))
      return 0
    case .login:
      try await SignInCommand.login(arguments, console)
      return 0
    default: break
    }
    let session = try ClientSession.read(arguments)
    let client = Client(
      arguments: arguments, session: session, connection: try ClientConnection(session), console: console)
    let outcome: Result<Int32, OperatorError>
    do {
      outcome = .success(try await client.run())
    } catch {
      outcome = .failure(ClientConnection.words(error))
    }
    await client.connection.close()
    return try outcome.get()
  }

  private func run() async throws -> Int32 {
    switch arguments.command {
    case .login, .completion: break
    case .logout: try await SignInCommand.logout(self)
    case .me: try await me()
    case .services: try await services()
    case .list: try await list()
    case .get: try await get()
    case .create: try await create()
    case .keep: try await keep()
    case .forward: try await forward()
    case .process: try await process()
    case .batch: return try await batch()
    case .watch: try await watch()
    case .call: try await call()
    }
    return 0
  }

  /// The service that is meant: `services/care`.
  var service: String { "services/\(arguments[.service] ?? session.service)" }

  /// The resource name of a ticket that is named by its number, `care/42` or its whole name.
  func ticket(_ word: String) throws(OperatorError) -> String {
    let parts = word.split(separator: "/", omittingEmptySubsequences: false)
    switch parts.count {
    case 1 where Int64(word) != nil: return "\(service)/tickets/\(word)"
    case 2 where Int64(parts[1]) != nil: return "services/\(parts[0])/tickets/\(parts[1])"
    case 4 where parts[0] == "services" && parts[2] == "tickets": return word
    default:
      throw .usage("\"\(word)\" is no ticket", advice: "Name it by its number, as care/42 or services/care/tickets/42.")
    }
  }

  /// The value of an enum that an option names in either case; nil when it is left out.
  func value<Value: ProtoEnum>(_ option: ClientOption, as type: Value.Type = Value.self) throws(OperatorError) -> Value?
  {
    guard let word = arguments[option] else { return nil }
    guard let value = Value(protoName: word.uppercased().replacing("-", with: "_")), value.rawValue != 0 else {
      let names = Value.allValues.dropFirst().compactMap { $0.protoName?.lowercased() }
      throw .usage("\(option.rawValue) is \"\(word)\"", advice: "It takes: \(names.joined(separator: ", ")).")
    }
    return value
  }

  /// The text of `--text`, from standard input when it is `-` or left out; nil when that is a terminal.
  func text() throws(OperatorError) -> String? {
    if let text = arguments[.text], text != "-" { return text }
    if arguments[.text] == nil, isatty(STDIN_FILENO) == 1 { return nil }
    return try StandardInput.text()
  }

  /// An id that makes an act safe to repeat for the channel.
  static func requestID() -> String { "handoff-\(UInt64.random(in: 0 ... .max))" }

  /// Prints a message as one line of JSON.
  func print(json message: some Message) throws {
    console.line(String(decoding: MessageWriter.json(try DynamicMessage(message, in: Arena())), as: UTF8.self))
  }

  /// Prints a table, cut to the terminal's width.
  func print(_ head: [String], _ rows: [[String]]) {
    for line in TextTable.lines(head, rows, width: Terminal.columns) { console.line(line) }
  }

  /// Prints names and values, one a line.
  func print(_ pairs: [(String, String)]) {
    let shown = pairs.filter { !$0.1.isEmpty }
    let width = shown.map { TextTable.displayWidth($0.0) }.max() ?? 0
    for (name, value) in shown { console.line("\(padded(name, width + 2))\(value)") }
  }
}

/// What standard input holds.
enum StandardInput {
  private static let bytesMax = 4 << 20

  static func text() throws(OperatorError) -> String {
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(STDIN_FILENO, &room, room.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw OperatorError("standard input cannot be read: \(errorText(errno))") }
      guard count > 0 else { break }
      bytes += room.prefix(count)
      guard bytes.count <= bytesMax else { throw .usage("standard input is larger than \(bytesMax) bytes", advice: "") }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .usage("standard input is not UTF-8", advice: "")
    }
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}

/// The terminal that a command writes to.
enum Terminal {
  /// Its columns; nil when the output goes elsewhere.
  static var columns: Int? {
    var size = winsize()
    guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return nil
    }
    return Int(size.ws_col)
  }
}
