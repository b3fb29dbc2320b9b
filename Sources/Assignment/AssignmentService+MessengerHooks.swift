package import HandoffAPI
import Outbound
import Postgres
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Hooks of messenger channels at Dooray!, through which triggers write there.
extension AssignmentService {
  private static let hookNameCharactersMax = 100

  /// Lists the messenger hooks of a service; their URLs are not among what it answers.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listMessengerHooks(
    _ request: ListMessengerHooksRequest, _ call: CallContext
  ) async throws -> ListMessengerHooksResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    let hooks = try await callbacks.messengers.store.hooks(of: service.id, deadline: call.deadline)
    return ListMessengerHooksResponse(messengerHooks: hooks.map { $0.message(in: service.code) })
  }

  /// Adds a messenger hook.
  ///
  /// - Throws: SERVICE_NOT_FOUND, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID, BACKEND_UNAVAILABLE.
  package func createMessengerHook(
    _ request: CreateMessengerHookRequest, _ call: CallContext
  ) async throws -> MessengerHook {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    let wanted = request.messengerHook ?? MessengerHook()
    var check = RequestCheck()
    let displayName = displayName(wanted, &check)
    let url = url(wanted, &check)
    try check.done()
    guard let displayName, let url else { throw ServiceError(.internal) }
    let messengers = callbacks.messengers
    let id = try await messengers.store.newID(deadline: call.deadline)
    let sealed = try await messengers.seal(
      url, of: MessengerHookName(service: service.code, id: id), deadline: call.deadline)
    let created = try await messengers.store.create(id, displayName, sealed, in: service.id, deadline: call.deadline)
    guard let created else {
      throw ServiceError(
        .limitReached, "the service has \(MessengerHookStore.hooksMax) messenger hooks; delete one first")
    }
    return created.message(in: service.code)
  }

  /// Changes the name of a messenger hook, or enters another URL.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID, BACKEND_UNAVAILABLE.
  package func updateMessengerHook(
    _ request: UpdateMessengerHookRequest, _ call: CallContext
  ) async throws -> MessengerHook {
    let wanted = request.messengerHook ?? MessengerHook()
    let (name, service) = try await messengerHook(wanted.name, field: "messenger_hook.name", call)
    let mask = try UpdateMask(request.updateMask, of: ["display_name", "url"])
    var check = RequestCheck()
    let displayName = mask.has("display_name") ? displayName(wanted, &check) : nil
    let url = mask.has("url") ? url(wanted, &check) : nil
    try check.done()
    let messengers = callbacks.messengers
    guard let before = try await messengers.store.hook(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.resourceNotFound)
    }
    guard wanted.version == 0 || wanted.version == before.version else { throw Self.stale(before) }
    var sealed: [UInt8]?
    if let url { sealed = try await messengers.seal(url, of: name, deadline: call.deadline) }
    let updated = try await messengers.store.update(
      name.id, displayName, sealed, version: before.version, of: service.id, deadline: call.deadline)
    guard let updated else {
      let now = try await messengers.store.hook(name.id, of: service.id, deadline: call.deadline)
      throw now.map { Self.stale($0) } ?? ServiceError(.resourceNotFound)
    }
    return updated.message(in: service.code)
  }

  /// Deletes a messenger hook with its URL.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, IN_USE naming the triggers, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteMessengerHook(_ request: DeleteMessengerHookRequest, _ call: CallContext) async throws -> Empty {
    let (name, service) = try await messengerHook(request.name, field: "name", call)
    let uses = try await triggers.uses(of: name, in: service, deadline: call.deadline)
    let advice = "triggers write through this hook; deactivate them first, or ask to deactivate them with it"
    if !request.deactivateTriggers { try uses.refuse(advice) }
    do {
      let isDeleted = try await triggers.changing(service, call.deadline) { transaction in
        _ = try await transaction.batch(
          TriggerStore.deactivating(uses, in: service.id, notice: "NAME_GONE \(name)"))
        return try await transaction.execute(
          "DELETE FROM messenger_hook WHERE service_id = \(service.id) AND id = \(name.id)") > 0
      }
      guard isDeleted else { throw ServiceError(.resourceNotFound) }
    } catch let error as ServiceError
      where (error.cause as? PostgresError)?.violates("trigger_reference_messenger_hook_fkey") == true
    {
      // A trigger has begun to use it meanwhile.
      throw ServiceError(.inUse, advice)
    }
    return Empty()
  }

  private func displayName(_ hook: MessengerHook, _ check: inout RequestCheck) -> String? {
    let field = "messenger_hook.display_name"
    return check.value(field) { () throws(ServiceError) in
      try CanonicalText.line(hook.displayName, field: field, charactersMax: Self.hookNameCharactersMax)
    }
  }

  /// A URL that may be called, as far as it tells; it is not repeated in what is wrong with it.
  private func url(_ hook: MessengerHook, _ check: inout RequestCheck) -> HTTPSURL? {
    let field = "messenger_hook.url"
    guard let url = HTTPSURL(hook.url) else {
      check.require(
        false, field,
        "must be an https URL of at most \(HTTPSURL.charactersMax) visible ASCII characters, without user and fragment")
      return nil
    }
    if let refusal = callbacks.rules.policy.refusal(of: url.host) {
      check.require(false, field, "must not lead to \(url.host), which is \(refusal); the operator can allow it")
    }
    return url
  }

  private func messengerHook(
    _ text: String, field: String, _ call: CallContext
  ) async throws -> (MessengerHookName, ServiceRecord) {
    let name = try MessengerHookName(text, field: field)
    do {
      return (name, try await settings(of: name.service, call))
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.resourceNotFound)
    }
  }

  private static func stale(_ hook: MessengerHookRecord) -> ServiceError {
    ServiceError(.staleVersion, metadata: ["current_version": String(hook.version)])
  }
}
