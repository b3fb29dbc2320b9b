import Crypto
import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger
import Tickets

@testable import Mail

/// Mail with the daemons that it calls: tickets and masking, each with its own database role, in this process.
final class InboundWorld: Sendable {
  let mail: MailWorld
  let inbound: InboundMailProcessor
  let service: MailService
  let tickets: TicketServiceClient
  let tokens: ReplyTokens
  /// Mail itself, as the operator's tool calls it.
  let api: MailServiceClient
  /// The way from mail to masking.
  let masking: InProcessTransport
  /// Masking as agents call it.
  let maskingForAgents: MaskingServiceClient
  /// Masking's keys, and their directory.
  let keys: VaultKeys
  let keysDirectory: String
  private let isKeysOwner: Bool

  /// - Parameters:
  ///   - isTicketsReachable: false: tickets' address is a socket that nobody listens on.
  ///   - limits: of mails.
  ///   - sharing: a world whose database and daemons this one uses, as another copy of the mail daemon does.
  init(
    isTicketsReachable: Bool = true, limits: ParseLimits = ParseLimits(), sharing other: InboundWorld? = nil
  ) async throws {
    let mail: MailWorld
    if let other { mail = other.mail } else { mail = try await MailWorld() }
    self.mail = mail
    func ledger(_ role: String) -> TicketLedger {
      var configuration = mail.database.configuration
      configuration.role = role
      let pool = PostgresPool(configuration, group: TestLoops.group)
      return TicketLedger(pool: pool, directory: Directory(pool: pool), key: mail.ledger.key)
    }
    let nowhere = RPCChannel(group: TestLoops.group, target: .unix("/nonexistent/handoff.sock"))
    keysDirectory = other?.keysDirectory ?? NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    if let other { keys = other.keys } else { keys = try VaultKeys(directory: keysDirectory, metrics: Metrics()) }
    isKeysOwner = other == nil
    let maskingService = MaskingService(ledger: ledger("handoff_masking"), keys: keys)
    func way(to service: RPCService, from caller: String) -> InProcessTransport {
      InProcessTransport(group: TestLoops.group, services: [service], interceptors: [CallsFrom(name: caller)])
    }
    let ticketService = TicketService(
      ledger: ledger("handoff_tickets"), mail: way(to: mail.service.rpcService, from: "tickets"), assignment: nowhere,
      masking: way(to: maskingService.rpcService, from: "tickets"), triggerPatience: .milliseconds(1))
    tickets = TicketServiceClient(way(to: ticketService.rpcService, from: "gateway"))
    tokens = ReplyTokens(mail.ledger.key)
    masking = other?.masking ?? way(to: maskingService.rpcService, from: "mail")
    maskingForAgents = MaskingServiceClient(way(to: maskingService.rpcService, from: "gateway"))
    let vault = RawMailVault(masking: masking)
    inbound = InboundMailProcessor(
      ledger: mail.mailLedger, store: mail.store, vault: vault, tokens: tokens, senders: mail.senders,
      tickets: isTicketsReachable ? way(to: ticketService.rpcService, from: "mail") : nowhere, pool: mail.blocking,
      limits: limits)
    service = MailService(ledger: mail.mailLedger, store: mail.store, senders: mail.senders, inbound: inbound)
    api = MailServiceClient(way(to: service.rpcService, from: "operator"))
  }

  deinit {
    if isKeysOwner { try? FileManager.default.removeItem(atPath: keysDirectory) }
  }

  /// Gives masking another key.
  func addKey(_ id: String) throws {
    let path = "\(keysDirectory)/\(id).key"
    try Data(SecureRandom.bytes(32)).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try keys.reload()
  }

  /// Takes one of masking's keys away.
  func removeKey(_ id: String) throws {
    try FileManager.default.removeItem(atPath: "\(keysDirectory)/\(id).key")
    try keys.reload()
  }

  var options: CallOptions { CallOptions(deadline: TestDatabase.deadline) }

  /// The header and body of a mail.
  struct Letter {
    var from = "김철수 <kim@example.com>"
    var to = "care@shop.example"
    /// Nil: the mail has no such field.
    var subject: String? = "배송 문의"
    var id = "\(UUID().uuidString)@example.com"
    var headers: [String] = []
    var body = "언제 오나요?"

    var bytes: [UInt8] {
      var head = ["From: \(from)", "To: \(to)"]
      if let subject { head.append("Subject: \(subject)") }
      head += ["Message-ID: <\(id)>"] + headers
      return Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }
  }

  func take(_ letter: Letter, service code: String = "care") async throws -> InboundRecord {
    let service = try await mail.ledger.directory.service(code: code, deadline: TestDatabase.deadline)
    return try await inbound.take(letter.bytes, for: service, options)
  }

  func state(_ ticket: TicketID?) async throws -> String {
    try await mail.database.pool.query(
      "SELECT state FROM ticket WHERE id = \(ticket)", deadline: TestDatabase.deadline)[0].string(0)
  }

  func texts(_ ticket: TicketID?) async throws -> [String] {
    try await mail.database.pool.query(
      """
      SELECT body FROM ticket_entry WHERE ticket_id = \(ticket) ORDER BY create_time, id
      """, deadline: TestDatabase.deadline
    ).map { try $0.string(0) }
  }

  func number(_ query: Query) async throws -> Int64 {
    try await mail.database.pool.query(query, deadline: TestDatabase.deadline)[0].int64(0)
  }

  /// The accounting identity: what came in is what became something, and every ticket and reply is there once.
  func accounts() async throws -> String {
    try await mail.database.pool.query(
      """
      SELECT (count(*) = count(*) FILTER (WHERE state = 'TICKET') + count(*) FILTER (WHERE state = 'REPLY')
          + count(*) FILTER (WHERE state = 'SUPPRESSED') + count(*) FILTER (WHERE state = 'QUARANTINED'))
        || ' received=' || count(*) || ' tickets=' || count(*) FILTER (WHERE state = 'TICKET')
        || ' replies=' || count(*) FILTER (WHERE state = 'REPLY')
        || ' suppressed=' || count(*) FILTER (WHERE state = 'SUPPRESSED')
        || ' quarantined=' || count(*) FILTER (WHERE state = 'QUARANTINED')
      FROM inbound_mail
      """, deadline: TestDatabase.deadline)[0].string(0)
  }

  /// A ticket of a mail, resolved with an answer that was mailed; the answer as it was sent.
  func answered(_ letter: Letter = Letter()) async throws -> (ticket: TicketID, answer: ParsedMail) {
    let taken = try await take(letter)
    let id = try #require(taken.ticketID)
    let record = try await mail.ledger.perform(on: id, of: ServiceID(1), deadline: TestDatabase.deadline) { _ in
      var event = EventDraft(.kept, by: .agent(MailWorld.agent))
      event.set.state = .processing
      event.set.agentID = .some(MailWorld.agent)
      return TicketChange(event)
    }.ticket
    let before = try FileManager.default.fileExists(atPath: mail.spool) ? mail.mails().count : 0
    let order = try await mail.act(record)
    #expect(try await mail.spooled().carryOut(order, deadline: TestDatabase.deadline) == .done)
    let mails = try mail.mails()
    #expect(mails.count == before + 1)
    let answer = try #require(mails.first { $0["X-Handoff-Ticket"] == "services/care/tickets/\(id)" })
    return (id, answer)
  }
}

/// Calls as one caller, past the check of who calls.
private struct CallsFrom: ServerInterceptor {
  let name: String
  func admit(_ call: CallContext) throws { call.caller = name }
  func finished(_ call: CallContext, _ outcome: CallOutcome) {}
}
