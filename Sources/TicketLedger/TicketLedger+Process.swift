package import Postgres
package import ServiceKit

extension TicketLedger {
  /// The key of `HANDOFF_LEDGER_KEY_FILE`, for the key table of a daemon that writes tickets.
  package static let keyFile = ConfigKey<Secret>.secretFile(
    "HANDOFF_LEDGER_KEY_FILE",
    doc: "The key that seals the history of tickets: 64 hexadecimal digits, the same for all daemons. Keep a copy;"
      + " without it no history can be verified."
  ).mapped { secret throws(ConfigProblem) in
    guard let key = LedgerKey(hex: secret.text) else { throw ConfigProblem("does not hold 64 hexadecimal digits") }
    return key
  }

  /// The ledger of a daemon, over its database.
  package convenience init(_ process: ServiceProcess, pool: PostgresPool) {
    self.init(pool: pool, directory: Directory(pool: pool), key: process.config[Self.keyFile])
  }
}
