import EventLoop
import HandoffAPI
import RPC
import ServiceDatabase
import ServiceKit
import TicketLedger
import Tickets

let description = ServiceDescription(
  "tickets", summary: "The life of tickets: creation, history, processing, lists and counters.", port: 7101,
  keys: CommonKeys.database + [
    TicketLedger.keyFile, CommonKeys.assignmentAddress, CommonKeys.mailAddress, CommonKeys.maskingAddress,
  ] + DoorayKeys.all,
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let ledger = TicketLedger(process, pool: try await process.openDatabase())
  let live = LiveChanges(ledger: ledger, log: process.log, metrics: process.metrics)
  process.onDrain { live.shutDown() }
  let masking = process.channel(to: "masking", at: process.config[CommonKeys.maskingAddress])
  let dooray = DoorayClient(
    address: process.config[DoorayKeys.url], authoritiesFile: process.config[DoorayKeys.authoritiesFile])
  process.onShutdown("dooray") { dooray.shutdown() }
  let service = TicketService(
    ledger: ledger,
    mail: process.channel(to: "mail", at: process.config[CommonKeys.mailAddress]),
    assignment: process.channel(to: "assignment", at: process.config[CommonKeys.assignmentAddress]),
    masking: masking, live: live, dooray: dooray, log: process.log)
  let stopJobs = TicketJobs(ledger: ledger, log: process.log, metrics: process.metrics).start(on: process.group)
  process.onShutdown("jobs", stopJobs)
  let runner = BatchRunner(service: service, log: process.log, metrics: process.metrics)
  process.onShutdown("batches", runner.start(on: process.group.next()))
  let settler = DooraySettler(service: service, log: process.log)
  process.onShutdown("dooray tasks", settler.start(on: process.group.next()))
  let poller = DoorayPoller(
    service: service, interval: process.config[DoorayKeys.pollInterval], log: process.log, metrics: process.metrics)
  process.onShutdown("dooray looks", poller.start(on: process.group.next()))
  let delivery = DoorayDelivery(service: service, log: process.log, metrics: process.metrics)
  process.onShutdown("dooray sendings", delivery.start(on: process.group.next()))
  let seals = DooraySealUpkeep(ledger: ledger, masking: masking, log: process.log, metrics: process.metrics)
  process.onShutdown("dooray seals", seals.start(on: process.group))
  var parts = ServiceParts([service.rpcService], callers: TicketService.callerRules)
  // The gateway opens a stream for each of its clients that watches.
  parts.limits.streamsPerConnectionMax = 10_000
  parts.limits.handlersPerConnectionMax = 10_000
  parts.limits.handlersPerLoopMax = 20_000
  return parts
}
