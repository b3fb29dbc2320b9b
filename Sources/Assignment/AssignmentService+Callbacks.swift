package import HandoffAPI
import Postgres
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

/// Callbacks of a service: its secret, and what is not delivered.
extension AssignmentService {
  private static let pageSizeDefault = 50

  /// Returns what holds for all callbacks of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED.
  package func getCallbackSettings(
    _ request: GetCallbackSettingsRequest, _ call: CallContext
  ) async throws -> CallbackSettings {
    let name = try CallbackSettingsName(request.name, field: "name")
    return try await callbackSettings(name, of: try await settings(of: name.service, call), call)
  }

  /// Makes the secret that a service's callbacks are signed with.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, BACKEND_UNAVAILABLE.
  package func rotateCallbackSecret(
    _ request: RotateCallbackSecretRequest, _ call: CallContext
  ) async throws -> RotateCallbackSecretResponse {
    let name = try CallbackSettingsName(request.name, field: "name")
    let service = try await settings(of: name.service, call)
    let secret = try await callbacks.secrets.rotate(of: service, deadline: call.deadline)
    return RotateCallbackSecretResponse(
      secret: secret, callbackSettings: try await callbackSettings(name, of: service, call))
  }

  /// Lists the callbacks of a service that are not delivered, the oldest first.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID, PERMISSION_DENIED.
  package func listCallbacks(
    _ request: ListCallbacksRequest, _ call: CallContext
  ) async throws -> ListCallbacksResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    let isDead: Bool?
    switch request.state {
    case .unspecified: isDead = nil
    case .waiting: isDead = false
    case .dead: isDead = true
    default: throw ServiceError.invalid("state", "must be WAITING or DEAD, or left out")
    }
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.pageSizeDefault,
      scope: "callbacks/\(service.id)/\(request.state.rawValue)", key: ledger.key.pages)
    let found = try await callbacks.store.callbacks(
      of: service.id, isDead: isDead, after: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListCallbacksResponse(
      callbacks: shown.map { $0.message(in: service) },
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.record.id ?? 0) : "")
  }

  /// Tries a callback again that was given up.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, PERMISSION_DENIED.
  package func replayCallback(_ request: ReplayCallbackRequest, _ call: CallContext) async throws -> Callback {
    let name = try CallbackName(request.name, field: "name")
    let access: Access
    do {
      access = try await ledger.access(call, serviceCode: name.service)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.resourceNotFound)
    }
    try access.require(.administrator)
    let service = access.service
    guard let dead = try await callbacks.store.callback(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.resourceNotFound)
    }
    guard dead.deadTime != nil else { return dead.message(in: service) }
    var event = EventDraft(
      .callbackReplayed, by: access.ledgerActor, cause: .sequence(dead.record.body.eventSequence))
    event.notes = [CodeChange("callback", "", String(name.id))]
    var change = TicketChange(event)
    change.isSilent = true
    change.attachments = [CallbackStore.revival(of: dead.record)]
    change.companionTopics = [.callbacks]
    _ = try await ledger.perform(on: dead.ticket, of: service.id, deadline: call.deadline) { [change] _ in change }
    let alive = try await callbacks.store.callback(name.id, of: service.id, deadline: call.deadline)
    return (alive ?? dead).message(in: service)
  }

  private func callbackSettings(
    _ name: CallbackSettingsName, of service: ServiceRecord, _ call: CallContext
  ) async throws -> CallbackSettings {
    guard let secrets = try await callbacks.store.secrets(of: service.id, deadline: call.deadline) else {
      return CallbackSettings(name: name.description)
    }
    let overlap = Duration.seconds(CallbackStore.overlapHours * 3600)
    return CallbackSettings(
      name: name.description, secretCreateTime: Timestamp(secrets.createTime),
      previousSecretExpireTime: secrets.previousSealed == nil
        ? nil : Timestamp(secrets.createTime.advanced(by: overlap)))
  }
}

extension CallbackStore.Standing {
  /// The callback as the API shows it.
  fileprivate func message(in service: ServiceRecord) -> Callback {
    Callback(
      name: CallbackName(service: service.code, id: record.id).description,
      ticket: TicketName(service: service.code, id: ticket).description, eventSequence: record.body.eventSequence,
      trigger: record.body.trigger, triggerVersion: record.body.triggerVersion, url: record.url,
      state: deadTime == nil ? .waiting : .dead, attemptCount: attemptCount, createTime: Timestamp(createTime),
      nextAttemptTime: deadTime == nil ? Timestamp(dueTime) : nil, deadTime: deadTime.map { Timestamp($0) },
      reason: deadReason)
  }
}
