import Crypto
import EventLoop
import ServiceKit
import TicketLedger

/// In whose names something is asked of a project at Dooray!: where one key has no access, the next one is tried.
struct DoorayKeyring: Sendable {
  /// In the lane of the project's organization.
  let client: DoorayClient
  let project: DoorayProjectRecord
  /// At least one.
  private let keys: [SecretBytes]
  /// Whether all keys that there are open; false: what the others do not see may be there all the same.
  let isComplete: Bool
  private let passesRefusedKeys: Bool

  /// Whose key it is.
  private enum Owner {
    /// The organization's token.
    case organization
    case agent(AgentID)
  }

  /// - Throws: DOORAY_REFUSED when there is no key that opens; BACKEND_UNAVAILABLE when masking cannot be reached.
  private init(
    _ owners: [Owner], _ dooray: DoorayLink, _ client: DoorayClient, _ project: DoorayProjectRecord,
    of service: ServiceRecord, passesRefusedKeys: Bool, deadline: Deadline
  ) async throws {
    let organization = try await dooray.store.organization(
      project.organizationID, of: service.id, deadline: deadline)
    var keys: [SecretBytes] = []
    var isLost = false
    for owner in owners {
      do {
        switch owner {
        case .organization: keys.append(try await dooray.token(of: organization, in: service, deadline: deadline))
        case .agent(let agent): keys += try await Self.keys(of: agent, dooray, organization, service, deadline)
        }
      } catch let error as ServiceError where [.maskKeyLost, .maskDamaged].contains(error.reason) {
        isLost = true
      }
    }
    guard !keys.isEmpty else {
      throw ServiceError(
        .doorayRefused,
        isLost
          ? "the key to Dooray! does not open any more; enter it again, then try again"
          : "neither you nor the project's representative has a key to Dooray!; enter one, then try again")
    }
    self.client = client.lane(of: project.organizationID)
    self.project = project
    self.keys = keys
    isComplete = !isLost
    self.passesRefusedKeys = passesRefusedKeys
  }

  /// The keys with which an agent acts: the agent's own, then that of the project's representative. Here and below, a
  /// key that does not open any more is left out.
  ///
  /// - Throws: DOORAY_REFUSED when there is none; BACKEND_UNAVAILABLE when masking cannot be reached.
  static func acting(
    _ agent: AgentID, _ dooray: DoorayLink, _ client: DoorayClient, _ project: DoorayProjectRecord,
    of service: ServiceRecord, deadline: Deadline
  ) async throws -> DoorayKeyring {
    try await DoorayKeyring(
      people(agent, project), dooray, client, project, of: service, passesRefusedKeys: false, deadline: deadline)
  }

  /// The keys with which tasks are looked at: the organization's token, then the key of the project's representative.
  ///
  /// - Throws: DOORAY_REFUSED when there is none; BACKEND_UNAVAILABLE when masking cannot be reached.
  static func watching(
    _ dooray: DoorayLink, _ client: DoorayClient, _ project: DoorayProjectRecord, of service: ServiceRecord,
    deadline: Deadline
  ) async throws -> DoorayKeyring {
    try await DoorayKeyring(
      [.organization] + people(nil, project), dooray, client, project, of: service, passesRefusedKeys: true,
      deadline: deadline)
  }

  /// The keys with which it is found out what became of a task: those with which its agent acts, then the
  /// organization's token.
  ///
  /// - Throws: DOORAY_REFUSED when there is none; BACKEND_UNAVAILABLE when masking cannot be reached.
  static func settling(
    _ agent: AgentID, _ dooray: DoorayLink, _ client: DoorayClient, _ project: DoorayProjectRecord,
    of service: ServiceRecord, deadline: Deadline
  ) async throws -> DoorayKeyring {
    try await DoorayKeyring(
      people(agent, project) + [.organization], dooray, client, project, of: service, passesRefusedKeys: true,
      deadline: deadline)
  }

  private static func people(_ agent: AgentID?, _ project: DoorayProjectRecord) -> [Owner] {
    let agents = [agent, project.representative == agent ? nil : project.representative]
    return agents.compactMap(\.self).map { .agent($0) }
  }

  private static func keys(
    of agent: AgentID, _ dooray: DoorayLink, _ organization: DoorayOrganizationRecord, _ service: ServiceRecord,
    _ deadline: Deadline
  ) async throws -> [SecretBytes] {
    let records = try await dooray.store.userKeys(
      to: organization.id, of: service.id, agent: agent, deadline: deadline)
    guard let record = records.first else { return [] }
    return [try await dooray.token(of: record, to: organization, in: service, deadline: deadline)]
  }

  /// Does something with the first key that has access.
  ///
  /// - Throws: what `work` throws with the last key that was tried.
  func inTurn<Value>(_ work: (SecretBytes) async throws -> Value) async throws -> Value {
    switch try await asking(work) {
    case .done(let value): return value
    case .without(let failures): throw failures[failures.count - 1]
    }
  }

  /// What came of asking with one key after the other.
  enum Outcome<Value> {
    case done(Value)
    /// No key has access; what each was told.
    case without([DoorayFailure])
  }

  /// Does something with the first key that has access, and says of all keys what they were told when none has.
  ///
  /// - Throws: what `work` throws that another key would not mend.
  func asking<Value>(_ work: (SecretBytes) async throws -> Value) async throws -> Outcome<Value> {
    var failures: [DoorayFailure] = []
    for key in keys {
      do {
        return .done(try await work(key))
      } catch let failure as DoorayFailure
        where failure.isOfAccess || failure == .tokenRefused && passesRefusedKeys
      {
        failures.append(failure)
      }
    }
    return .without(failures)
  }
}

extension DoorayFailure {
  /// Whether the key is good, and has no access: to Dooray!, hiding and not having may be the same.
  var isOfAccess: Bool { self == .notAllowed || self == .notFound }
}
