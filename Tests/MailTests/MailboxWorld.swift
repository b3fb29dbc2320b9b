import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

/// Mail and the daemons that it calls, with mailboxes on a real Dovecot.
final class MailboxWorld {
  static let password = "s3cret \"wörd\" \\"

  let world: InboundWorld
  let certificate: TestCertificate
  let server: DovecotServer
  let mailboxes: Mailboxes
  let worker: MailAccountWorker
  let service: MailService
  let metrics = Metrics()

  /// - Parameters:
  ///   - users: of the mail server; all have the same password.
  ///   - isTicketsReachable: false: tickets' address is a socket that nobody listens on.
  ///   - sharing: a world whose database and mail server this one uses, as another copy of the mail daemon does.
  init(
    users: [String] = ["care"], limits: ParseLimits = ParseLimits(), allowed: String = "127.0.0.0/8",
    isTicketsReachable: Bool = true, sharing other: MailboxWorld? = nil
  ) async throws {
    certificate = try other?.certificate ?? TestCertificate()
    server =
      try other?.server
      ?? DovecotServer(certificate, users: Dictionary(uniqueKeysWithValues: users.map { ($0, Self.password) }))
    world = try await InboundWorld(isTicketsReachable: isTicketsReachable, limits: limits, sharing: other?.world)
    let rules = MailboxRules(
      policy: try AddressPolicy(allowing: allowed), authoritiesFile: certificate.certificate,
      readInterval: .seconds(3600))
    mailboxes = Mailboxes(passwords: AccountPasswords(masking: world.masking), rules: rules)
    worker = MailAccountWorker(
      store: world.mail.store, inbound: world.inbound, mailboxes: mailboxes,
      log: Logger(service: "tests", level: .error, output: .standardError), metrics: metrics)
    service = MailService(
      ledger: world.mail.mailLedger, store: world.mail.store, senders: world.mail.senders, inbound: world.inbound,
      mailboxes: mailboxes)
  }

  var administrator: CallContext { world.mail.asAdministrator }

  /// The description of an account that reads a user's INBOX from its first mail.
  func account(_ user: String = "care") -> MailAccount {
    MailAccount(
      displayName: "고객 메일", address: "\(user)@shop.example", host: "127.0.0.1", port: Int32(server.securePort),
      security: .tls, user: user, password: Self.password, startTime: Timestamp(seconds: 0))
  }

  func create(_ account: MailAccount) async throws -> MailAccount {
    try await service.createMailAccount(
      CreateMailAccountRequest(parent: "services/care", mailAccount: account), administrator)
  }

  func update(_ account: MailAccount, _ paths: [String], version: Int64 = 0) async throws -> MailAccount {
    try await service.updateMailAccount(
      UpdateMailAccountRequest(mailAccount: account, updateMask: FieldMask(paths: paths), version: version),
      administrator)
  }

  func get(_ account: MailAccount) async throws -> MailAccount {
    try await service.getMailAccount(GetMailAccountRequest(name: account.name), administrator)
  }

  /// Reads all mailboxes now, by one worker or several at the same time; returns how many readings that were.
  @discardableResult
  func read(_ workers: [MailAccountWorker]? = nil) async throws -> Int {
    try await sql("UPDATE mail_account SET due_time = clock_timestamp()")
    return try await withThrowingTaskGroup(of: Int.self) { group in
      for worker in workers ?? [worker] {
        group.addTask { try await worker.runOnce(deadline: TestDatabase.deadline) }
      }
      return try await group.reduce(0, +)
    }
  }

  func sql(_ query: Query) async throws {
    _ = try await world.mail.database.pool.query(query, deadline: TestDatabase.deadline)
  }

  func letter(_ number: Int, headers: [String] = [], body: String = "언제 오나요?") -> InboundWorld.Letter {
    InboundWorld.Letter(
      from: "c\(number)@example.com", subject: "문의 \(number)", id: "\(number)@example.com", headers: headers,
      body: body)
  }

  func deliver(_ numbers: ClosedRange<Int>, to user: String = "care") throws {
    for number in numbers { try server.deliver(letter(number).bytes, to: user) }
  }

  func accounts() async throws -> String { try await world.accounts() }
}
