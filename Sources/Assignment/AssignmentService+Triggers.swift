package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension AssignmentService {
  private static let nameCharactersMax = 100
  private static let pageSizeDefault = 50

  /// Runs the trigger passes of a ticket that are waiting, and waits for those that are being run already, so that the
  /// answer shows what all of them left.
  ///
  /// - Throws: TICKET_NOT_FOUND; DEADLINE_EXCEEDED, and the passes go on.
  package func runTriggers(_ request: RunTriggersRequest, _ call: CallContext) async throws -> RunTriggersResponse {
    let name = try TicketName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name)
    guard let ticket = try await runner.runWaiting(name.id, of: access.service.id, deadline: call.deadline) else {
      // Having nothing to run is no error, asking about nothing is.
      let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
      return RunTriggersResponse(ticket: try await ledger.message(for: ticket, deadline: call.deadline))
    }
    return RunTriggersResponse(ticket: try await ledger.message(for: ticket, deadline: call.deadline))
  }

  /// Creates a trigger, active and last in order.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID with everything that is wrong.
  package func createTrigger(_ request: CreateTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: parent.code)
    try access.require(.administrator)
    let service = access.service
    guard let wanted = request.trigger else { throw ServiceError.invalid("trigger", "is missing") }
    var reader = TriggerReader(service: service.code, prefix: "trigger.")
    let displayName = reader.check.value("trigger.display_name") { () throws(ServiceError) in
      try CanonicalText.line(
        wanted.displayName, field: "trigger.display_name", charactersMax: Self.nameCharactersMax)
    }
    let conditions = reader.conditions(wanted.conditions)
    _ = reader.actions(wanted.results)
    let missing = try await triggers.missing(
      reader.references.map(\.reference), in: service.id, deadline: call.deadline)
    for (field, reference) in reader.references where missing.contains(reference) {
      reader.check.require(false, field, reference.absence)
    }
    try reader.check.done()
    let created = try await triggers.create(
      displayName ?? "", conditions: conditions.map { TriggerCondition($0) }, results: wanted.results, of: service,
      deadline: call.deadline)
    guard let created else {
      throw ServiceError.invalid("parent", "has \(TriggerStore.triggersMax) triggers already, and cannot have more")
    }
    return created
  }

  /// Returns a trigger; settings of a service are for its administrators.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, PERMISSION_DENIED.
  package func getTrigger(_ request: GetTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let name = try TriggerName(request.name, field: "name")
    let access: Access
    do {
      access = try await ledger.access(call, serviceCode: name.service)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.triggerNotFound)
    }
    try access.require(.administrator)
    guard let trigger = try await triggers.trigger(name.id, of: access.service, deadline: call.deadline) else {
      throw ServiceError(.triggerNotFound)
    }
    return trigger
  }

  /// Lists the triggers of a service in the order in which they run, inactive ones last.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listTriggers(_ request: ListTriggersRequest, _ call: CallContext) async throws -> ListTriggersResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: parent.code)
    try access.require(.administrator)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault,
      scope: "triggers/\(access.service.id)")
    let found = try await triggers.triggers(
      of: access.service, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListTriggersResponse(
      triggers: shown.map(\.message),
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id.rawValue ?? 0) : "")
  }
}

extension TriggerReader.Reference {
  /// What it means that there is no such thing.
  fileprivate var absence: String {
    switch self {
    case .agent: "is not an agent of this service"
    case .group: "is not a group of this service"
    case .submissionType: "is not a submission type of this service"
    case .member: "is not an agent of the group"
    }
  }
}
