package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Returns the counters of a service: the inflow board and the calling agent's own numbers.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getCounters(_ request: GetCountersRequest, _ call: CallContext) async throws -> Counters {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.ticket)
    let counters = try await ledger.counters(
      of: access.service, for: access.member?.agentID, deadline: call.deadline)
    return Counters(counters)
  }

  /// Returns a service to its members, and to administrators of its organization.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func getService(_ request: GetServiceRequest, _ call: CallContext) async throws -> Service {
    Service(try await standing(in: try ServiceName(request.name, field: "name"), call).service)
  }

  /// Lists the services that the calling agent belongs to, or all of the organization that they administer, in the
  /// order of their names; a daemon that acts for itself sees all there are.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, PERMISSION_DENIED, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listServices(_ request: ListServicesRequest, _ call: CallContext) async throws -> ListServicesResponse {
    let set: TicketStore.ServiceSet
    if let name = try OrganizationName.optional(request.organization, field: "organization") {
      set = .ofOrganization(try await administeredOrganization(name, call).id)
    } else {
      set = try call.actor().agentID.map { .ofMember($0) } ?? .all
    }
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50, scope: "ListServices \(set)", key: ledger.key.pages)
    let found = try await store.services(
      set, after: ServiceID(page.after), limit: page.size + 1, deadline: call.deadline)
    var services: [Service] = []
    for entry in found.prefix(page.size) {
      services.append(Service(try await ledger.directory.service(code: entry.code, deadline: call.deadline)))
    }
    let last = found.count > page.size ? found[page.size - 1] : nil
    return ListServicesResponse(
      services: services, nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Lists the submission types of a service, each behind its parent.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func listSubmissionTypes(
    _ request: ListSubmissionTypesRequest, _ call: CallContext
  ) async throws -> ListSubmissionTypesResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    let nodes = try await store.submissionTypes(of: access.service.id, deadline: call.deadline)
    let names = try await store.typeNames(of: access.service.id, deadline: call.deadline)
    return ListSubmissionTypesResponse(
      submissionTypes: nodes.map { node in
        node.message(names: names[node.id] ?? []) { TypeTree.submission.name(name.code, $0) }
      })
  }

  /// Lists the processing types of a service, each behind its parent.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func listProcessingTypes(
    _ request: ListProcessingTypesRequest, _ call: CallContext
  ) async throws -> ListProcessingTypesResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    let nodes = try await store.processingTypes(of: access.service.id, deadline: call.deadline)
    return ListProcessingTypesResponse(
      processingTypes: nodes.map { node in node.message { TypeTree.processing.name(name.code, $0) } })
  }
}

extension Counters {
  /// The API's message of counters.
  init(_ counters: ServiceCounters) {
    self.init(
      agentCount: counters.agentCount, receivedToday: counters.receivedToday,
      unassignedToday: counters.unassignedToday, unassignedTotal: counters.unassignedTotal,
      resolvedPercent: counters.resolvedPercent, stateCounts: Self.counts(counters.byState),
      myStateCounts: Self.counts(counters.mineByState), myCallBackCount: counters.myCallBackCount,
      myEscalatedCount: counters.myEscalatedCount)
  }

  private static func counts(_ counts: [TicketState: Int64]) -> [StateCount] {
    TicketState.allCases.compactMap { state in
      counts[state].map { StateCount(state: Ticket.State(rawValue: state.number), count: $0) }
    }
  }
}

extension Service {
  /// The API's message of a service.
  init(_ service: ServiceRecord) {
    self.init(
      name: service.name.description, displayName: service.displayName, kind: Kind(rawValue: service.kind.number),
      language: service.language, timeZone: service.timeZone, autoCompleteDays: service.autoCompleteDays,
      securityEnabled: service.hasSecurity, assigneeOnly: service.isAssigneeOnly,
      replyPolicy: ReplyPolicy(rawValue: service.replyPolicy.number), reopenDays: service.reopenDays,
      version: service.version)
  }
}

extension TypeRecord {
  /// The API's message of a node; `name` makes a resource name of an id.
  func message(names: [(language: String, displayName: String)] = [], _ name: (Int64) -> String) -> TypeNode {
    TypeNode(
      name: name(id), parent: parentID.map(name) ?? "", level: level, displayName: displayName, active: isActive,
      localizedNames: names.map { LocalizedName(language: $0.language, displayName: $0.displayName) },
      position: position, version: version)
  }
}
