import EventLoop
import Postgres
import ServiceKit
import Synchronization
import TicketLedger

/// Reads the change stream of one service once for all who watch it here.
///
/// It looks when it is told of new changes, and every few seconds in case nobody told; what it reads is put into the
/// watchers' queues. Counters are read at most once a second, for all watchers at once; so are their rights, when any
/// have changed. It works as long as anybody watches.
final class ServiceFeed: Sendable {
  /// How often a watcher hears that the stream is alive.
  static let heartbeatInterval: Duration = .seconds(15)

  private struct State {
    /// The watchers, each with the last change that it has had before it came.
    var watchers: [ObjectIdentifier: (watcher: LiveWatcher, since: ChangePosition)] = [:]
    /// The last change that was put into the queues; nil before the first watcher.
    var position: ChangePosition?
    var isClosed = false
    var due: Set<Duty> = []
  }

  /// What is to be done next, in this order.
  private enum Duty: CaseIterable {
    case checkRights, readChanges, countTickets, beat
  }

  private static let tickInterval: Duration = .seconds(1)
  private static let ticksPerLook = 5
  private static let ticksPerRightsCheck = 30
  // The last day's edge moves with every minute.
  private static let ticksPerCount = 60
  private static let timeout: Duration = .seconds(30)

  let service: ServiceRecord
  private let ledger: TicketLedger
  private let failed: @Sendable (any Error) -> Void
  private let state = Mutex(State())
  private let bell: AsyncStream<Void>
  private let ringer: AsyncStream<Void>.Continuation

  init(_ service: ServiceRecord, ledger: TicketLedger, failed: @escaping @Sendable (any Error) -> Void) {
    self.service = service
    self.ledger = ledger
    self.failed = failed
    (bell, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Lets a watcher in who has had everything up to a change.
  ///
  /// - Returns: true when all that follows comes through its queue; false when the feed is further than the watcher,
  ///   who reads on by itself and tries again.
  /// - Throws: BACKEND_UNAVAILABLE when the feed is closed.
  func admit(_ watcher: LiveWatcher, after position: ChangePosition) throws(ServiceError) -> Bool {
    let admitted = state.withLock { state -> Bool? in
      if state.isClosed { return nil }
      if let own = state.position, own.epoch == position.epoch, own.number > position.number { return false }
      if state.position == nil { state.position = position }
      state.watchers[ObjectIdentifier(watcher)] = (watcher, position)
      state.due.insert(.readChanges)
      if watcher.wantsCounters { state.due.insert(.countTickets) }
      return true
    }
    guard let admitted else { throw Self.ending }
    if admitted { ringer.yield() }
    return admitted
  }

  /// Checks that who still reads what was there before may go on.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED; BACKEND_UNAVAILABLE when the feed is closed.
  func check(_ watcher: LiveWatcher) async throws {
    if state.withLock({ $0.isClosed }) { throw Self.ending }
    if let refusal = try await refusals(of: [watcher]).first { throw refusal.error }
  }

  /// A watcher has left.
  func dismiss(_ watcher: LiveWatcher) {
    state.withLock { _ = $0.watchers.removeValue(forKey: ObjectIdentifier(watcher)) }
  }

  /// Tells all watchers that this process is ending.
  func close() {
    let watchers = state.withLock { state in
      state.isClosed = true
      return state.watchers.values.map(\.watcher)
    }
    for watcher in watchers { watcher.queue.cut(Self.ending) }
  }

  /// What watchers are told when this process is ending.
  static var ending: ServiceError {
    ServiceError(.backendUnavailable, "this server is ending; watch again behind the last change that you have")
  }

  /// Works on `loop` until cancelled.
  func run(on loop: EventLoop) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { [self] in
        for await _ in ledger.pool.listen(channel: ChangeSequencer.channel(of: service.id)) { want([.readChanges]) }
      }
      group.addTask(executorPreference: loop) { [self] in
        for await _ in ledger.pool.listen(channel: TicketLedger.rightsChannel) { want([.checkRights, .countTickets]) }
      }
      group.addTask(executorPreference: loop) { [self] in await tick(on: loop) }
      group.addTask(executorPreference: loop) { [self] in
        var lastCount: MonotonicTime?
        for await _ in bell { await work(&lastCount, loop) }
      }
      await group.waitForAll()
    }
  }

  private func want(_ duties: Set<Duty>) {
    state.withLock { $0.due.formUnion(duties) }
    ringer.yield()
  }

