import EventLoop
import HandoffAPI
import Mail
import ServiceDatabase
import ServiceKit
import TicketLedger

let description = ServiceDescription(
  "mail", summary: "Prepares, previews and sends the answers to customers.", port: 7103,
  keys: CommonKeys.database + [TicketLedger.keyFile] + MailKeys.all,
  rules: [CommonKeys.databaseRule] + MailKeys.rules)

await runService(description) { process in
  // Transfers and the composing of large mails wait here; a batch of the outbox fits into the queue.
  let blocking = BlockingPool(name: "mail", threads: 8, queueMax: 64)
  let senders = try process.config.mailSenders()
  let transport = try process.config.mailTransport(pool: blocking)

  let pool = try await process.openDatabase()
  let ledger = TicketLedger(process, pool: pool)
  let store = MailStore(pool: pool)
  let delivery = MailDelivery(
    ledger: ledger, store: store, senders: senders, transport: transport, pool: blocking, metrics: process.metrics)
  delivery.start(in: process, pool: pool)

  let service = MailService(ledger: ledger, store: store, senders: senders)
  return ServiceParts([service.rpcService], callers: MailService.callerRules)
}
