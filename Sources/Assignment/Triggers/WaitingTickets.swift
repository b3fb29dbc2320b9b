package import EventLoop
import Postgres
package import ServiceKit
import TicketLedger

/// Gives tickets that waited in a group to whoever has become able to take them, oldest first.
///
/// A ticket waits from the moment a trigger finds nobody for it until somebody keeps it, is forwarded it, or can be
/// given it under the trigger as it is then. When the trigger is deactivated, or assigns to nobody any more, the ticket
/// stays in the group for someone to keep it. Any number of daemons may do this side by side.
package struct WaitingTickets: Sendable {
  /// Heard when an administrator, or an agent with the assign switch, has changed who can be given tickets.
  static let channel = "handoff_people"
  /// How long it takes at most until somebody who can take tickets is noticed when no hint comes.
  private static let pollInterval: Duration = .seconds(1)
  private static let passTimeout: Duration = .seconds(15)
  private static let batchMax = 50

  /// One place in a trigger for which tickets wait.
  private struct Place {
    let service: ServiceID
    let trigger: TriggerID
    let resultIndex: Int32
  }

  private let runner: TriggerRunner
  private let served: Metric<Counter>

  /// Works beside the passes of a runner.
  package init(_ runner: TriggerRunner, metrics: Metrics) {
    self.runner = runner
    served = metrics.counter(
      "handoff_waiting_tickets_assigned_total", "Tickets that had waited until somebody could take them.")
  }

  /// Starts serving.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let task = Task(executorPreference: loop) { await run(on: loop) }
    return {
      task.cancel()
      await task.value
    }
  }

  private func run(on loop: EventLoop) async {
    let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        for await _ in runner.ledger.pool.listen(channel: Self.channel) {
          runner.store.forget()
          wake.yield()
        }
      }
      group.addTask(executorPreference: loop) {
        while !Task.isCancelled {
          wake.yield()
          do { try await loop.sleep(for: Self.pollInterval) } catch { break }
        }
        wake.finish()
      }
      group.addTask(executorPreference: loop) {
        for await _ in wakes {
          do {
            _ = try await runOnce(deadline: .after(.seconds(60)))
          } catch {
            if !Task.isCancelled {
              runner.log.warning("triggers.waiting_failed", ["cause": .string(String(describing: error))])
            }
          }
        }
      }
      await group.waitForAll()
    }
  }

  /// Gives out what can be given out now.
  ///
  /// - Returns: how many tickets found an agent.
  /// - Throws: the database's errors as ``ServiceError``.
  func runOnce(deadline: Deadline) async throws -> Int {
    var count = 0
    for place in try await places(deadline) {
      let service = try await runner.ledger.directory.service(id: place.service, deadline: deadline)
      while true {
        let set = try await runner.store.active(of: service, deadline: deadline)
        guard let trigger = set.triggers.first(where: { $0.id == place.trigger }),
          trigger.actions.indices.contains(Int(place.resultIndex)),
          case .assign(_, let group, let agents) = trigger.actions[Int(place.resultIndex)]
        else {
          try await forget(place, deadline)
          break
        }
        guard agents.contains(where: { set.obstacle($0, in: group) == nil }) else { break }
        let tickets = try await oldest(place, deadline)
        for (ticket, sequence) in tickets {
          if try await give(ticket, sequence, trigger, place, service, set) { count += 1 }
        }
        if tickets.count < Self.batchMax { break }
      }
    }
    return count
  }

  private func give(
    _ id: TicketID, _ sequence: Int32, _ trigger: ActiveTrigger, _ place: Place, _ service: ServiceRecord,
    _ set: TriggerSet
  ) async throws -> Bool {
    let deadline = Deadline.after(Self.passTimeout)
    let isWaiting: Query = """
      EXISTS (SELECT 1 FROM assignment_wait WHERE service_id = \(place.service) AND ticket_id = \(id)
        AND event_sequence = \(sequence) FOR UPDATE)
      """
    let end: Query = """
      DELETE FROM assignment_wait AS w USING changed AS c WHERE w.service_id = c.service_id AND w.ticket_id = c.id
      """
    let ticket = try await runner.ledger.ticket(id, of: place.service, deadline: deadline)
    guard ticket.state == .unassigned, !ticket.isSpam else {
      try await stopWaiting(id, of: place.service, deadline)
      return false
    }
    let context = PassContext(
      ticket: ticket, service: service, set: set, cause: .changed, causeSequence: sequence)
    let index = Int(place.resultIndex)
    let outcome = try await runner.write(context, deadline: deadline, guards: [isWaiting], then: [end]) {
      plan, takeTurn in
      _ = try await plan.assignWaiting(trigger, resultIndex: index, takeTurn)
    }
    guard case .written = outcome else { return false }
    served.with().add()
    return true
  }

  private func places(_ deadline: Deadline) async throws -> [Place] {
    try await query(
      """
      SELECT DISTINCT w.service_id, w.trigger_id, w.result_index FROM assignment_wait AS w
      ORDER BY w.service_id, w.trigger_id, w.result_index LIMIT 1000
      """, deadline
    ).map { Place(service: try $0.value(0), trigger: try $0.value(1), resultIndex: try $0.value(2)) }
  }

  private func oldest(_ place: Place, _ deadline: Deadline) async throws -> [(TicketID, Int32)] {
    try await query(
      """
      SELECT w.ticket_id, w.event_sequence FROM assignment_wait AS w
      WHERE w.service_id = \(place.service) AND w.trigger_id = \(place.trigger)
        AND w.result_index = \(place.resultIndex)
      ORDER BY w.create_time, w.ticket_id LIMIT \(Self.batchMax)
      """, deadline
    ).map { (try $0.value(0), try $0.value(1)) }
  }

  private func stopWaiting(_ ticket: TicketID, of service: ServiceID, _ deadline: Deadline) async throws {
    _ = try await query(
      "DELETE FROM assignment_wait WHERE service_id = \(service) AND ticket_id = \(ticket)", deadline)
  }

  private func forget(_ place: Place, _ deadline: Deadline) async throws {
    _ = try await query(
      """
      DELETE FROM assignment_wait WHERE service_id = \(place.service) AND trigger_id = \(place.trigger)
        AND result_index = \(place.resultIndex)
      """, deadline)
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await runner.ledger.pool.query(query, deadline: deadline) }
  }
}
