package import Outbound
package import Postgres
package import RPC
import ServiceKit
import TicketLedger

/// Whom callbacks may go to, and whom they believe.
package struct CallbackRules: Sendable {
  /// The addresses that may be called.
  package var policy: AddressPolicy
  /// A PEM file of authorities to trust instead of the system's.
  package var authoritiesFile: String?

  /// Public addresses and the system's authorities unless told otherwise.
  package init(policy: AddressPolicy = .publicOnly, authoritiesFile: String? = nil) {
    self.policy = policy
    self.authoritiesFile = authoritiesFile
  }
}

/// What callbacks need wherever they are dealt with.
package struct Callbacks: Sendable {
  let store: CallbackStore
  let secrets: CallbackSecrets
  let rules: CallbackRules

  /// Works on the daemon's database.
  ///
  /// - Parameter masking: the way to masking, which seals the secrets; without it no callback is signed, and none sent.
  package init(pool: PostgresPool, masking: (any RPCTransport)?, rules: CallbackRules = CallbackRules()) {
    store = CallbackStore(pool: pool)
    secrets = CallbackSecrets(store: store, masking: masking)
    self.rules = rules
  }
}
