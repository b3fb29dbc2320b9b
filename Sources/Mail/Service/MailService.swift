package import HandoffAPI
import Postgres
package import RPC
import RPCProtos
package import ServiceKit
package import TicketLedger

/// Answers on their way to customers (what an act would mail, what it will, and what was mailed), and customers' mails
/// on their way to tickets.
package struct MailService: MailServiceProvider {
  let ledger: TicketLedger
  let store: MailStore
  let bannedWords: BannedWordLists
  let senders: SenderChoice
  let tokens: ReplyTokens
  let inbound: InboundMailProcessor?
  let hashes: AddressHashes
  let mailboxes: Mailboxes?

  /// Serves from the ledger's tickets and mail's own tables.
  ///
  /// - Parameters:
  ///   - tokens: what marks mails with their tickets; nil: marks of the usual form.
  ///   - inbound: what mails that come in are handed to; without it, none are taken.
  ///   - mailboxes: the way to mailboxes of other servers; without it, none are.
  package init(
    ledger: TicketLedger, store: MailStore, senders: SenderChoice, tokens: ReplyTokens? = nil,
    inbound: InboundMailProcessor? = nil, mailboxes: Mailboxes? = nil
  ) {
    self.ledger = ledger
    self.store = store
    self.senders = senders
    self.tokens = tokens ?? ReplyTokens(ledger.key)
    self.inbound = inbound
    hashes = AddressHashes(ledger.key)
    self.mailboxes = mailboxes
    bannedWords = BannedWordLists(store: store)
  }

  /// Who may call what.
  package static let callerRules = [
    CallerRule("MailService", ["PrepareAnswer"], callers: ["tickets"]),
    CallerRule(
      "MailService",
      [
        "PreviewAnswer", "ListMailMessages", "ResendMailMessage", "GetCustomerAddress", "UnblockCustomerAddress",
        "ListLayouts", "CreateLayout", "DeleteLayout", "ListBannedWords", "ChangeBannedWords",
      ], callers: ["gateway", "operator"]),
    CallerRule(
      "MailService",
      [
        "IngestMessage", "ListInboundMails", "GetInboundMail", "AcceptInboundMail", "RejectInboundMail",
        "RerunInboundMail",
      ], callers: ["gateway", "operator"]),
    CallerRule(
      "MailService",
      [
        "CreateMailAccount", "GetMailAccount", "ListMailAccounts", "UpdateMailAccount", "DeleteMailAccount",
        "CheckMailAccount",
      ], callers: ["gateway"]),
  ]

  /// Lists the mails of a ticket, oldest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listMailMessages(
    _ request: ListMailMessagesRequest, _ call: CallContext
  ) async throws -> ListMailMessagesResponse {
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50, scope: "ListMailMessages \(name)",
      key: ledger.key.pages)
    let found = try await store.messages(
      of: ticket.id, in: ticket.serviceID, after: Int32(clamping: page.after), limit: page.size + 1,
      deadline: call.deadline)
    let shown = found.prefix(page.size)
    let last = found.count > page.size ? shown.last : nil
    return ListMailMessagesResponse(
      mailMessages: shown.map { $0.message(in: access.service) },
      nextPageToken: last.map { page.token(after: Int64($0.eventSequence)) } ?? "")
  }
}
