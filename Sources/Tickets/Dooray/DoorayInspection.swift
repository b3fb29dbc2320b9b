import Crypto
import EventLoop
import HandoffAPI
import ServiceKit
import TicketLedger

/// A look at the connection to one organization at Dooray!: whether its token works, its projects are there, and the
/// agents' keys belong to the agents. It changes nothing, here or there.
struct DoorayInspection: Sendable {
  /// Requests at a time.
  private static let concurrencyMax = 4

  let dooray: DoorayLink
  let client: DoorayClient
  let service: ServiceRecord
  let organization: DoorayOrganizationRecord
  let deadline: Deadline

  /// What was found of an agent's key.
  private struct KeyFinding: Sendable {
    let agent: AgentID
    /// Whose the key is at Dooray!; nil when that is not known.
    let member: DoorayMember?
    let problem: DoorayProblem?
  }

  /// Looks at everything.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; `CancellationError`; the database's errors.
  func findings() async throws -> [DoorayFinding] {
    let (token, problem) = try await tokenAndProblem()
    let own = DoorayOrganizationName(service: service.code, id: organization.id)
    let first = Self.finding(own.description, problem, at: .organization)
    guard let token, problem == nil else { return [first] }
    let keys = try await dooray.store.userKeys(to: organization.id, of: service.id, deadline: deadline)
    let projects = try await dooray.store.projects(
      of: service.id, organization: organization.id, deadline: deadline)
    let keyFindings = try await all(keys) { try await look(at: $0) }
    let members = Dictionary(uniqueKeysWithValues: keyFindings.map { ($0.agent, $0) })
    let projectProblems = try await all(projects) { try await self.problem(of: $0, token, members) }
    return [first]
      + zip(projects, projectProblems).map { project, problem in
        Self.finding(DoorayProjectName(service: service.code, id: project.id).description, problem, at: .project)
      }
      + keyFindings.map { found in
        Self.finding(
          DoorayUserKeyName(organization: own, agent: found.agent).description, found.problem, at: .userKey)
      }
  }

  private static func finding(
    _ resource: String, _ problem: DoorayProblem?, at place: DoorayProblem.Place
  ) -> DoorayFinding {
    DoorayFinding(
      resource: resource, problem: .init(rawValue: problem?.number ?? 0),
      text: problem?.text(at: place) ?? DoorayProblem.allWell(at: place))
  }

  private func tokenAndProblem() async throws -> (SecretBytes?, DoorayProblem?) {
    do {
      let token = try await dooray.token(of: organization, in: service, deadline: deadline)
      let owner = try await client.owner(of: token, deadline: deadline)
      return (token, isOther(owner.organizationID) ? .otherOrganization : nil)
    } catch {
      return (nil, try Self.problem(error, of404: .failing))
    }
  }

  private func look(at key: DoorayUserKeyRecord) async throws -> KeyFinding {
    do {
      let token = try await dooray.token(of: key, to: organization, in: service, deadline: deadline)
      let owner = try await client.owner(of: token, deadline: deadline)
      let isSamePerson = owner.email.isEmpty || owner.email.lowercased() == key.email.lowercased()
      let problem: DoorayProblem? =
        isOther(owner.organizationID) ? .otherOrganization : isSamePerson ? nil : .otherPerson
      return KeyFinding(agent: key.agent, member: owner, problem: problem)
    } catch {
      return KeyFinding(agent: key.agent, member: nil, problem: try Self.problem(error, of404: .failing))
    }
  }

  private func problem(
    of project: DoorayProjectRecord, _ token: SecretBytes, _ keys: [AgentID: KeyFinding]
  ) async throws -> DoorayProblem? {
    do {
      if isOther(try await client.organization(ofProject: project.doorayID, as: token, deadline: deadline)) {
        return .otherOrganization
      }
      guard let representative = project.representative else { return .noRepresentative }
      guard let key = keys[representative] else { return .noKey }
      guard let member = key.member else { return key.problem }
      let isMember = try await client.isMember(member.id, of: project.doorayID, as: token, deadline: deadline)
      return isMember ? nil : .notAMember
    } catch {
      return try Self.problem(error, of404: .projectNotFound)
    }
  }

  /// Whether Dooray! names an organization, and another one than ours.
  private func isOther(_ organizationID: String) -> Bool {
    !organizationID.isEmpty && organizationID != organization.doorayID
  }

  /// What an error says of the connection.
  ///
  /// - Parameter notFound: what 403 and 404 mean; Dooray! does not always tell the two apart.
  /// - Throws: errors that say nothing of it.
  private static func problem(_ error: any Error, of404 notFound: DoorayProblem) throws -> DoorayProblem {
    switch error {
    case let failure as DoorayFailure:
      switch failure {
      case .unreachable: return .unreachable
      case .tokenRefused: return .tokenRefused
      case .notAllowed, .notFound: return notFound
      case .tooManyRequests: return .tooManyRequests
      case .refused, .failing, .unreadable, .cutShort: return .failing
      }
    case let error as ServiceError where [.maskKeyLost, .maskDamaged].contains(error.reason): return .secretLost
    default: throw error
    }
  }

  /// Does the same for each of a list, some at a time; results are in the order of the list.
  private func all<Item: Sendable, Outcome: Sendable>(
    _ items: [Item], _ work: @escaping @Sendable (Item) async throws -> Outcome
  ) async throws -> [Outcome] {
    try await withThrowingTaskGroup(of: (Int, Outcome).self) { group in
      var results = [Outcome?](repeating: nil, count: items.count)
      for (index, item) in items.enumerated() {
        if index >= Self.concurrencyMax, let (done, result) = try await group.next() { results[done] = result }
        group.addTask { (index, try await work(item)) }
      }
      for try await (done, result) in group { results[done] = result }
      return results.compactMap(\.self)
    }
  }
}