  private func tick(on loop: EventLoop) async {
    let ticksPerBeat = Int(Self.heartbeatInterval / Self.tickInterval)
    var number = 0
    while !Task.isCancelled {
      do { try await loop.sleep(for: Self.tickInterval) } catch { break }
      number += 1
      var duties: Set<Duty> = []
      if number % Self.ticksPerLook == 0 { duties.insert(.readChanges) }
      if number % Self.ticksPerCount == 0 { duties.insert(.countTickets) }
      if number % Self.ticksPerRightsCheck == 0 { duties.insert(.checkRights) }
      if number % ticksPerBeat == 0 { duties.insert(.beat) }
      want(duties)
    }
    ringer.finish()
  }

  /// Does what is due. Rights come first: whoever has lost them gets nothing of what follows.
  private func work(_ lastCount: inout MonotonicTime?, _ loop: EventLoop) async {
    var due = state.withLock { state in
      defer { state.due = [] }
      return state.due
    }
    for duty in Duty.allCases where due.contains(duty) {
      do {
        switch duty {
        case .checkRights: try await checkRights()
        case .readChanges: if try await readChanges() { due.insert(.countTickets) }
        case .beat: beat()
        case .countTickets:
          if let lastCount, loop.now.since(lastCount) < Self.tickInterval {
            // Not yet again; the tick comes.
            state.withLock { _ = $0.due.insert(duty) }
          } else {
            lastCount = loop.now
            try await countTickets()
          }
        }
      } catch {
        if Task.isCancelled { return }
        state.withLock { _ = $0.due.insert(duty) }
        failed(error)
      }
    }
  }

  /// - Returns: whether there was any.
  private func readChanges() async throws -> Bool {
    var isNew = false
    while let position = state.withLock({ $0.position }) {
      let changes: [NumberedChange]
      do {
        changes = try await ledger.changes(of: service, after: position, deadline: .after(Self.timeout))
      } catch let error as ServiceError where error.reason == .changesNotKept {
        // This process was away from the database for longer than changes are kept.
        cutAll(error)
        return isNew
      }
      guard let last = changes.last else { return isNew }
      isNew = true
      state.withLock { state in
        state.position = last.position
        for (watcher, since) in state.watchers.values {
          for change in changes where change.position.number > since.number { watcher.tell(change) }
        }
      }
      if changes.count < TicketLedger.changesMax { break }
    }
    return isNew
  }

  private func countTickets() async throws {
    let watchers = state.withLock { state in state.watchers.values.map(\.watcher).filter(\.wantsCounters) }
    guard !watchers.isEmpty else { return }
    let agents = Array(Set(watchers.compactMap(\.agent)))
    let (board, own) = try await ledger.counters(of: service, for: agents, deadline: .after(Self.timeout))
    for watcher in watchers { watcher.tell(watcher.agent.flatMap { own[$0] } ?? board) }
  }

  private func checkRights() async throws {
    let watchers = state.withLock { state in state.watchers.values.map(\.watcher) }
    for (watcher, error) in try await refusals(of: watchers) { watcher.queue.cut(error) }
  }

  /// Who of some may not watch, and why.
  private func refusals(of watchers: [LiveWatcher]) async throws -> [(watcher: LiveWatcher, error: ServiceError)] {
    let agents = Array(Set(watchers.compactMap(\.agent)))
    guard !agents.isEmpty else { return [] }
    let members = try await ledger.directory.currentMembers(agents, of: service.id, deadline: .after(Self.timeout))
    return watchers.compactMap { watcher in
      guard let agent = watcher.agent else { return nil }
      do throws(ServiceError) {
        guard let member = members[agent], member.isActive else { throw ServiceError(.serviceNotFound) }
        try Access(actor: .agent(agent), service: service, member: member).require(.ticket)
        return nil
      } catch {
        return (watcher, error)
      }
    }
  }

  private func beat() {
    state.withLock { state in
      guard let position = state.position else { return }
      for (watcher, since) in state.watchers.values {
        watcher.queue.put(.heartbeat(since.number > position.number ? since : position))
      }
    }
  }

  private func cutAll(_ error: ServiceError) {
    let watchers = state.withLock { state in
      // The next watcher says where to go on.
      state.position = nil
      defer { state.watchers = [:] }
      return state.watchers.values.map(\.watcher)
    }
    for watcher in watchers { watcher.queue.cut(error) }
  }
}
