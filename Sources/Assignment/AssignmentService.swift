import HandoffAPI
import Protobuf
import RPC
package import ServiceKit
package import TicketLedger

/// Who holds a ticket: keeping, forwarding, triggers, and the agents themselves.
package struct AssignmentService: AssignmentServiceProvider {
  let ledger: TicketLedger
  let agents: AgentStore
  let triggers: TriggerStore
  let runner: TriggerRunner
  let passwords: PasswordCheck
  let callbacks: Callbacks
  let records: AssignmentRecords

  /// Serves the ledger's tickets, and the agents of its database.
  package init(ledger: TicketLedger, runner: TriggerRunner, passwords: PasswordCheck, callbacks: Callbacks) {
    self.ledger = ledger
    self.runner = runner
    self.passwords = passwords
    self.callbacks = callbacks
    agents = AgentStore(pool: ledger.pool)
    triggers = runner.store
    records = AssignmentRecords(pool: ledger.pool)
  }

  /// Who may call what: agents act through the door and the operator, daemons ask for what they need.
  package static let callerRules = [
    CallerRule(
      "AssignmentService",
      [
        "KeepTicket", "ForwardTicket", "GetAgent", "ListMembers", "ListGroups", "CreateTrigger", "GetTrigger",
        "ListTriggers", "CreateAgent", "ListAgents", "UpdateAgent", "DeactivateAgent", "ActivateAgent", "SetPassword",
        "ChangePassword", "CreateMember", "UpdateMember", "DeleteMember", "CreateGroup", "UpdateGroup", "DeleteGroup",
        "ListPermissionChanges", "UpdateTrigger", "ActivateTrigger", "DeactivateTrigger", "DeleteTrigger",
        "ReorderTriggers", "GetTriggerSettings", "UpdateTriggerSettings", "GetTriggerVocabulary", "ExplainAssignment",
        "SimulateTriggers", "GetCallbackSettings", "RotateCallbackSecret", "ListCallbacks", "ReplayCallback",
        "ListMessengerHooks", "CreateMessengerHook", "UpdateMessengerHook", "DeleteMessengerHook",
      ], callers: ["gateway", "operator"]),
    CallerRule("AssignmentService", ["VerifyCredential"], callers: ["gateway"]),
    CallerRule("AssignmentService", ["RunTriggers", "ForwardTicketOnBehalf"], callers: ["tickets"]),
  ]

  /// The claim of a request that is safe to repeat; nil when it has no request id.
  func claim(
    of request: some Message, _ requestID: String, _ call: CallContext, _ access: Access
  ) throws -> IdempotencyClaim? {
    try IdempotencyClaim.claim(call, access, requestID: requestID, request: request, key: ledger.key)
  }
}

extension OutboxDraft {
  /// A pass of the service's triggers, because the holder changed.
  static func triggers() throws -> OutboxDraft {
    OutboxDraft(.triggers, payload: try TriggerPass(cause: .changed).serialized())
  }
}

extension RequestCheck {
  /// Takes what `read` makes of a field, or notes why that cannot be.
  mutating func value<Value>(_ field: String, _ read: () throws(ServiceError) -> Value) -> Value? {
    do throws(ServiceError) {
      return try read()
    } catch {
      if error.violations.isEmpty { require(false, field, error.message) }
      for violation in error.violations { require(false, violation.field, violation.description) }
      return nil
    }
  }
}
