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
  /// What goes on behind agents' backs, of all kinds together. An organization's calls have more threads than places
  /// here, so that some are left for agents.
  let lanes = DoorayLanes(placesMax: Self.lanePlacesMax)
  private let names: ExpiringCache<Member, String>

  private struct Member: Hashable, Sendable {
    let organization: DoorayOrganizationID
    let id: String
  }

  private static let lanePlacesMax = 4
  private static let nameLifetime: Duration = .seconds(600)
  private static let namesMax = 10_000

  init(pool: PostgresPool, masking: MaskingServiceClient?, client: DoorayClient?, log: Logger? = nil) {
    store = DoorayStore(pool: pool)
    secrets = DooraySecrets(masking: masking)
    self.client = client
    self.log = log
    names = ExpiringCache(lifetime: Self.nameLifetime, entriesMax: Self.namesMax) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// The name of a member at Dooray!, which is asked for once in a while; empty when Dooray! does not tell.
  ///
  /// - Parameter id: digits only.
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func name(ofMember id: String, with keyring: DoorayKeyring, deadline: Deadline) async throws -> String {
    try await names.value(Member(organization: keyring.project.organizationID, id: id)) {
      try await keyring.inTurn { token in
        try await keyring.client.memberName(id, as: token, deadline: deadline)
      }
    }
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
