import HandoffAPI
import Outbound
import ServiceKit
import TicketLedger

/// How an assignment finds its agent; the order is that of the API's numbers.
enum AssignmentMode: CaseIterable, Sendable {
  case specific
  case random
  case sequential
}

/// One line of a trigger's results, ready to be carried out.
enum TriggerAction: Sendable, Equatable {
  case assign(AssignmentMode, group: GroupID, agents: [AgentID])
  case setSubmissionType(SubmissionTypeID)
  case setPriority(TicketPriority)
  case setGroup(GroupID)
  case callback(HTTPSURL)
  case notify(NotifyResult.Recipient, texts: [MailText])
  /// Without texts, the mail has its built-in ones.
  case forwardOutside(address: String, completes: Bool, texts: [MailText])
  /// The name of who speaks may be empty; the text has its codes.
  case messenger(MessengerHookID, botName: String, text: String)
}

/// A trigger as passes run it.
struct ActiveTrigger: Sendable {
  let id: TriggerID
  let name: TriggerName
  let displayName: String
  let version: Int64
  let conditions: ConditionTree
  let actions: [TriggerAction]

  /// Reads a trigger.
  ///
  /// - Throws: INTERNAL for a stored one that this build does not understand: a newer one may have saved it, and its
  ///   daemon runs it.
  init(_ id: TriggerID, _ displayName: String, version: Int64, _ trigger: Trigger, of service: ServiceRecord) throws {
    self.id = id
    self.displayName = displayName
    self.version = version
    name = TriggerName(service: service.code, id: id)
    var reader = TriggerReader(service: service)
    (_, conditions) = reader.conditions(trigger.conditions)
    actions = reader.actions(trigger.results)
    do {
      try reader.check.done()
    } catch {
      throw ServiceError(.internal, cause: UnreadableTrigger(description: "\(name) cannot be read: \(error)"))
    }
  }
}

/// A stored trigger that makes no sense here.
private struct UnreadableTrigger: Error, CustomStringConvertible {
  let description: String
}
