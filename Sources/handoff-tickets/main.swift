import HandoffAPI
import ServiceDatabase
import ServiceKit
import TicketLedger
import Tickets

let description = ServiceDescription(
  "tickets", summary: "The life of tickets: creation, history, processing, lists and counters.", port: 7101,
  keys: CommonKeys.database + [
    CommonKeys.callerTokenFile, TicketLedger.keyFile, CommonKeys.assignmentAddress, CommonKeys.mailAddress,
  ],
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let tokens = process.config[CommonKeys.callerTokenFile]
  let ledger = TicketLedger(process, pool: try await process.openDatabase())
  let service = TicketService(
    ledger: ledger,
    mail: try process.channel(to: process.config[CommonKeys.mailAddress], tokens: tokens),
    assignment: try process.channel(to: process.config[CommonKeys.assignmentAddress], tokens: tokens))
  let stopJobs = TicketJobs(ledger: ledger, log: process.log, metrics: process.metrics).start(on: process.group)
  process.onShutdown("jobs", stopJobs)
  return ServiceParts([service.rpcService], callers: TicketService.callerRules, tokens: tokens)
}
