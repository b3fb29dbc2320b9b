import TicketLedger

/// `docs/lifecycle.md`: the lifecycle table for people.
enum LifecyclePage {
  static var text: String {
    var text = """
      # The life of a ticket

      Made from the table in `Sources/TicketLedger/Rules/Lifecycle.swift`, which alone decides; a test keeps this page
      current (`HANDOFF_UPDATE_SNAPSHOTS=1` writes it anew).

      A ticket of a **consultation** service is an inquiry of a customer. A ticket of an **issue** service is mostly the
      escalation of a consultation ticket; then its answer goes back there and mails nobody. Completed tickets are
      closed for good: a customer's reply to one opens a new ticket that is linked to it, and so does a reply to a
      resolved ticket where the service's reply policy says so. Tickets in the spam box (resolved internally as spam)
      must be restored before anything else.

      A consultation ticket waits for one issue ticket at a time: while it is `ESCALATING`, a second escalation is
      refused (`TRANSITION_NOT_ALLOWED`, refusal `ESCALATION_OPEN`), and no ticket is made. Any answer ends the wait, an
      interim one too; then the ticket can be escalated anew, to the same issue service or to another. An issue ticket
      that was held stays open in its service beside the new one: what it answers later is added to the history and
      changes no state, and the customer's further words go to the newest issue ticket alone.
      What the customer writes while the ticket lies in the spam box goes to none.

      ```mermaid
      stateDiagram-v2
        [*] --> UNASSIGNED: create
        [*] --> PROCESSING: create with an agent
        UNASSIGNED --> PROCESSING: keep, forward, trigger
        PROCESSING --> PENDING: hold
        PENDING --> PROCESSING: customer's reply, forward
        PROCESSING --> RESOLVED: resolve, resolve internally
        PENDING --> RESOLVED: resolve, resolve internally
        PROCESSING --> ESCALATING: escalate
        ESCALATING --> ESCALATION_ANSWERED: issue ticket answered
        PENDING --> ESCALATING: escalate
        ESCALATION_ANSWERED --> ESCALATING: escalate anew
        ESCALATION_ANSWERED --> RESOLVED: resolve
        PROCESSING --> DOORAY_ESCALATED: escalate to Dooray!
        DOORAY_ESCALATED --> DOORAY_IN_PROGRESS: task in progress
        DOORAY_IN_PROGRESS --> DOORAY_ANSWERED: task done
        DOORAY_ANSWERED --> RESOLVED: resolve
        RESOLVED --> PROCESSING: customer's reply
        RESOLVED --> COMPLETED: complete, or its time is over
        COMPLETED --> [*]
      ```

      """
    for (kind, title) in [(ServiceKind.consultation, "Consultation services"), (.issue, "Issue services")] {
      text += "\n## \(title)\n\n"
      text += "| line | act | by | from | to | what follows |\n|---|---|---|---|---|---|\n"
      for rule in Lifecycle.rules
      where rule.kinds.contains(kind) && !(kind == .consultation && rule.origin == .escalated) {
        text += row(rule, kind)
      }
      text += "\n### Which act in which state\n\n"
      if kind == .issue {
        text += """
          Of tickets that are not escalated: the lines above say what is different for those that are. So
          `receive source reply`, which escalated tickets alone take, has no state here.


          """
      }
      text += matrix(kind)
    }
    text += "\n## Why an act is refused\n\n| refusal | when |\n|---|---|\n"
    for refusal in LifecycleRefusal.allCases { text += "| `\(refusal.rawValue)` | \(explanation(refusal)) |\n" }
    return text
  }

  private static func row(_ rule: LifecycleRule, _ kind: ServiceKind) -> String {
    var from = rule.from.states.isEmpty ? "–" : names(rule.from.states.filter { occurs($0, kind) })
    if rule.from == .all { from = "every state" }
    if rule.spam == true { from = "spam box" }
    if rule.spam == nil { from += ", also in the spam box" }
    if kind == .issue, let origin = rule.origin { from += origin == .escalated ? " (escalated)" : " (not escalated)" }
    let roles = rule.roles.map { $0.rawValue.lowercased().replacing("_", with: " ") }.joined(separator: ", ")
    let effects = rule.effects.map(\.rawValue).joined(separator: "; ")
    return "| \(rule.id) | \(words(rule.act)) | \(roles) | \(from) | \(target(rule.target)) | \(effects) |\n"
  }

  private static func occurs(_ state: TicketState, _ kind: ServiceKind) -> Bool {
    kind == .consultation || (state != .escalating && state != .escalationAnswered)
  }

  private static func names(_ states: [TicketState]) -> String {
    states.map { "`\($0.rawValue)`" }.joined(separator: " ")
  }

  private static func words(_ act: LifecycleAct) -> String { act.rawValue.lowercased().replacing("_", with: " ") }

  private static func target(_ target: LifecycleTarget) -> String {
    switch target {
    case .state(let state): "`\(state.rawValue)`"
    case .held(let state): "`\(state.rawValue)`, or `UNASSIGNED` when nobody holds it"
    case .unchanged: "unchanged"
    case .reopened: "`PROCESSING`, or `UNASSIGNED` when the holder is gone"
    case .beforeSpam: "the state before, or `UNASSIGNED` when the holder is gone"
    case .removed: "gone"
    }
  }

  /// An administrator's view where agents act at all, everybody's otherwise.
  private static func matrix(_ kind: ServiceKind) -> String {
    let states = TicketState.allCases.filter { occurs($0, kind) }
    let acts = LifecycleAct.allCases.filter { act in
      Lifecycle.rules.contains {
        $0.act == act && $0.kinds.contains(kind) && $0.spam != true && !$0.from.states.isEmpty
      }
    }
    var text = "| act | " + states.map { "`\($0.rawValue)`" }.joined(separator: " | ") + " |\n"
    text += "|---|" + states.map { _ in "---|" }.joined() + "\n"
    for act in acts {
      let cells = states.map { state in
        let isAllowed = LifecycleRole.allCases.contains { role in
          Lifecycle.outcome(of: act, on: Standing(kind: kind, state: state), by: role).refusal == nil
        }
        return isAllowed ? "✓" : ""
      }
      text += "| \(words(act)) | " + cells.joined(separator: " | ") + " |\n"
    }
    return text
  }

  private static func explanation(_ refusal: LifecycleRefusal) -> String {
    switch refusal {
    case .notOfThisKind: "services of this kind have no such act"
    case .roleNotAllowed: "the caller's role may not do it"
    case .notHolder: "the service leaves processing to the holder (a setting); administrators may step in"
    case .reasonNotAllowed: "an escalated ticket cannot be ended as spam, abuse or a duplicate"
    case .escalatedTicket: "the customer of an escalated ticket talks with the consultation service"
    case .inSpamBox: "a spam ticket must be restored first"
    case .notInSpamBox: "the ticket is not in the spam box"
    case .completed: "a completed ticket is closed for good"
    case .notAssigned: "somebody must hold the ticket first"
    case .alreadyHeld: "somebody holds the ticket already"
    case .escalationOpen: "the ticket waits for an issue service or for Dooray!"
    case .stateNotAllowed: "the state does not allow it"
    }
  }
}
