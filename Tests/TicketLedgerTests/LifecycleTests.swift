import Testing
import TicketLedger

@Suite struct LifecycleTests {
  /// A row of the grid: where a ticket stands.
  private struct Place {
    let name: String
    let state: TicketState
    let isSpam: Bool
  }

  private static let places =
    TicketState.allCases.map { Place(name: $0.rawValue, state: $0, isSpam: false) }
    + [Place(name: "(spam)", state: .resolved, isSpam: true)]

  @Test("every act, state, kind of service and role leads where the grid says")
  func grid() throws {
    var text = "Where an act leads, or why it is refused. One table for each role, kind of service and origin.\n"
    for (kind, origin) in [(ServiceKind.consultation, TicketOrigin.direct), (.issue, .direct), (.issue, .escalated)] {
      for role in LifecycleRole.allCases {
        text += "\n== \(kind.rawValue) \(origin.rawValue), \(role.rawValue)\n"
        for act in LifecycleAct.allCases {
          text += row(act, kind, origin, role)
        }
      }
    }
    try expectSnapshot(text, "Snapshots/lifecycle-grid.txt")
  }

  /// One act: what it leads to, and from which places.
  private func row(
    _ act: LifecycleAct, _ kind: ServiceKind, _ origin: TicketOrigin, _ role: LifecycleRole
  ) -> String {
    var results: [(result: String, places: [String])] = []
    for place in Self.places {
      let standing = Standing(
        kind: kind, state: place.state, isSpam: place.isSpam, origin: origin, stateBeforeSpam: .pending)
      let result: String
      switch Lifecycle.outcome(of: act, on: standing, by: role) {
      case .success(let outcome):
        result = "-> \(outcome.isRemoval ? "gone" : outcome.state.rawValue) [\(outcome.rule.id)]"
      case .failure(let refusal): result = "refused: \(refusal.rawValue)"
      }
      if let index = results.firstIndex(where: { $0.result == result }) {
        results[index].places.append(place.name)
      } else {
        results.append((result, [place.name]))
      }
    }
    if results.count == 1 { return "\(act.rawValue): \(results[0].result)\n" }
    return "\(act.rawValue):\n" + results.map { "  \($0.result): \($0.places.joined(separator: " "))\n" }.joined()
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let act: LifecycleAct
    let standing: Standing
    let role: LifecycleRole
    let expected: Result<TicketState, LifecycleRefusal>

    init(
      _ description: String, _ act: LifecycleAct, _ kind: ServiceKind, _ state: TicketState, by role: LifecycleRole,
      spam: Bool = false, origin: TicketOrigin = .direct, hasHolder: Bool = true, before: TicketState? = nil,
      _ expected: Result<TicketState, LifecycleRefusal>
    ) {
      testDescription = description
      self.act = act
      standing = Standing(
        kind: kind, state: state, isSpam: spam, origin: origin, hasHolder: hasHolder, stateBeforeSpam: before)
      self.role = role
      self.expected = expected
    }
  }

