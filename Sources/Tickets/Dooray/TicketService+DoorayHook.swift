package import HandoffAPI
import MessageJSON
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Takes a hook of Dooray!.
  ///
  /// Dooray! signs nothing, repeats, comes late and in any order. So a hook changes nothing: it makes the task due to
  /// be looked at, and what Dooray! answers then is believed.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, REQUEST_INVALID.
  package func receiveDoorayHook(_ request: ReceiveDoorayHookRequest, _ call: CallContext) async throws -> Empty {
    guard let name = DoorayHookName(request.name), try await dooray.store.isHook(name, deadline: call.deadline) else {
      throw ServiceError(.resourceNotFound)
    }
    let payload: JSONValue
    do {
      payload = try JSONParser.parse(request.payload)
    } catch {
      throw ServiceError.invalid("payload", "is no JSON \(error)")
    }
    guard let hook = DoorayHook(payload), hook.isOfInterest else { return Empty() }
    try await dooray.store.hurry(task: hook.task, project: hook.project, of: name.service, deadline: call.deadline)
    return Empty()
  }
}

/// What is read of a hook.
struct DoorayHook: Equatable {
  let event: String
  let project: String
  let task: String

  /// Reads a hook in any of the forms in which they come; nil for one that is about no task.
  init?(_ payload: JSONValue) {
    guard let event = (payload["hookEventType"] ?? payload["webhookType"])?.text,
      let project = payload["project"]?["id"]?.text, let task = payload["post"]?["id"]?.text
    else { return nil }
    self.event = event
    self.project = project
    self.task = task
  }

  /// Whether a ticket can follow from it.
  var isOfInterest: Bool { event == "postWorkflowChanged" || event == "postCommentCreated" }
}
