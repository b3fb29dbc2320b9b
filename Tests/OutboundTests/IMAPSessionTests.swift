import EventLoop
import Foundation
import HandoffTestKit
import Testing

@testable import Outbound

@Suite("IMAP against Dovecot", .timeLimit(.minutes(5)))
struct IMAPSessionTests {
  static let pool = BlockingPool(name: "imap", threads: 4, queueMax: 16)
  static let password = "s3cret \"wörd\" \\"
  let certificate: TestCertificate
  let server: DovecotServer
  let deadline: Deadline = .after(.seconds(120))

  init() throws {
    certificate = try TestCertificate()
    server = try DovecotServer(certificate, users: ["care": Self.password])
  }

  func session(
    _ security: ConnectionSecurity = .implicit, port: UInt16? = nil, host: String = "127.0.0.1",
    password: String = Self.password, mailbox: String = "INBOX", allowed: String = "127.0.0.0/8", trusts: Bool = true
  ) throws -> IMAPSession {
    let described = IMAPServer(
      host: host, port: port ?? (security == .implicit ? server.securePort : server.port), security: security,
      user: "care", password: password, mailbox: mailbox)
    return IMAPSession(
      server: try #require(described), pool: Self.pool,
      limits: IMAPLimits(
        policy: try AddressPolicy(allowing: allowed), authoritiesFile: trusts ? certificate.certificate : nil,
        connectTimeout: .seconds(60), answerTimeout: .seconds(60)))
  }

  func mail(_ number: Int, lines: Int = 3) -> [UInt8] {
    Array("Message-ID: <\(number)@example.com>\r\n\r\n\(String(repeating: "* OK .\r\nA001 NO\r\n", count: lines))".utf8)
  }

