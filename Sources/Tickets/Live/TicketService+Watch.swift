import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

/// How long one question to the database may take; the call itself has no end.
private let stepTime: Duration = .seconds(30)
/// How long who catches up reads on before the right to is asked for again.
private let checkInterval: Duration = .seconds(1)

extension TicketService {
  /// How long a stream goes on before its watcher is asked to resume, varied by a tenth: so copies of this service that
  /// come and go get their share.
  static let watchTimeMax: Duration = .seconds(3600)

  /// Tells what changes in a service until the caller leaves.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TICKET_NOT_FOUND, PERMISSION_DENIED, CHANGES_NOT_KEPT, READER_TOO_SLOW,
  ///   BACKEND_UNAVAILABLE, REQUEST_INVALID.
  package func watchTickets(
    _ request: WatchTicketsRequest, _ responses: ResponseWriter<WatchTicketsResponse>, _ call: CallContext
  ) async throws {
    let order = try WatchOrder(request)
    let access = try await ledger.access(try call.actor(), serviceCode: order.parent.code, deadline: .after(stepTime))
    try access.require(.ticket)
    if let ticket = order.ticket { _ = try await ledger.ticket(ticket, access: access, deadline: .after(stepTime)) }
    let watcher = LiveWatcher(agent: access.member?.agentID, ticket: order.ticket?.id, wantsCounters: order.counters)
    let ends = Deadline.after(Self.watchTimeMax * Double.random(in: 0.9...1.1))
    try await live.withFeed(of: access.service) { feed in
      let begin = try await start(order, access.service)
      try await responses.send(WatchTicketsResponse(update: .heartbeat(Heartbeat(id: begin.description))))
      try await catchUp(watcher, feed, from: begin, until: ends, responses)
      defer { feed.dismiss(watcher) }
      while !ends.hasPassed {
        let piece = try await watcher.queue.next()
        try await responses.send(WatchTicketsResponse(piece))
      }
    }
  }

  /// Where the stream begins.
  private func start(_ order: WatchOrder, _ service: ServiceRecord) async throws -> ChangePosition {
    let last = try await ledger.lastChange(of: service.id, deadline: .after(stepTime))
    guard let place = order.resumeAfter else { return last }
    guard place.epoch == last.epoch, place.number <= last.number else { throw ServiceError(.changesNotKept) }
    return place
  }

  /// Sends what is in the log already, as fast as the caller takes it, until the feed can take over, or time is over.
  private func catchUp(
    _ watcher: LiveWatcher, _ feed: ServiceFeed, from begin: ChangePosition, until ends: Deadline,
    _ responses: ResponseWriter<WatchTicketsResponse>
  ) async throws {
    var position = begin
    var checked = Deadline.after(checkInterval)
    var last = try await ledger.lastChange(of: feed.service.id, deadline: .after(stepTime))
    while true {
      while position.number < last.number {
        let changes = try await ledger.changes(of: feed.service, after: position, deadline: .after(stepTime))
        guard let end = changes.last else { throw ServiceError(.changesNotKept) }
        for change in changes where watcher.ticket == nil || watcher.ticket == change.ticketID {
          if ends.hasPassed { return }
          if checked.hasPassed {
            try await feed.check(watcher)
            checked = .after(checkInterval)
          }
          try await responses.send(WatchTicketsResponse(.change(change)))
        }
        position = end.position
      }
      if try feed.admit(watcher, after: position) { return }
      // The feed has told others of changes that came meanwhile.
      last = try await ledger.lastChange(of: feed.service.id, deadline: .after(stepTime))
    }
  }
}

/// What a request to watch asks for, checked as far as that goes without the database.
private struct WatchOrder {
  let parent: ServiceName
  let ticket: TicketName?
  let resumeAfter: ChangePosition?
  let counters: Bool

  init(_ request: WatchTicketsRequest) throws(ServiceError) {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    ticket = check.optionalName(request.ticket, "ticket")
    resumeAfter =
      request.resumeAfter.isEmpty
      ? nil
      : check.value("resume_after") { () throws(ServiceError) in
        try ChangePosition(request.resumeAfter, field: "resume_after")
      }
    try check.done()
    parent = try ServiceName(request.parent, field: "parent")
    counters = request.counters
    if let ticket, ticket.service != parent.code { throw ServiceError(.ticketNotFound) }
  }
}

extension WatchTicketsResponse {
  fileprivate init(_ piece: LivePiece) {
    switch piece {
    case .change(let change): self.init(update: .change(change.message))
    case .counters(let counters): self.init(update: .counters(Counters(counters)))
    case .heartbeat(let position): self.init(update: .heartbeat(Heartbeat(id: position.description)))
    }
  }
}
