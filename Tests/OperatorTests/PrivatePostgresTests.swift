import EventLoop
import Foundation
import Testing

@testable import Operator

@Suite("The private PostgreSQL")
struct PrivatePostgresTests {
  private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  @Test("it is made and runs as an unprivileged user, answers on a private socket only, and stops cleanly")
  func life() async throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let postgres = try PrivatePostgres(directory, path: Self.path)
    #expect(!postgres.exists)
    try postgres.create()
    #expect(postgres.exists)
    #expect(scratch.mode(of: "\(directory.secrets)/postgres-password") == 0o600)

    let group = try EventLoopGroup.start(count: 1)
    let supervisor = Supervisor(loop: group.next(), logs: directory.logs, owner: directory.user) { _ in }
    try await supervisor.start(try postgres.program(connectionsMax: 20))
    let pid = try #require(await supervisor.pid(of: PrivatePostgres.name))
    while !postgres.isReady(pid: pid) {
      try #require(await supervisor.death(of: PrivatePostgres.name) == nil)
      await Task.yield()
    }
    #expect(PrivateFile.owner(of: "/proc/\(pid)") == directory.user.uid)
    #expect(scratch.mode(of: postgres.socketDirectory) == 0o700)

    let answer = try Program(
      "\(postgres.binaries.directory)/psql",
      [
        "-X", "-A", "-t", "-d", try postgres.operatorURL(), "-c",
        "SELECT current_setting('server_encoding'), current_setting('listen_addresses'), current_database()",
      ]
    ).run(timeout: .seconds(60))
    #expect(answer.output == "UTF8||handoff\n")
    let stranger = try Program(
      "\(postgres.binaries.directory)/psql",
      ["-X", "-w", "-d", postgres.url(role: PrivatePostgres.role, password: "guess"), "-c", "SELECT 1"]
    ).run(timeout: .seconds(60))
    #expect(stranger.output.contains("password authentication failed"))

    let refused = try Program(
      "\(postgres.binaries.directory)/psql",
      ["-X", "-d", try postgres.operatorURL()]
        + [
          "CREATE TEMP TABLE person (email text UNIQUE, CHECK (length(email) > 9))",
          "INSERT INTO person VALUES ('quoted.7f3a@example.com')",
          "INSERT INTO person VALUES ('quoted.7f3a@example.com')",
          "INSERT INTO person VALUES ('@7f3a')", "SELECT 'not a number: 7f3a' FROM nowhere",
        ].flatMap { ["-c", $0] }
    ).run(timeout: .seconds(60))
    #expect(refused.output.contains("(email)=(quoted.7f3a@example.com) already exists"))

    await supervisor.stopAll()
    #expect(kill(pid, 0) == -1)
    let log = try String(contentsOfFile: "\(directory.logs)/postgres.log", encoding: .utf8)
    #expect(log.contains("database system is shut down"))
    #expect(log.contains("violates unique constraint") && log.contains("violates check constraint"))
    #expect(!log.contains("7f3a"), "a row's values are in the log")
    #expect(try !postgres.endLeftover(within: .seconds(1)))
  }

  @Test("a socket directory with too long a path is put under /tmp")
  func longPaths() throws {
    let scratch = try Scratch()
    let deep = scratch.path + "/" + String(repeating: "deep/", count: 20) + "data"
    let directory = try DataDirectory.prepare(deep, sudoUser: nil)
    let postgres = try PrivatePostgres(directory, path: Self.path)
    #expect("\(postgres.socketDirectory)/.s.PGSQL.5432".utf8.count <= 107)
    #expect(postgres.socketDirectory.hasPrefix("/tmp/handoff-"))
  }

  @Test("data of a version that is not installed is refused with the package to install")
  func otherVersion() throws {
    let error = #expect(throws: OperatorError.self) { try PostgresBinaries.find(path: Self.path, major: 9) }
    #expect(error?.advice.contains("postgresql-9") == true)
  }
}
