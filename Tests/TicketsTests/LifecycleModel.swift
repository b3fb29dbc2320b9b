import HandoffAPI
import TicketLedger

/// An act that succeeded, as whoever did it knows it.
struct DoneAct: Sendable {
  /// What its event must say.
  let code: EventCode
  /// Who did it: `agents/1`, or `mail` for a customer's words.
  let by: String
  /// What was written with it.
  var text = ""
  /// Whom the ticket was given to.
  var agent = ""
  /// The ticket that it made.
  var made = ""
  /// The version that it made; 0: nobody told, as of what is done by a batch.
  var version: Int64 = 0

  /// Whether an event can be this act's.
  ///
  /// - Parameters:
  ///   - version: that the event made.
  ///   - text: of the event's entry.
  ///   - holder: who held the ticket before.
  func fits(_ event: Event, version: Int64, text: String, holder: String) -> Bool {
    guard code.rawValue == event.code, by == event.actor?.name else { return false }
    if self.version != 0 { return self.version == version }
    switch code {
    case .followedUp: return made == event.after("next_ticket")
    case .forwarded: return agent == event.after("agent") ?? holder
    default: return self.text == text
    }
  }

  /// What an act on an issue ticket answers to the consultation ticket; nil: nothing.
  var answer: EntryAct? {
    switch code {
    case .resolved: .resolve
    case .held: .hold
    case .resolvedInternally: .resolveInternally
    default: nil
    }
  }
}

/// An entry of a ticket as it must be.
struct ModelEntry: Equatable {
  let kind: EntryKind
  let act: EntryAct
  /// `agents/1`; empty: the customer.
  let author: String
  let text: String
}

/// One ticket of a model of the lifecycle that is written down here a second time, from the product's rules and not
/// from the table.
struct LifecycleModel {
  var state = TicketState.unassigned
  /// Who holds it; empty: nobody.
  var holder = ""
  var isSpam = false
  var stateBeforeSpam: TicketState?
  var isDeleted = false
  /// The issue ticket that it was escalated to last.
  var target = ""
  /// Whether it is an issue ticket that was escalated from a consultation ticket.
  var isEscalated = false
  var entries: [ModelEntry] = []

  private static let workable: Set<TicketState> = [.processing, .pending, .escalationAnswered, .doorayAnswered]

  /// Takes an event over.
  ///
  /// - Parameter act: what the event comes from: on this ticket, on the issue ticket that answers, or on the
  ///   consultation ticket to which the customer wrote.
  /// - Returns: why it may not have happened; nil: it may.
  mutating func take(_ event: Event, _ code: EventCode, from act: DoneAct?) -> String? {
    // Words that come from outside, a customer's or those of an issue ticket, are added there, too.
    let comesIn: Set<EventCode> = [.customerReplied, .escalationAnswered]
    let isPutAside = isSpam && ![.spamRestored, .spamDeleted].contains(code) && !comesIn.contains(code)
    if isDeleted { return "\(code) after it was deleted" }
    if isPutAside, code != .mailSkipped { return "\(code) in the spam box" }
    switch code {
    case .kept, .forwarded: return hand(code, act)
    case .resolved, .held, .resolvedInternally, .commented, .escalated: return process(code, act)
    case .spamMoved, .spamRestored, .spamDeleted: return putAside(code)
    case .created:
      guard let act else { return "nobody made it" }
      isEscalated = act.code == .escalated
      holder = act.agent
      state = holder.isEmpty ? .unassigned : .processing
      let entry = act.code == .created ? EntryAct.create : isEscalated ? .escalate : .customerReply
      add(.inquiry, entry, act, byCustomer: entry == .customerReply)
    case .completed:
      guard state == .resolved else { return "completed in \(state)" }
      state = .completed
    case .customerReplied:
      guard state != .completed else { return "a reply to a completed ticket" }
      // On an issue ticket it is the copy of what was written to the consultation ticket.
      if isEscalated, state == .resolved { return "a copy on an issue ticket that has ended" }
      if !isEscalated, !isSpam, state == .resolved || state == .pending { state = .processing }
      add(isEscalated ? .comment : .inquiry, .customerReply, act, byCustomer: true)
    case .followedUp: guard state == .completed else { return "followed up in \(state)" }
    case .escalationAnswered:
      // The words of an issue ticket that was replaced meanwhile are only added.
      if state == .escalating, event.after("answer.ticket") == target { state = .escalationAnswered }
      guard let answer = act?.answer, event.after("answer.act") == answer.rawValue else { return "another answer" }
      add(.escalation, answer, act)
    case .fieldsSaved: guard state != .completed else { return "\(code) in \(state)" }
    default: break
    }
    return nil
  }

  /// Somebody holds it from now on.
  private mutating func hand(_ code: EventCode, _ act: DoneAct?) -> String? {
    if code == .kept, state != .unassigned { return "kept in \(state)" }
    if state == .resolved || state == .completed { return "forwarded in \(state)" }
    if state != .escalating { state = .processing }
    holder = code == .kept ? act?.by ?? "" : act?.agent ?? ""
    return nil
  }

  private mutating func process(_ code: EventCode, _ act: DoneAct?) -> String? {
    if code == .commented {
      guard state != .completed else { return "commented in \(state)" }
      add(.comment, .commentAdded, act)
      return nil
    }
    guard Self.workable.contains(state) else { return "\(code) in \(state)" }
    stateBeforeSpam = state
    switch code {
    case .held:
      state = .pending
      add(.reply, .hold, act)
    case .escalated:
      (state, target) = (.escalating, act?.made ?? "")
      add(.escalation, .escalate, act)
    case .resolved:
      state = .resolved
      add(.reply, .resolve, act)
    default:
      state = .resolved
      add(.comment, .resolveInternally, act)
    }
    return nil
  }

  private mutating func putAside(_ code: EventCode) -> String? {
    switch code {
    case .spamMoved:
      guard state == .resolved, !isEscalated else { return "moved to spam in \(state)" }
      isSpam = true
    case .spamRestored:
      guard isSpam, let before = stateBeforeSpam else { return "restored outside the spam box" }
      (isSpam, state) = (false, before)
    default:
      guard isSpam else { return "deleted outside the spam box" }
      isDeleted = true
    }
    return nil
  }

  private mutating func add(_ kind: EntryKind, _ entry: EntryAct, _ act: DoneAct?, byCustomer: Bool = false) {
    entries.append(ModelEntry(kind: kind, act: entry, author: byCustomer ? "" : act?.by ?? "?", text: act?.text ?? "?"))
  }
}

extension Event {
  /// What a field is after the event; nil: the event says nothing of it.
  func after(_ field: String) -> String? { changes.first { $0.field == field }?.after }
}
