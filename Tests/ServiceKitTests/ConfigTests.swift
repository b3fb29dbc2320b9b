import Foundation
import Testing

@testable import ServiceKit

@Suite("configuration")
struct ConfigTests {
  static let listen = CommonKeys.listen(port: 7101)
  static let batch = ConfigKey<Int>.integer("HANDOFF_BATCH", default: 32, range: 1...64, unit: "rows", doc: "Rows.")
  static let lifetime = ConfigKey<Duration>.duration(
    "HANDOFF_LIFETIME", default: "8h", range: .seconds(60)...(.seconds(86_400)), doc: "How long.")
  static let mode = ConfigKey<String>.choice("HANDOFF_MODE", default: "fast", of: ["fast", "careful"], doc: "How.")
  static let smtp = ConfigKey<String>.url(
    "HANDOFF_SMTP_URL", default: nil, schemes: ["smtp", "smtps"], passwordKey: "HANDOFF_SMTP_PASSWORD_FILE",
    doc: "Relay."
  ).optional()
  static let token = ConfigKey<Secret>.secretFile("HANDOFF_TOKEN_FILE", doc: "Token.").optional()
  static let keys: [any AnyConfigKey] = [listen, batch, lifetime, mode, smtp, token]

  /// The problems of an environment, sorted as reported.
  func problems(
    _ environment: [String: String], rules: [ConfigRule] = [], keys: [any AnyConfigKey] = keys
  ) -> [String] {
    do throws(ConfigProblems) {
      _ = try Config(keys, rules: rules, environment: environment)
      return []
    } catch {
      return error.problems
    }
  }

  @Test("defaults apply to unset and empty variables, and foreign variables are ignored")
  func defaults() throws {
    let config = try Config(Self.keys, environment: ["PATH": "/bin", "HANDOFF_MODE": ""])
    #expect(config[Self.listen] == [.tcp(host: "127.0.0.1", port: 7101)])
    #expect(config[Self.batch] == 32)
    #expect(config[Self.lifetime] == .seconds(8 * 3600))
    #expect(config[Self.mode] == "fast")
    #expect(config[Self.smtp] == nil)
    #expect(config.effective.map(\.text) == ["127.0.0.1:7101", "32", "8h", "fast", "", ""])
  }

  @Test(
    "a refused value says what would be accepted",
    arguments: [
      ("HANDOFF_BATCH", "65", "is \"65\"; it needs a whole number 1 … 64 (rows)"),
      ("HANDOFF_BATCH", "many", "is \"many\"; it needs a whole number 1 … 64 (rows)"),
      (
        "HANDOFF_LIFETIME", "1s",
        "is \"1s\"; it needs a length of time such as 250ms, 30s, 15m, 8h or 7d, from 60.0 seconds to 86400.0 seconds"
      ),
      (
        "HANDOFF_LIFETIME", "99999999999999999999d",
        "is \"99999999999999999999d\"; it needs a length of time such as 250ms, 30s, 15m, 8h or 7d,"
          + " from 60.0 seconds to 86400.0 seconds"
      ),
      ("HANDOFF_MODE", "fats", "is \"fats\"; it needs one of fast, careful; did you mean fast?"),
      ("HANDOFF_SMTP_URL", "http://mail", "needs a URL that begins with smtp:// or smtps://, without spaces"),
      (
        "HANDOFF_SMTP_URL", "smtp://user:pw@mail",
        "holds a password, which anyone who lists processes may read; put it into a file and name the file in"
          + " HANDOFF_SMTP_PASSWORD_FILE"
      ),
      (
        "HANDOFF_LISTEN", "example.org:7101",
        "is \"example.org:7101\"; it needs up to 8 addresses separated by commas, each ip:port, [ipv6]:port"
          + " or unix:/path"
      ),
      ("HANDOFF_BATHC", "3", "is not known to this program; did you mean HANDOFF_BATCH?"),
      ("HANDOFF_COLOUR_OF_THE_SKY", "3", "is not known to this program; see --help for the list; unset it"),
    ])
  func refusals(name: String, value: String, problem: String) {
    #expect(problems([name: value]) == ["\(name) \(problem)"])
  }

