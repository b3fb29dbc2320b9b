import EventLoop
import Glibc

/// PostgreSQL's own programs for dumps, run against one database.
struct DatabaseTools: Sendable {
  /// The URL without its password, which the list of processes shows to everybody.
  private let url: String
  private let password: String
  private let path: String
  /// A dump takes as long as it takes; this only ends one that hangs.
  private static let limit = Duration.seconds(24 * 3600)

  /// Tools for the database at `url`, whose password may be percent-encoded; `path` is `PATH` of the environment.
  init(url: String, path: String) {
    self.path = path
    let start = url.firstRange(of: "://")?.upperBound ?? url.startIndex
    let authority = url[start...].prefix { $0 != "/" && $0 != "?" }
    guard let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") else {
      self.url = url
      password = ""
      return
    }
    password = Self.percentDecoded(authority[authority.index(after: colon)..<at])
    self.url = "\(url[..<colon])\(url[at...])"
  }

  /// Writes the whole database into `file`, in PostgreSQL's custom format.
  func dump(to file: String) throws(OperatorError) {
    try run("pg_dump", ["--format=custom", "--file=\(file)", "--dbname=\(url)"])
  }

  /// Puts a dump in the place of what the database holds: all of it, or nothing when that fails.
  func restore(from file: String) throws(OperatorError) {
    try run("pg_restore", ["--clean", "--if-exists", "--single-transaction", "--dbname=\(url)", file])
  }

  private func run(_ name: String, _ arguments: [String]) throws(OperatorError) {
    let places = PostgresBinaries.all(path: path).map(\.directory) + path.split(separator: ":").map(String.init)
    guard let directory = places.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
      throw OperatorError("\(name) was not found", advice: "Install it: apt-get install postgresql-client")
    }
    var environment = Program.plainEnvironment
    if !password.isEmpty { environment["PGPASSWORD"] = password }
    let result = try Program("\(directory)/\(name)", arguments, environment: environment).run(timeout: Self.limit)
    guard result.succeeded else {
      throw OperatorError(
        "\(name) \(result.status)", advice: result.output.split(separator: "\n").suffix(8).joined(separator: "\n"))
    }
  }

  static func percentDecoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2)
      if byte == 0x25, digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
