import HandoffAPI
import Masking
import ServiceDatabase
import ServiceKit
import TicketLedger

let description = ServiceDescription(
  "masking", summary: "Masks personal data in tickets, reversibly, and keeps the sealed originals.", port: 7104,
  keys: CommonKeys.database + [TicketLedger.keyFile, VaultKeys.directory],
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let keys = try VaultKeys(directory: process.config[VaultKeys.directory], metrics: process.metrics)
  let pool = try await process.openDatabase()
  let ledger = TicketLedger(process, pool: pool)
  let rotation = VaultRotation(keys: keys, ledger: ledger, metrics: process.metrics, log: process.log)
  process.onShutdown("rotation", rotation.start(on: process.group))
  let masking = MaskingService(ledger: ledger, keys: keys)
  var parts = ServiceParts([masking.rpcService], callers: MaskingService.callerRules)
  parts.interceptors = [VaultAlarm(process.metrics)]
  return parts
}
