import HandoffAPI
import ServiceDatabase
import ServiceKit
import TicketLedger
import Tickets

let description = ServiceDescription(
  "tickets", summary: "The life of tickets: creation, history, processing, lists and counters.", port: 7101,
  keys: CommonKeys.database + [
    TicketLedger.keyFile, CommonKeys.assignmentAddress, CommonKeys.mailAddress, CommonKeys.maskingAddress,
  ],
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let ledger = TicketLedger(process, pool: try await process.openDatabase())
  let service = TicketService(
    ledger: ledger,
    mail: process.channel(to: "mail", at: process.config[CommonKeys.mailAddress]),
    assignment: process.channel(to: "assignment", at: process.config[CommonKeys.assignmentAddress]),
    masking: process.channel(to: "masking", at: process.config[CommonKeys.maskingAddress]))
  let stopJobs = TicketJobs(ledger: ledger, log: process.log, metrics: process.metrics).start(on: process.group)
  process.onShutdown("jobs", stopJobs)
  return ServiceParts([service.rpcService], callers: TicketService.callerRules)
}
