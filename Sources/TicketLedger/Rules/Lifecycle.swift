/// The whole life of a ticket, in one table. No other code decides a transition.
///
/// Decisions of this project where the product's guides are silent stand beside their lines.
package enum Lifecycle {
  private static let both: [ServiceKind] = [.consultation, .issue]
  private static let agents: [LifecycleRole] = [.agent, .forwarder, .administrator]
  private static let customers: [LifecycleRole] = [.customer, .system]
  /// From these states a ticket can be answered, ended and escalated.
  private static let workable: TicketStates = [.processing, .pending, .escalationAnswered, .doorayAnswered]
  /// In these states a ticket waits for somebody outside the service.
  private static let waiting: TicketStates = [.escalating, .doorayEscalated, .doorayInProgress]
  private static let dooray: TicketStates = [.doorayEscalated, .doorayInProgress, .doorayAnswered]
  private static let open = TicketStates.all.subtracting([.completed])

  /// Every transition there is.
  package static let rules: [LifecycleRule] = creating + holding + answering + ending + escalating + other

  private static let creating: [LifecycleRule] = [
    .init(
      id: "C1", act: .create, kinds: [.consultation], from: [], roles: customers, target: .state(.unassigned),
      effects: [.runsTriggers]),
    // An issue service takes inquiries of customers too: a reply to a completed ticket opens a new one.
    .init(
      id: "I1", act: .create, kinds: [.issue], from: [], roles: customers + [.issueService],
      target: .state(.unassigned), effects: [.runsTriggers]),
    .init(
      id: "B2a", act: .create, kinds: both, from: [], roles: agents, target: .state(.unassigned),
      effects: [.runsTriggers]),
    .init(
      id: "B2b", act: .createAssigned, kinds: both, from: [], roles: agents, target: .state(.processing),
      effects: [.chosenAgentHolds, .runsTriggers]),
  ]

  private static let holding: [LifecycleRule] = [
    .init(
      id: "B3", act: .keep, kinds: both, from: [.unassigned], roles: agents, target: .state(.processing),
      effects: [.actorHolds, .runsTriggers]),
    .init(
      id: "B4a", act: .forward, kinds: both,
      from: [.unassigned, .processing, .pending, .escalationAnswered, .doorayAnswered],
      roles: [.forwarder, .administrator], target: .state(.processing), effects: [.chosenAgentHolds, .runsTriggers]),
    // Somebody else is to be answered meanwhile: only the holder changes.
    .init(
      id: "B4b", act: .forward, kinds: both, from: waiting, roles: [.forwarder, .administrator], target: .unchanged,
      effects: [.chosenAgentHolds, .runsTriggers]),
    // A trigger may assign wherever an agent may forward; what a trigger changes starts no further pass.
    .init(
      id: "B5a", act: .assignByTrigger, kinds: both,
      from: [.unassigned, .processing, .pending, .escalationAnswered, .doorayAnswered], roles: [.system],
      target: .state(.processing), effects: [.chosenAgentHolds]),
    .init(
      id: "B5b", act: .assignByTrigger, kinds: both, from: waiting, roles: [.system], target: .unchanged,
      effects: [.chosenAgentHolds]),
    .init(
      id: "B6", act: .setGroupByTrigger, kinds: both, from: [.unassigned], roles: [.system], target: .unchanged,
      effects: [.chosenGroupInCharge]),
    // Whoever removes an agent can have the agent's tickets released; resolved ones keep their holder until the
    // customer writes again.
    .init(
      id: "B22a", act: .release, kinds: both,
      from: [.processing, .pending, .escalationAnswered, .doorayAnswered], roles: [.system],
      target: .state(.unassigned), effects: [.nobodyHolds, .runsTriggers]),
    .init(
      id: "B22b", act: .release, kinds: both, from: waiting, roles: [.system], target: .unchanged,
      effects: [.nobodyHolds]),
  ]

  private static let answering: [LifecycleRule] = [
    .init(
      id: "B7", act: .resolve, kinds: both, origin: .direct, from: workable, roles: agents, target: .state(.resolved),
      effects: [.mailsAnswer, .runsTriggers]),
    .init(
      id: "I5", act: .resolve, kinds: [.issue], origin: .escalated, from: workable, roles: agents,
      target: .state(.resolved), effects: [.answersSource, .runsTriggers]),
    .init(
      id: "B8", act: .hold, kinds: both, origin: .direct, from: workable, roles: agents, target: .state(.pending),
      effects: [.mailsInterimAnswer, .runsTriggers]),
    .init(
      id: "I6", act: .hold, kinds: [.issue], origin: .escalated, from: workable, roles: agents,
      target: .state(.pending), effects: [.answersSource, .runsTriggers]),
    .init(id: "B9", act: .comment, kinds: both, from: open, roles: agents, target: .unchanged),
    .init(
      id: "B17a", act: .receiveCustomerReply, kinds: both, origin: .direct, from: [.resolved, .pending],
      roles: customers, target: .reopened, effects: [.runsTriggers]),
    .init(
      id: "B17b", act: .receiveCustomerReply, kinds: both, origin: .direct,
      from: open.subtracting([.resolved, .pending]), roles: customers, target: .unchanged, effects: [.runsTriggers]),
    // A reply does not bring spam back; it is kept for whoever restores the ticket.
    .init(
      id: "B17c", act: .receiveCustomerReply, kinds: both, origin: .direct, from: [.resolved], spam: true,
      roles: customers, target: .unchanged),
    // A completed ticket is closed for good; a resolved one, as far as the service's reply policy says so.
    .init(
      id: "B17d", act: .followUp, kinds: both, origin: .direct, from: [.resolved, .completed], roles: customers,
      target: .unchanged, effects: [.opensFollowUpTicket]),
    // What the customer adds while the issue service works on it; an ended issue ticket is not opened again by it.
    .init(
      id: "I17e", act: .receiveSourceReply, kinds: [.issue], origin: .escalated, from: open.subtracting([.resolved]),
      roles: [.system], target: .unchanged, effects: [.runsTriggers]),
  ]

  private static let ending: [LifecycleRule] = [
    .init(
      id: "B10a", act: .resolveInternally, kinds: both, origin: .direct, from: workable, roles: agents,
      target: .state(.resolved), effects: [.runsTriggers]),
    .init(
      id: "I8", act: .resolveInternally, kinds: [.issue], origin: .escalated, from: workable, roles: agents,
      target: .state(.resolved), effects: [.answersSource, .runsTriggers]),
    .init(
      id: "B10b", act: .dismiss, kinds: both, origin: .direct, from: workable, roles: agents,
      target: .state(.resolved), effects: [.runsTriggers]),
    .init(
      id: "B10c", act: .moveToSpam, kinds: both, origin: .direct, from: workable, roles: agents,
      target: .state(.resolved), effects: [.entersSpamBox]),
    .init(
      id: "B15", act: .complete, kinds: both, from: [.resolved], roles: [.administrator], target: .state(.completed),
      effects: [.runsTriggers]),
    .init(
      id: "B16", act: .autoComplete, kinds: both, from: [.resolved], roles: [.system], target: .state(.completed)),
    .init(
      id: "B18a", act: .forwardExternallyThenComplete, kinds: both, origin: .direct, from: open.subtracting(waiting),
      roles: [.system], target: .state(.completed), effects: [.mailsOutside]),
    // The consultation ticket must not wait for a ticket that is closed.
    .init(
      id: "I18b", act: .forwardExternallyThenComplete, kinds: [.issue], origin: .escalated,
      from: open.subtracting(waiting), roles: [.system], target: .state(.completed),
      effects: [.mailsOutside, .answersSource]),
    .init(
      id: "B19a", act: .restoreFromSpam, kinds: both, from: [.resolved], spam: true, roles: [.administrator],
      target: .beforeSpam, effects: [.leavesSpamBox]),
    .init(
      id: "B19b", act: .deleteFromSpam, kinds: both, from: [.resolved], spam: true, roles: [.administrator],
      target: .removed),
  ]

  private static let escalating: [LifecycleRule] = [
    // One issue ticket at a time is waited for. One that was held has answered, and stays open in its service beside
    // the one that is escalated to anew; the customer's further words go to the newest alone.
    .init(
      id: "C11", act: .escalate, kinds: [.consultation], from: workable, roles: agents, target: .state(.escalating),
      effects: [.opensIssueTicket, .runsTriggers]),
    // Of a ticket that was released meanwhile nobody would read the answer: it is everybody's.
    .init(
      id: "C12a", act: .receiveEscalationAnswer, kinds: [.consultation], from: [.escalating], roles: [.issueService],
      target: .held(.escalationAnswered), effects: [.runsTriggers]),
    // A later answer (held first, then resolved) only adds to the history.
    .init(
      id: "C12b", act: .receiveEscalationAnswer, kinds: [.consultation],
      from: TicketStates.all.subtracting([.escalating]), spam: nil, roles: [.issueService], target: .unchanged),
    .init(
      id: "B13", act: .escalateToDooray, kinds: both, from: workable, roles: agents, target: .state(.doorayEscalated),
      effects: [.opensDoorayTask, .runsTriggers]),
    // To comment on a task that is done, one opens it again at Dooray!, or escalates anew.
    .init(
      id: "B23", act: .commentOnDooray, kinds: both, from: [.doorayEscalated, .doorayInProgress], roles: agents,
      target: .unchanged),
    .init(
      id: "B14a", act: .doorayRegistered, kinds: both, from: dooray, roles: [.dooray],
      target: .state(.doorayEscalated), effects: [.runsTriggers]),
    .init(
      id: "B14b", act: .doorayWorking, kinds: both, from: dooray, roles: [.dooray], target: .state(.doorayInProgress),
      effects: [.runsTriggers]),
    .init(
      id: "B14c", act: .doorayClosed, kinds: both, from: dooray, roles: [.dooray], target: .held(.doorayAnswered),
      effects: [.runsTriggers]),
  ]

  private static let other: [LifecycleRule] = [
    .init(
      id: "B20", act: .saveFields, kinds: both, from: open, roles: agents + [.system], target: .unchanged,
      effects: [.runsTriggers]),
    // Personal data can be hidden wherever it stands, in closed and spam tickets too.
    .init(id: "B21", act: .mask, kinds: both, from: .all, spam: nil, roles: agents + [.system], target: .unchanged),
  ]

  /// Decides an act: the outcome, or why not.
  ///
  /// The kind of service is looked at first, then the role, the origin, the spam box and the state, so that a caller
  /// without the right never learns how a ticket stands. For the acts that create a ticket the standing's state is
  /// not looked at.
  package static func outcome(
    of act: LifecycleAct, on standing: Standing, by role: LifecycleRole
  ) -> Result<LifecycleOutcome, LifecycleRefusal> {
    var refusal = LifecycleRefusal.notOfThisKind
    for rule in rulesByAct[act] ?? [] where rule.kinds.contains(standing.kind) {
      guard let reason = self.refusal(of: rule, standing, role) else {
        return .success(LifecycleOutcome(rule: rule, state: state(after: rule.target, standing)))
      }
      // Of several lines that refuse, the one that came closest to allowing names the reason.
      if rank(reason) > rank(refusal) { refusal = reason }
    }
    return .failure(refusal)
  }

  private static let rulesByAct = Dictionary(grouping: rules, by: \.act)

  private static func refusal(
    of rule: LifecycleRule, _ standing: Standing, _ role: LifecycleRole
  ) -> LifecycleRefusal? {
    guard rule.roles.contains(role) else { return .roleNotAllowed }
    if rule.act == .create || rule.act == .createAssigned { return nil }
    if standing.isReserved && rule.act.isProcessing && role != .administrator { return .notHolder }
    guard rule.origin == nil || rule.origin == standing.origin else {
      return rule.act == .dismiss || rule.act == .moveToSpam ? .reasonNotAllowed : .escalatedTicket
    }
    guard rule.spam == nil || rule.spam == standing.isSpam else {
      return standing.isSpam ? .inSpamBox : .notInSpamBox
    }
    guard !rule.from.contains(standing.state) else { return nil }
    switch (standing.state, rule.act) {
    case (.completed, _): return .completed
    case (_, .keep): return .alreadyHeld
    case (_, .commentOnDooray): return .stateNotAllowed
    case (.unassigned, _): return .notAssigned
    case (.escalating, _), (.doorayEscalated, _), (.doorayInProgress, _): return .escalationOpen
    default: return .stateNotAllowed
    }
  }

  private static func rank(_ refusal: LifecycleRefusal) -> Int {
    switch refusal {
    case .notOfThisKind: 0
    case .roleNotAllowed: 1
    case .notHolder: 2
    case .reasonNotAllowed, .escalatedTicket: 3
    case .inSpamBox, .notInSpamBox: 4
    default: 5
    }
  }

  private static func state(after target: LifecycleTarget, _ standing: Standing) -> TicketState {
    switch target {
    case .state(let state): return state
    case .unchanged, .removed: return standing.state
    case .held(let state): return standing.hasHolder ? state : .unassigned
    case .reopened: return standing.hasHolder ? .processing : .unassigned
    case .beforeSpam: return standing.hasHolder ? standing.stateBeforeSpam ?? .processing : .unassigned
    }
  }
}
