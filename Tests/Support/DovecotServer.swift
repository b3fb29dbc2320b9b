import EventLoop
package import Foundation

/// A foreign IMAP server (Dovecot) with mailboxes of its own as a child process; ends with the object.
package final class DovecotServer {
  /// It did not start.
  package struct Failed: Error, CustomStringConvertible {
    /// What it said.
    package let description: String
  }

  /// The port for STARTTLS, or for connections in the clear.
  package let port: UInt16
  /// The port for TLS from the first byte; nobody listens there on a server without TLS.
  package let securePort: UInt16
  private let certificate: TestCertificate
  /// How it encrypts, and what it says that it can do.
  private let kinds: [String]
  private let directory: URL
  private var users: [String: String]
  private var running: (process: Process, lifeline: Pipe)?

  /// Starts a server on 127.0.0.1.
  ///
  /// - Parameters:
  ///   - users: passwords by name; each user has an INBOX.
  ///   - isPlain: it offers no TLS.
  ///   - hasUIDPLUS: whether it says that it can remove single mails.
  /// - Throws: ``Failed`` when it does not start.
  package init(
    _ certificate: TestCertificate, users: [String: String], isPlain: Bool = false, hasUIDPLUS: Bool = true
  ) throws {
    self.certificate = certificate
    let kinds = [isPlain ? "plain" : "starttls", hasUIDPLUS ? "" : "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE"]
    self.kinds = kinds
    var last = ""
    for _ in 0..<5 {
      let (port, securePort) = (try Self.freePort(), try Self.freePort())
      let directory = FileManager.default.temporaryDirectory.appending(path: "handoff-imap-\(UUID().uuidString)")
      for user in users.keys { try Self.makeMaildir(directory.appending(path: "mail/\(user)")) }
      try Self.write(users, to: directory)
      if let running = try Self.launch(directory, port, securePort, kinds, certificate) {
        (self.port, self.securePort, self.directory, self.users) = (port, securePort, directory, users)
        self.running = running
        return
      }
      // Somebody else may have taken the port.
      last = (try? String(contentsOf: directory.appending(path: "output"), encoding: .utf8)) ?? "no output"
      try? FileManager.default.removeItem(at: directory)
    }
    throw Failed(description: "Dovecot does not start (Debian: apt-get install dovecot-imapd): \(last)")
  }

  deinit {
    try? stop()
    try? FileManager.default.removeItem(at: directory)
  }

  /// Ends the server; its mailboxes stay as they are.
  package func stop() throws {
    guard let (process, lifeline) = running else { return }
    running = nil
    try Data().write(to: directory.appending(path: "stopped"))
    try lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// Starts the server again, with the same ports.
  ///
  /// - Throws: ``Failed`` when it does not start.
  package func start() throws {
    try FileManager.default.removeItem(at: directory.appending(path: "stopped"))
    // Who has taken a port meanwhile mostly gives it back soon.
    for _ in 0..<100 where running == nil {
      running = try Self.launch(directory, port, securePort, kinds, certificate)
    }
    if running == nil { throw Failed(description: "Dovecot does not start again on its ports") }
  }

  /// Gives a user another password, of another length than before. The server sees it within a second.
  package func setPassword(_ password: String, of user: String) throws {
    users[user] = password
    try Self.write(users, to: directory)
  }

  /// Puts a mail into a user's mailbox, as a delivery does.
  ///
  /// - Parameters:
  ///   - folder: another mailbox than INBOX.
  ///   - claimedSize: a size that the server believes instead of the real one; it hangs up when it finds out.
  ///   - isDeleted: somebody has marked it as deleted.
  package func deliver(
    _ message: [UInt8], to user: String, folder: String? = nil, arrival: Date = Date(), claimedSize: Int? = nil,
    isDeleted: Bool = false
  ) throws {
    let maildir = maildir(user, folder)
    if folder != nil, !FileManager.default.fileExists(atPath: maildir.path) {
      try Self.makeMaildir(maildir)
      try Data().write(to: maildir.appending(path: "maildirfolder"))
      try adopt(maildir)
    }
    let name = "\(Int(Date().timeIntervalSince1970)).\(UUID().uuidString).test"
    let file = maildir.appending(path: "tmp/\(name)")
    try Data(message).write(to: file)
    try FileManager.default.setAttributes(
      [.modificationDate: arrival, .posixPermissions: 0o644], ofItemAtPath: file.path)
    let size = claimedSize.map { ",S=\($0),W=\($0)" } ?? ""
    try FileManager.default.moveItem(
      at: file, to: maildir.appending(path: isDeleted ? "cur/\(name)\(size):2,T" : "new/\(name)\(size)"))
  }

  /// How many mails a user's mailbox holds.
  package func count(of user: String, folder: String? = nil) throws -> Int { try names(user, folder).count }

  /// How many mails of a user's mailbox are marked as read.
  package func readCount(of user: String, folder: String? = nil) throws -> Int {
    try names(user, folder).count { $0.split(separator: ":2,").dropFirst().first?.contains("S") == true }
  }

  /// What the server noted of those who signed in; `TLS` stands there when the connection was encrypted.
  package func signIns() throws -> [Substring] {
    try String(contentsOf: directory.appending(path: "log"), encoding: .utf8).split(separator: "\n")
      .filter { $0.contains("Login: user=") }
  }

  /// Gives a user's mailbox another UIDVALIDITY; its mails get UIDs from 1 on.
  package func renumber(_ user: String) throws {
    let maildir = maildir(user, nil)
    let list = maildir.appending(path: "dovecot-uidlist")
    let head = try String(contentsOf: list, encoding: .utf8).split(separator: "\n")[0].split(separator: " ")
    guard let validity = head.first(where: { $0.hasPrefix("V") }).flatMap({ Int($0.dropFirst()) }) else {
      throw Failed(description: "the server keeps its UIDs in another way")
    }
    for file in try FileManager.default.contentsOfDirectory(atPath: maildir.path) where file.hasPrefix("dovecot") {
      try FileManager.default.removeItem(at: maildir.appending(path: file))
    }
    let guid = head.first { $0.hasPrefix("G") } ?? ""
    try "3 V\(validity + 7) N1 \(guid)\n".write(to: list, atomically: true, encoding: .utf8)
    try adopt(maildir)
  }

  /// Runs the server; nil when it does not start.
  private static func launch(
    _ directory: URL, _ port: UInt16, _ securePort: UInt16, _ kinds: [String], _ certificate: TestCertificate
  ) throws -> (process: Process, lifeline: Pipe)? {
    let process = Process()
    let (input, output) = (Pipe(), Pipe())
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "dovecot.sh")
    // A session of its own: it cleans up when standard input ends, however this process goes.
    process.executableURL = URL(filePath: "/usr/bin/setsid")
    process.arguments = [
      "--wait", "/bin/sh", script.path, directory.path, String(port), String(securePort), kinds[0],
      certificate.certificate, certificate.key, kinds[1],
    ]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try output.fileHandleForWriting.close()
    if String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "ready\n" {
      return (process, input)
    }
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
    return nil
  }

  private static func write(_ users: [String: String], to directory: URL) throws {
    let lines = users.map { "\($0.key):{PLAIN}\($0.value)\n" }
    // In place, so that it stays readable for the server.
    try Data(lines.joined().utf8).write(to: directory.appending(path: "users"))
  }

  private func names(_ user: String, _ folder: String?) throws -> [String] {
    let maildir = maildir(user, folder)
    return try ["new", "cur"].flatMap {
      try FileManager.default.contentsOfDirectory(atPath: maildir.appending(path: $0).path)
    }
  }

  private func maildir(_ user: String, _ folder: String?) -> URL {
    let inbox = directory.appending(path: "mail/\(user)")
    return folder.map { inbox.appending(path: ".\($0)") } ?? inbox
  }

  private static func makeMaildir(_ maildir: URL) throws {
    for part in ["new", "cur", "tmp"] {
      try FileManager.default.createDirectory(at: maildir.appending(path: part), withIntermediateDirectories: true)
    }
  }

  /// Gives files to the user that the server runs as.
  private func adopt(_ directory: URL) throws {
    let manager = FileManager.default
    let owner = try manager.attributesOfItem(atPath: self.directory.appending(path: "mail").path)
    let wanted: [FileAttributeKey: Any] = [
      .ownerAccountID: owner[.ownerAccountID] ?? 0, .groupOwnerAccountID: owner[.groupOwnerAccountID] ?? 0,
    ]
    guard getuid() == 0 else { return }
    let inside = manager.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
    for path in [directory.path] + inside.map({ directory.appending(path: $0).path }) {
      try manager.setAttributes(wanted, ofItemAtPath: path)
    }
  }

  private static func freePort() throws -> UInt16 {
    let bound = try Socket.listen(.ipv4(0x7f00_0001, port: 0))
    defer { Socket.close(bound) }
    guard let port = try Socket.boundAddress(bound).port else { throw Failed(description: "no free port") }
    return port
  }
}
