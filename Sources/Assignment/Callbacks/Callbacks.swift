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

/// What triggers' calls to the outside need wherever they are dealt with: callbacks, and messages to messengers.
package struct Callbacks: Sendable {
  let store: CallbackStore
  let secrets: CallbackSecrets
  let messengers: MessengerHooks
  let rules: CallbackRules

  /// Works on the daemon's database.
  ///
  /// - Parameter masking: the way to masking, which seals the secrets; without it nothing is signed, and nothing sent.
  package init(pool: PostgresPool, masking: (any RPCTransport)?, rules: CallbackRules = CallbackRules()) {
    store = CallbackStore(pool: pool)
    let seals = SecretSeals(masking: masking)
    secrets = CallbackSecrets(store: store, seals: seals)
    messengers = MessengerHooks(store: MessengerHookStore(pool: pool), seals: seals)
    self.rules = rules
  }
}
