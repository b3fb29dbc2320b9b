package import RPC
package import ServiceKit

/// Counts calls that failed because of the vault: a key is missing, or a sealed original does not open in its place.
///
/// Never happens in a healthy installation; after a restore it tells that keys and dump do not belong together.
package struct VaultAlarm: ServerInterceptor {
  private let failures: Counter

  /// Declares the metric.
  package init(_ metrics: Metrics) {
    failures = metrics.counter(
      "handoff_vault_failures_total", "Calls that failed because a sealed original could not be opened."
    ).with()
  }

  /// Counts a call that ended with damage of the vault.
  package func finished(_ call: CallContext, _ outcome: CallOutcome) {
    if (outcome.error as? ServiceError)?.cause is VaultDamage { failures.add() }
  }
}