  @Test("all problems are reported at once")
  func allAtOnce() {
    let required = ConfigKey<Secret>.secretFile("HANDOFF_KEY_FILE", doc: "Key.")
    let found = problems(
      ["HANDOFF_BATCH": "0", "HANDOFF_MODE": "x", "HANDOFF_EXTRA": "1", "HANDOFF_SMTP_URL": "smtp://relay"],
      rules: [.exactlyOne(of: ["HANDOFF_A", "HANDOFF_B"])],
      keys: Self.keys + [required])
    #expect(
      found == [
        "HANDOFF_EXTRA is not known to this program; see --help for the list; unset it",
        "HANDOFF_BATCH is \"0\"; it needs a whole number 1 … 64 (rows)",
        "HANDOFF_MODE is \"x\"; it needs one of fast, careful",
        "HANDOFF_KEY_FILE is not set; it needs the path of a file with the secret",
        "HANDOFF_A or HANDOFF_B is not set; set one of them",
      ])
  }

  @Test(
    "a libpq password in the query of a database URL is refused, and its text is not repeated",
    arguments: [
      "postgresql://u:hunter2@db/x", "postgresql:///x?password=hunter2", "postgresql:///x?a=b&sslpassword=hunter2",
    ])
  func databasePassword(url: String) {
    let found = problems(
      [CommonKeys.databaseURL.name: url], rules: [CommonKeys.databaseRule], keys: CommonKeys.database)
    #expect(found.count == 1)
    #expect(found.allSatisfy { $0.contains("HANDOFF_DATABASE_URL_FILE") && !$0.contains("hunter2") })
  }

  @Test("a secret comes from a private file, loses one line break, and never shows in text")
  func secretFile() throws {
    let path = try temporaryFile("hunter2\n", mode: 0o600)
    defer { unlink(path) }
    let config = try Config(Self.keys, environment: ["HANDOFF_TOKEN_FILE": path])
    let secret = try #require(config[Self.token])
    #expect(secret.text == "hunter2")
    let texts = "\(secret)\(String(reflecting: secret))\(String(describing: config[Self.token]))"
    #expect(!texts.contains("hunter2"))
    var dumped = ""
    dump(secret, to: &dumped)
    #expect(!dumped.contains("hunter2"))
    #expect(config.effective.last?.text == path)
  }

  @Test("a secret file that is missing, empty, a directory or readable by everyone is refused with what to do")
  func badSecretFiles() throws {
    let open = try temporaryFile("x", mode: 0o644)
    let empty = try temporaryFile("\n", mode: 0o600)
    defer {
      unlink(open)
      unlink(empty)
    }
    let rows = [
      (open, "names \"\(open)\", which everyone may read; run: chmod o-rwx \(open)"),
      (empty, "names \"\(empty)\", which is empty"),
      ("/", "names \"/\", which is not a regular file"),
      (
        "/no/such", "names \"/no/such\": No such file or directory; create it, or let this process's user read it"
      ),
    ]
    for (path, problem) in rows {
      #expect(problems(["HANDOFF_TOKEN_FILE": path]) == ["HANDOFF_TOKEN_FILE \(problem)"])
    }
  }

  @Test(
    "addresses are read and written the same way",
    arguments: [
      ("127.0.0.1:7101", ServiceAddress.tcp(host: "127.0.0.1", port: 7101)),
      ("[::1]:80", .tcp(host: "::1", port: 80)),
      ("tickets:7101", .tcp(host: "tickets", port: 7101)),
      ("unix:/run/handoff/tickets.sock", .unix(path: "/run/handoff/tickets.sock")),
      (":80", nil), ("host", nil), ("host:", nil), ("host:65536", nil), ("::1:80", nil), ("[::1:80", nil),
      ("unix:relative", nil), ("a b:80", nil), ("host:+80", nil), ("[host]:80", nil),
      ("unix:/" + String(repeating: "x", count: 107), nil),
    ] as [(String, ServiceAddress?)])
  func addresses(text: String, expected: ServiceAddress?) {
    #expect(ServiceAddress(text) == expected)
    if let expected { #expect(expected.description == text) }
  }

  @Test("the help text names every key with its origin, purpose and range")
  func help() {
    let text = helpText(program: "handoff-x", summary: "does x.", keys: [Self.batch, Self.smtp])
    #expect(
      text == """
        handoff-x: does x.

        Configured by environment variables:

          HANDOFF_BATCH  (default 32)
              Rows. Takes a whole number 1 … 64 (rows).

          HANDOFF_SMTP_URL  (optional)
              Relay. Takes a URL that begins with smtp:// or smtps://.

        An unknown HANDOFF_* variable is an error. Secrets are read from files, never from variables.

        """)
  }
}

/// Makes a file of `text` with exactly the permissions `mode`; the caller removes it.
func temporaryFile(_ text: String, mode: mode_t) throws -> String {
  let path = FileManager.default.temporaryDirectory.appending(path: "handoff-\(UUID().uuidString)").path
  try Data(text.utf8).write(to: URL(filePath: path))
  try #require(chmod(path, mode) == 0)
  return path
}