  static let cases: [Case] = [
    Case("keeping is for unassigned tickets", .keep, .consultation, .processing, by: .agent, .failure(.alreadyHeld)),
    Case("an unassigned ticket is assigned first", .resolve, .issue, .unassigned, by: .agent, .failure(.notAssigned)),
    Case(
      "a resolved ticket is not forwarded", .forward, .consultation, .resolved, by: .forwarder,
      .failure(.stateNotAllowed)),
    Case("forwarding needs its right", .forward, .consultation, .processing, by: .agent, .failure(.roleNotAllowed)),
    Case(
      "forwarding a held ticket puts it to work", .forward, .consultation, .pending, by: .administrator,
      .success(.processing)),
    Case(
      "forwarding while escalated changes the holder only", .forward, .consultation, .escalating, by: .forwarder,
      .success(.escalating)),
    Case(
      "while escalated nobody answers", .hold, .consultation, .escalating, by: .administrator,
      .failure(.escalationOpen)),
    Case(
      "while escalated one can comment", .comment, .consultation, .doorayInProgress, by: .agent,
      .success(.doorayInProgress)),
    Case(
      "a customer's reply reopens a resolved ticket", .receiveCustomerReply, .consultation, .resolved,
      by: .customer, .success(.processing)),
    Case(
      "a reply reopens for everybody when the holder is gone", .receiveCustomerReply, .consultation, .resolved,
      by: .customer, hasHolder: false, .success(.unassigned)),
    Case(
      "a reply does not bring spam back", .receiveCustomerReply, .consultation, .resolved, by: .customer,
      spam: true, .success(.resolved)),
    Case(
      "a completed ticket takes no reply", .receiveCustomerReply, .consultation, .completed, by: .customer,
      .failure(.completed)),
    Case(
      "an escalated ticket is no spam", .moveToSpam, .issue, .processing, by: .agent, origin: .escalated,
      .failure(.reasonNotAllowed)),
    Case(
      "an escalated ticket is no duplicate", .dismiss, .issue, .processing, by: .administrator,
      origin: .escalated, .failure(.reasonNotAllowed)),
    Case(
      "an issue service escalates to no other", .escalate, .issue, .processing, by: .agent,
      .failure(.notOfThisKind)),
    Case("only administrators complete", .complete, .issue, .resolved, by: .forwarder, .failure(.roleNotAllowed)),
    Case(
      "only resolved tickets are completed", .complete, .issue, .pending, by: .administrator,
      .failure(.stateNotAllowed)),
    Case(
      "spam is restored before it is forwarded", .forward, .consultation, .resolved, by: .administrator,
      spam: true, .failure(.inSpamBox)),
    Case(
      "spam goes back to where it was", .restoreFromSpam, .consultation, .resolved, by: .administrator,
      spam: true, before: .pending, .success(.pending)),
    Case(
      "spam whose past is unknown goes to its holder", .restoreFromSpam, .consultation, .resolved,
      by: .administrator, spam: true, .success(.processing)),
    Case(
      "spam that nobody holds goes to nobody", .restoreFromSpam, .consultation, .resolved, by: .administrator,
      spam: true, hasHolder: false, before: .processing, .success(.unassigned)),
    Case(
      "nor does it go back to an answer that nobody waits for", .restoreFromSpam, .issue, .resolved,
      by: .administrator, spam: true, hasHolder: false, before: .pending, .success(.unassigned)),
    Case(
      "the issue service's answer to a ticket that was released is everybody's", .receiveEscalationAnswer,
      .consultation, .escalating, by: .issueService, hasHolder: false, .success(.unassigned)),
    Case(
      "so is the end of a task at Dooray!", .doorayClosed, .issue, .doorayInProgress, by: .dooray, hasHolder: false,
      .success(.unassigned)),
    Case(
      "a late answer of the issue service changes no state", .receiveEscalationAnswer, .consultation, .completed,
      by: .issueService, .success(.completed)),
    Case(
      "while its task is open one can comment at Dooray!", .commentOnDooray, .issue, .doorayInProgress, by: .agent,
      .success(.doorayInProgress)),
    Case(
      "on a task that is done nobody comments", .commentOnDooray, .consultation, .doorayAnswered, by: .administrator,
      .failure(.stateNotAllowed)),
    Case(
      "a task that is opened again moves the ticket back", .doorayRegistered, .issue, .doorayAnswered,
      by: .dooray, .success(.doorayEscalated)),
    Case(
      "a late hook does not move a resolved ticket", .doorayWorking, .consultation, .resolved, by: .dooray,
      .failure(.stateNotAllowed)),
  ]

  @Test("the decisions of the domain hold", arguments: cases)
  func decisions(_ row: Case) {
    let result = Lifecycle.outcome(of: row.act, on: row.standing, by: row.role).map(\.state)
    #expect(result == row.expected)
  }

  @Test("where processing is the holder's, others may do everything but process, and administrators may do that too")
  func reserved() {
    for act in LifecycleAct.allCases {
      for role in [LifecycleRole.agent, .forwarder, .administrator] {
        var standing = Standing(kind: .consultation, state: .processing)
        let open = Lifecycle.outcome(of: act, on: standing, by: role).map(\.state)
        standing.isReserved = true
        let reserved = Lifecycle.outcome(of: act, on: standing, by: role).map(\.state)
        #expect(reserved == (act.isProcessing && role != .administrator ? .failure(.notHolder) : open))
      }
    }
  }

  @Test("an escalated issue ticket answers its consultation ticket and mails nobody")
  func escalatedAnswers() throws {
    for act in [LifecycleAct.resolve, .hold, .resolveInternally] {
      let standing = Standing(kind: .issue, state: .processing, origin: .escalated)
      let outcome = try Lifecycle.outcome(of: act, on: standing, by: .agent).get()
      #expect(outcome.has(.answersSource))
      #expect(!outcome.has(.mailsAnswer) && !outcome.has(.mailsInterimAnswer))
    }
  }

  @Test("no two lines allow the same act from the same place to the same role")
  func rulesAreDisjoint() {
    for (index, left) in Lifecycle.rules.enumerated() {
      for right in Lifecycle.rules[(index + 1)...] where left.act == right.act {
        #expect(left.id != right.id)
        let sharesKind = !Set(left.kinds).isDisjoint(with: right.kinds)
        let sharesRole = !Set(left.roles).isDisjoint(with: right.roles)
        let sharesOrigin = left.origin == nil || right.origin == nil || left.origin == right.origin
        let sharesSpam = left.spam == nil || right.spam == nil || left.spam == right.spam
        let sharesState =
          !Set(left.from.states).isDisjoint(with: right.from.states)
          || (left.from.states.isEmpty && right.from.states.isEmpty)
        #expect(
          !(sharesKind && sharesRole && sharesOrigin && sharesSpam && sharesState), "\(left.id) and \(right.id)")
      }
    }
  }

  @Test("the page about the life of a ticket shows the table as it is")
  func page() throws {
    try expectSnapshot(LifecyclePage.text, "../../docs/lifecycle.md")
  }
}