  /// Why a visit comes to nothing.
  func failure(_ session: IMAPSession) async throws -> IMAPFailure {
    try await #require(throws: IMAPFailure.self) {
      try await session.signIn(deadline: deadline)
      _ = try await session.select(deadline: deadline)
    }
  }

  @Test("a mail that the server does not hand out is told from one that is gone by the answer to the last command")
  func refusedFetch() {
    #expect(IMAPFailure.isRefused(["* 3 EXISTS", "A003 OK selected", "A004 NO [SERVERBUG] cannot convert"]))
    #expect(IMAPFailure.isRefused(["A003 OK selected", "A004 BAD what?"]))
    #expect(!IMAPFailure.isRefused(["A002 NO no such mechanism", "A003 OK selected", "A004 OK done", "* 2 EXISTS"]))
    #expect(IMAPFailure.isRefused(["* BYE"]))
  }

  @Test("mails are listed and come byte for byte, by TLS and by STARTTLS", arguments: ["tls", "starttls"])
  func fetches(way: String) async throws {
    for number in 1...5 { try server.deliver(mail(number, lines: number * 200), to: "care") }
    let session = try session(way == "tls" ? .implicit : .startTLS)
    try await session.signIn(deadline: deadline)
    let mailbox = try await session.select(deadline: deadline)
    let validity = try #require(mailbox.uidValidity)
    #expect(mailbox.messageCount == 5 && mailbox.uidNext == 6 && !mailbox.isReadOnly)
    #expect(try await session.uid(at: 5, deadline: deadline) == 5)
    let listed = try await session.messages(at: 2...4, deadline: deadline)
    #expect(listed.map(\.uid) == [2, 3, 4])
    var found: Set<[UInt8]> = []
    for message in try await session.messages(at: 1...5, deadline: deadline) {
      let bytes = try await session.message(
        message.uid, uidValidity: validity, bytesMax: 1 << 20, deadline: deadline)
      #expect(Int64(bytes.count) == message.sizeBytes)
      found.insert(bytes)
    }
    #expect(found == Set((1...5).map { mail($0, lines: $0 * 200) }))
    let head = try await session.head(1, uidValidity: validity, bytesMax: 20, deadline: deadline)
    #expect(String(decoding: head, as: UTF8.self) == "Message-ID: <1@examp" || head.count == 20)
    await session.close()
    #expect(try server.readCount(of: "care") == 5)
    #expect(try server.signIns().allSatisfy { $0.contains("TLS") })
  }

  @Test("removed is what is named, and nothing else")
  func deletes() async throws {
    for number in 1...4 { try server.deliver(mail(number), to: "care") }
    let session = try session()
    try await session.signIn(deadline: deadline)
    let validity = try #require(try await session.select(deadline: deadline).uidValidity)
    try await session.delete([2, 4, 99], uidValidity: validity, deadline: deadline)
    try await session.delete([2], uidValidity: validity, deadline: deadline)
    #expect(try await session.messages(at: 1...2, deadline: deadline).map(\.uid) == [1, 3])
    let gone = await #expect(throws: IMAPFailure.self) {
      try await session.message(2, uidValidity: validity, bytesMax: 1000, deadline: deadline)
    }
    #expect(gone == .messageGone)
    await session.close()
    #expect(try server.count(of: "care") == 2)
  }

  @Test("a mail that is longer than it may be is not taken, and the next one is")
  func limits() async throws {
    try server.deliver(mail(1, lines: 5_000), to: "care")
    try server.deliver(mail(2), to: "care")
    let session = try session()
    try await session.signIn(deadline: deadline)
    let validity = try #require(try await session.select(deadline: deadline).uidValidity)
    var lengths: [Int] = []
    for uid in [UInt32(1), 2] {
      do {
        lengths.append(
          try await session.message(uid, uidValidity: validity, bytesMax: 10_000, deadline: deadline).count)
      } catch IMAPFailure.messageTooLong {
        lengths.append(-1)
      }
    }
    #expect(lengths.sorted() == [-1, mail(2).count])
    await session.close()
  }

  @Test("a server that cannot remove single mails removes none that somebody else has marked as deleted")
  func withoutUIDPLUS() async throws {
    let server = try DovecotServer(certificate, users: ["care": Self.password], hasUIDPLUS: false)
    for number in 1...2 { try server.deliver(mail(number), to: "care") }
    let session = try session(port: server.securePort)
    try await session.signIn(deadline: deadline)
    let validity = try #require(try await session.select(deadline: deadline).uidValidity)
    #expect(try await session.delete([1], uidValidity: validity, deadline: deadline))
    #expect(try server.count(of: "care") == 1)
    try server.deliver(mail(3), to: "care", isDeleted: true)
    await session.close()
    try await session.signIn(deadline: deadline)
    #expect(!(try await session.delete([2], uidValidity: validity, deadline: deadline)))
    // Both are marked, and the other's is still there.
    #expect(try server.count(of: "care") == 2)
    #expect(try await session.delete([2, 3], uidValidity: validity, deadline: deadline))
    #expect(try server.count(of: "care") == 0)
    await session.close()
  }

  @Test("another UIDVALIDITY than the one that is meant fetches nothing and removes nothing")
  func renumbered() async throws {
    try server.deliver(mail(1), to: "care")
    let session = try session()
    try await session.signIn(deadline: deadline)
    let validity = try #require(try await session.select(deadline: deadline).uidValidity)
    await session.close()
    try server.renumber("care")
    try await session.signIn(deadline: deadline)
    let fetch = await #expect(throws: IMAPFailure.self) {
      try await session.message(1, uidValidity: validity, bytesMax: 1000, deadline: deadline)
    }
    #expect(fetch == .mailboxChanged)
    try await session.signIn(deadline: deadline)
    let deletion = await #expect(throws: IMAPFailure.self) {
      try await session.delete([1], uidValidity: validity, deadline: deadline)
    }
    #expect(deletion == .mailboxChanged)
    #expect(try await session.select(deadline: deadline).uidValidity == validity + 7)
    await session.close()
    #expect(try server.count(of: "care") == 1)
  }

  @Test("folders with names in any script are found")
  func folders() async throws {
    try server.deliver(mail(1), to: "care", folder: ModifiedUTF7.encoded("고객 문의 & 답변"))
    let session = try session(mailbox: "고객 문의 & 답변")
    try await session.signIn(deadline: deadline)
    #expect(try await session.select(deadline: deadline).messageCount == 1)
    await session.close()
  }

  @Test("what is wrong is told apart: address, host, encryption, sign-in, folder, time")
  func failures() async throws {
    guard case .address(let range) = try await failure(session(allowed: "")) else {
      Issue.record("a private address was called")
      return
    }
    #expect(range == "loopback")
    let bound = try Socket.listen(.ipv4(0x7f00_0001, port: 0))
    let port = try #require(try Socket.boundAddress(bound).port)
    // Nobody answers there, though the system takes the connection.
    let silent = try session(port: port)
    let late = await #expect(throws: IMAPFailure.self) { try await silent.signIn(deadline: .after(.milliseconds(300))) }
    #expect(late == .timeout)
    Socket.close(bound)
    let plain = try DovecotServer(certificate, users: ["care": Self.password], isPlain: true)
    let rows: [(IMAPSession, String)] = [
      (try session(port: port), "host: the host does not answer"),
      (try session(host: "\(String(repeating: "a", count: 70)).example"), "host: the host is not found"),
      (try session(trusts: false), "encryption: the server's certificate is not trusted"),
      (try session(.startTLS, trusts: false), "encryption: the server's certificate is not trusted"),
      (try session(.startTLS, port: plain.port), "encryption: the server does not offer STARTTLS"),
      (try session(.implicit, port: plain.port), "encryption: the connection cannot be encrypted"),
      (try session(password: "wrong"), "signIn: the server says: [AUTHENTICATIONFAILED]"),
      (try session(mailbox: "Nope"), "mailbox: the server says: "),
    ]
    for (session, words) in rows {
      let failure = try await failure(session)
      #expect("\(failure.kind): \(failure)".hasPrefix(words), "\(failure.kind): \(failure)")
      await session.close()
    }
    let clear = try session(.none, port: plain.port)
    try await clear.signIn(deadline: deadline)
    #expect(try await clear.select(deadline: deadline).messageCount == 0)
    await clear.close()
  }

  @Test("cancelling the task ends a call that waits for the server")
  func cancellation() async throws {
    let bound = try Socket.listen(.ipv4(0x7f00_0001, port: 0))
    defer { Socket.close(bound) }
    let port = try #require(try Socket.boundAddress(bound).port)
    let session = try session(port: port)
    let task = Task { try await session.signIn(deadline: .never) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}

extension IMAPFailure {
  fileprivate var kind: String { String("\(Mirror(reflecting: self).children.first?.label ?? "")") }
}
