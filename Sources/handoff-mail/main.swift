import EventLoop
import HandoffAPI
import Mail
import ServiceDatabase
import ServiceKit
import TicketLedger

let description = ServiceDescription(
  "mail", summary: "Prepares, previews and sends the answers to customers, and takes their mails.", port: 7103,
  keys: CommonKeys.database + [TicketLedger.keyFile, CommonKeys.ticketsAddress, CommonKeys.maskingAddress]
    + MailKeys.all,
  rules: [CommonKeys.databaseRule] + MailKeys.rules)

await runService(description) { process in
  // Transfers and the composing of large mails wait here; a batch of the outbox fits into the queue.
  let blocking = BlockingPool(name: "mail", threads: 8, queueMax: 64)
  let senders = try process.config.mailSenders()
  let transport = try process.config.mailTransport(pool: blocking)
  let rules = try process.config.mailboxRules()

  let pool = try await process.openDatabase(mayScanTables: false)
  let ledger = TicketLedger(process, pool: pool)
  let store = MailStore(pool: pool)
  let tokens = try process.config.replyTokens(ledger.key)
  let delivery = MailDelivery(
    ledger: ledger, store: store, senders: senders, tokens: tokens, transport: transport, pool: blocking,
    metrics: process.metrics)
  delivery.start(in: process, pool: pool)

  let masking = process.channel(to: "masking", at: process.config[CommonKeys.maskingAddress])
  let vault = RawMailVault(masking: masking)
  let inbound = InboundMailProcessor(
    ledger: ledger, store: store, vault: vault,
    tokens: tokens, senders: senders,
    tickets: process.channel(to: "tickets", at: process.config[CommonKeys.ticketsAddress]), pool: blocking,
    failed: { mail, error in
      process.log.warning(
        "inbound.deferred", ["mail": .integer(mail), "cause": .string(String(describing: error.cause ?? error))])
    })
  inbound.start(in: process)
  InboundUpkeep(
    store: store, retention: process.config[MailKeys.rawRetention], prints: MailPrintKey(ledger.key),
    metrics: process.metrics
  ).start(in: process)

  let passwords = AccountPasswords(masking: masking)
  SealUpkeep(store: store, vault: vault, masking: masking, metrics: process.metrics).start(in: process)
  let mailboxes = Mailboxes(passwords: passwords, rules: rules)
  MailAccountWorker(store: store, inbound: inbound, mailboxes: mailboxes, log: process.log, metrics: process.metrics)
    .start(in: process)

  let service = MailService(
    ledger: ledger, store: store, senders: senders, tokens: tokens, inbound: inbound, mailboxes: mailboxes)
  return ServiceParts([service.rpcService], callers: MailService.callerRules)
}
