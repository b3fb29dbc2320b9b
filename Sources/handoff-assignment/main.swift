import Assignment
import HandoffAPI
import ServiceDatabase
import ServiceKit
import TicketLedger

let description = ServiceDescription(
  "assignment", summary: "Who holds tickets: keeping, forwarding, triggers, and the agents themselves.", port: 7102,
  keys: CommonKeys.database + [TicketLedger.keyFile, CommonKeys.maskingAddress] + CallbackKeys.all,
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let rules = try process.config.callbackRules()
  let ledger = TicketLedger(process, pool: try await process.openDatabase())
  let runner = TriggerRunner(ledger: ledger, log: process.log, metrics: process.metrics)
  let waiting = WaitingTickets(runner, metrics: process.metrics)
  let departures = DepartureWorker(ledger: ledger, log: process.log, metrics: process.metrics)
  let callbacks = Callbacks(
    pool: ledger.pool, masking: process.channel(to: "masking", at: process.config[CommonKeys.maskingAddress]),
    rules: rules)
  let delivery = PostDelivery.callbacks(callbacks, ledger: ledger, log: process.log, metrics: process.metrics)
  let messages = PostDelivery.messages(callbacks, ledger: ledger, log: process.log, metrics: process.metrics)
  let secrets = SecretUpkeep(callbacks, log: process.log, metrics: process.metrics)
  let passwords = PasswordCheck()
  process.onShutdown("passwords") { passwords.shutdown() }
  process.onShutdown("triggers", runner.start(on: process.group))
  process.onShutdown("callbacks", delivery.start(on: process.group))
  process.onShutdown("messages", messages.start(on: process.group))
  process.onShutdown("secrets", secrets.start(on: process.group))
  process.onShutdown("waiting tickets", waiting.start(on: process.group))
  process.onShutdown("departures", departures.start(on: process.group))
  let service = AssignmentService(ledger: ledger, runner: runner, passwords: passwords, callbacks: callbacks)
  return ServiceParts([service.rpcService], callers: AssignmentService.callerRules)
}
