package import HandoffAPI
import Outbound
package import RPC
package import RPCProtos
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
    let service = try await settings(of: parent.code, call)
    guard let wanted = request.trigger else { throw ServiceError.invalid("trigger", "is missing") }
    let checked = try await checked(wanted, of: service, call)
    guard let created = try await triggers.create(checked, of: service, deadline: call.deadline) else {
      throw ServiceError.invalid("parent", "has \(TriggerStore.triggersMax) triggers already, and cannot have more")
    }
    return created
  }

  /// Returns a trigger; settings of a service are for its administrators.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, PERMISSION_DENIED.
  package func getTrigger(_ request: GetTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let (name, service) = try await named(request.name, field: "name", call)
    return try await found(name, service, call)
  }

  /// Lists the triggers of a service in the order in which they run, inactive ones last.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listTriggers(_ request: ListTriggersRequest, _ call: CallContext) async throws -> ListTriggersResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault, scope: "triggers/\(service.id)",
      key: ledger.key.pages)
    let found = try await triggers.triggers(
      of: service, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListTriggersResponse(
      triggers: shown.map(\.message),
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id.rawValue ?? 0) : "")
  }

  /// Changes a trigger; its version grows.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID with everything that is wrong.
  package func updateTrigger(_ request: UpdateTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let wanted = request.trigger ?? Trigger()
    let (name, service) = try await named(wanted.name, field: "trigger.name", call)
    let mask = try UpdateMask(request.updateMask, of: ["display_name", "conditions", "results"])
    let before = try await found(name, service, call)
    guard wanted.version == 0 || wanted.version == before.version else { throw Self.stale(before) }
    var after = before
    if mask.has("display_name") { after.displayName = wanted.displayName }
    if mask.has("conditions") { after.conditions = wanted.conditions }
    if mask.has("results") { after.results = wanted.results }
    let checked = try await checked(after, of: service, call)
    let updated = try await triggers.update(
      name.id, to: checked, version: before.version, of: service, deadline: call.deadline)
    guard let updated else { throw Self.stale(try await found(name, service, call)) }
    return updated
  }

  /// Activates a trigger, last in order.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID when what it names is gone.
  package func activateTrigger(_ request: ActivateTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let (name, service) = try await named(request.name, field: "name", call)
    _ = try await checked(try await found(name, service, call), of: service, call)
    return try await setActive(true, name, service, call)
  }

  /// Deactivates a trigger.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, PERMISSION_DENIED.
  package func deactivateTrigger(_ request: DeactivateTriggerRequest, _ call: CallContext) async throws -> Trigger {
    let (name, service) = try await named(request.name, field: "name", call)
    return try await setActive(false, name, service, call)
  }

  /// Deletes an inactive trigger.
  ///
  /// - Throws: TRIGGER_NOT_FOUND, IN_USE, PERMISSION_DENIED.
  package func deleteTrigger(_ request: DeleteTriggerRequest, _ call: CallContext) async throws -> Empty {
    let (name, service) = try await named(request.name, field: "name", call)
    guard try await triggers.delete(name.id, of: service, deadline: call.deadline) else {
      _ = try await found(name, service, call)
      throw ServiceError(.inUse, "the trigger is active; deactivate it first")
    }
    return Empty()
  }

  /// Puts the active triggers of a service into another order.
  ///
  /// - Throws: SERVICE_NOT_FOUND, STALE_VERSION, REQUEST_INVALID, PERMISSION_DENIED.
  package func reorderTriggers(
    _ request: ReorderTriggersRequest, _ call: CallContext
  ) async throws -> ReorderTriggersResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    var check = RequestCheck()
    var ids: [TriggerID] = []
    check.require(
      request.triggers.count <= TriggerStore.triggersMax, "triggers",
      "must name at most \(TriggerStore.triggersMax) triggers")
    for (index, text) in request.triggers.prefix(TriggerStore.triggersMax).enumerated() {
      let field = "triggers[\(index)]"
      guard let name = check.value(field, { () throws(ServiceError) in try TriggerName(text, field: field) }) else {
        continue
      }
      check.require(name.service == service.code, field, "is not a trigger of this service")
      check.require(!ids.contains(name.id), field, "stands in the list already")
      ids.append(name.id)
    }
    try check.done()
    guard try await triggers.reorder(ids, of: service, deadline: call.deadline) else {
      throw ServiceError(.staleVersion, "these are not the active triggers of the service; list them, then order all")
    }
    let ordered = try await triggers.triggers(of: service, after: 0, limit: ids.count, deadline: call.deadline)
    return ReorderTriggersResponse(triggers: ordered.map(\.message))
  }

  /// Checks a trigger, and brings it into canonical form.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong.
  func checked(_ wanted: Trigger, of service: ServiceRecord, _ call: CallContext) async throws -> Trigger {
    var reader = TriggerReader(service: service, prefix: "trigger.")
    let displayName = reader.check.value("trigger.display_name") { () throws(ServiceError) in
      try CanonicalText.line(
        wanted.displayName, field: "trigger.display_name", charactersMax: Self.nameCharactersMax)
    }
    let (conditions, _) = reader.conditions(wanted.conditions)
    _ = reader.actions(wanted.results)
    let missing = try await triggers.missing(
      reader.references.map(\.reference), in: service, deadline: call.deadline)
    for (field, reference) in reader.references where missing.contains(reference) {
      reader.check.require(false, field, reference.absence)
    }
    try await checkCallbacks(&reader, of: service, call)
    try reader.check.done()
    var checked = wanted
    checked.displayName = displayName ?? ""
    checked.conditions = conditions
    return checked
  }

  /// Whether the URLs may be called, as far as they tell, and their receivers can know us by a signature. What a name
  /// leads to is looked at whenever it is called.
  private func checkCallbacks(
    _ reader: inout TriggerReader, of service: ServiceRecord, _ call: CallContext
  ) async throws {
    for (field, url) in reader.urls {
      guard let refusal = callbacks.rules.policy.refusal(of: url.host) else { continue }
      reader.check.require(false, field, "must not lead to \(url.host), which is \(refusal); the operator can allow it")
    }
    guard let first = reader.urls.first,
      try await callbacks.store.secrets(of: service.id, deadline: call.deadline) == nil
    else { return }
    reader.check.require(
      false, first.field, "would not be signed: the service has no secret yet, which RotateCallbackSecret makes")
  }

  /// The service whose settings the caller may see and change.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED.
  func settings(of code: String, _ call: CallContext) async throws -> ServiceRecord {
    let access = try await ledger.access(call, serviceCode: code)
    try access.require(.administrator)
    return access.service
  }

  private func named(
    _ text: String, field: String, _ call: CallContext
  ) async throws -> (TriggerName, ServiceRecord) {
    let name = try TriggerName(text, field: field)
    do {
      return (name, try await settings(of: name.service, call))
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.triggerNotFound)
    }
  }

  private func found(_ name: TriggerName, _ service: ServiceRecord, _ call: CallContext) async throws -> Trigger {
    guard let trigger = try await triggers.trigger(name.id, of: service, deadline: call.deadline) else {
      throw ServiceError(.triggerNotFound)
    }
    return trigger
  }

  private func setActive(
    _ isActive: Bool, _ name: TriggerName, _ service: ServiceRecord, _ call: CallContext
  ) async throws -> Trigger {
    let trigger = try await triggers.setActive(isActive, name.id, of: service, deadline: call.deadline)
    guard let trigger else { throw ServiceError(.triggerNotFound) }
    return trigger
  }

  private static func stale(_ trigger: Trigger) -> ServiceError {
    ServiceError(.staleVersion, metadata: ["current_version": String(trigger.version)])
  }
}

extension TriggerReader.Reference {
  /// What it means that there is no such thing.
  fileprivate var absence: String {
    switch self {
    case .agent: "is not an agent of this service"
    case .group: "is not a group of this service that can be chosen"
    case .submissionType: "is not a submission type of this service"
    case .processingType: "is not a processing type of this service"
    case .field: "is not a field of this service"
    case .fieldCode(let code):
      "holds the code #{\(TemplateText.fieldPrefix)\(code)}, "
        + "and the service has no field \(code) that everybody may see"
    case .messengerHook: "is not a messenger hook of this service"
    case .service: "is not a service of this organization"
    case .member: "is not an agent of the group"
    }
  }
}
