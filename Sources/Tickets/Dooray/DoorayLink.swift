import Crypto
import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// What tickets needs wherever it deals with Dooray!.
struct DoorayLink: Sendable {
  let store: DoorayStore
  let secrets: DooraySecrets
  /// Nil where nobody is called, as in tests of other things.
  let client: DoorayClient?
  let log: Logger?

  init(pool: PostgresPool, masking: MaskingServiceClient?, client: DoorayClient?, log: Logger? = nil) {
    store = DoorayStore(pool: pool)
    secrets = DooraySecrets(masking: masking)
    self.client = client
    self.log = log
  }

  /// The token of an organization.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED.
  func token(
    of organization: DoorayOrganizationRecord, in service: ServiceRecord, deadline: Deadline
  ) async throws -> SecretBytes {
    try await secrets.open(
      organization.sealedToken, of: .organization(organization.doorayID, of: service.code), deadline: deadline
    ) { sealed in
      try await store.reseal(organization, as: sealed, of: service.id, deadline: deadline)
    }
  }

  /// An agent's key.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED.
  func token(
    of key: DoorayUserKeyRecord, to organization: DoorayOrganizationRecord, in service: ServiceRecord,
    deadline: Deadline
  ) async throws -> SecretBytes {
    try await secrets.open(
      key.sealed, of: .agent(key.agent, in: organization.doorayID, of: service.code), deadline: deadline
    ) { sealed in
      try await store.reseal(key, as: sealed, to: organization.id, of: service.id, deadline: deadline)
    }
  }
}
