import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Lives the demo tickets' lives through the ledger, in the order of time over all tickets, so that histories, hash
/// chains, counters and the order of ids are what they would have been.
final class DemoHistory {
  /// One act that is to be carried out.
  private struct Moment {
    /// Seconds before now.
    let age: Int
    let ticket: Int
    /// Position within its ticket; 0 is the creation.
    let order: Int
    let step: DemoStep?
  }

  private let events: DemoEvents
  private let ledger: TicketLedger
  private let console: Console
  private var plans: [DemoTicket] = []
  private var moments: [Moment] = []
  /// The consultation ticket of an issue ticket, by its place in `plans`.
  private var sources: [Int: Int] = [:]
  private var issues: [Int: Int] = [:]
  private var records: [Int: TicketRecord] = [:]

  init(_ events: DemoEvents, _ ledger: TicketLedger, _ console: Console) {
    self.events = events
    self.ledger = ledger
    self.console = console
  }

  private var deadline: Deadline { .after(.seconds(60)) }

  /// Writes the tickets and all that happened to them.
  func write(_ tickets: [DemoTicket]) async throws {
    for ticket in tickets { plan(ticket) }
    moments.sort { ($1.age, $0.ticket, $0.order) < ($0.age, $1.ticket, $1.order) }
    let now = try await ledger.pool.query("SELECT clock_timestamp()", deadline: deadline)[0].instant(0)
    var shown = MonotonicTime.current
    for (index, moment) in moments.enumerated() {
      try Task.checkCancellation()
      try await carryOut(moment, at: now.advanced(by: .seconds(-moment.age)))
      if MonotonicTime.current.since(shown) > .seconds(2) {
        shown = MonotonicTime.current
        console.progress("Demo tickets: \(index * 100 / moments.count) %")
      }
    }
    console.progress("Demo tickets: \(records.count), with \(moments.count) events of the last months")
  }

  @discardableResult
  private func plan(_ ticket: DemoTicket) -> Int {
    let index = plans.count
    plans.append(ticket)
    if ticket.channel != .escalation { moments.append(Moment(age: ticket.age, ticket: index, order: 0, step: nil)) }
    for (order, step) in ticket.steps.enumerated() {
      moments.append(Moment(age: ticket.age - step.time, ticket: index, order: order + 1, step: step))
      if case .escalate(_, _, let issue) = step.act {
        let child = plan(issue)
        sources[child] = index
        issues[index] = child
      }
    }
    return index
  }

  private func carryOut(_ moment: Moment, at time: Instant) async throws {
    guard let step = moment.step else {
      try await create(moment.ticket, at: time)
      return
    }
    if case .escalate = step.act, let issue = issues[moment.ticket] { try await create(issue, at: time) }
    guard let record = records[moment.ticket] else { preconditionFailure("a ticket acts before it is created") }
    let target = issues[moment.ticket].flatMap { records[$0]?.link }
    var change = TicketChange(
      try events.event(of: step.act, on: record, in: plans[moment.ticket].service, target: target))
    change.time = time
    records[moment.ticket] = try await ledger.write(change, on: record, deadline: deadline).ticket
  }

  private func create(_ index: Int, at time: Instant) async throws {
    let plan = plans[index]
    var draft = try events.draft(of: plan, at: time, from: sources[index].flatMap { records[$0] })
    draft.time = time
    records[index] = try await ledger.create(draft, deadline: deadline).ticket
  }
}
