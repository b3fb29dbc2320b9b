import Postgres
package import ServiceKit

// An agent is known to every caller check already; here its id becomes one of the ledger's.
extension AgentID: LedgerID {}
