import EventLoop
import ServiceKit
import TicketLedger

/// A comment that is to be sent.
struct DoorayCommentPiece: DoorayPiece {
  let task: DoorayTaskRecord
  let agent: AgentID
  private let comment: DoorayCommentRecord
  private let service: TicketService

  private var store: DoorayStore { service.dooray.store }

  /// Reads the comment; nil when nothing is left to do for it.
  init?(_ id: DoorayCommentID, _ item: OutboxItem, _ service: TicketService) async throws {
    let store = service.dooray.store
    guard let comment = try await store.comment(id, of: item.serviceID, deadline: item.deadline),
      comment.state == .sending, let agent = comment.agentID,
      let task = try await store.task(comment.taskID, of: item.serviceID, deadline: item.deadline)
    else { return nil }
    self.comment = comment
    self.agent = agent
    self.task = task
    self.service = service
  }

  func send(with keyring: DoorayKeyring, _ deadline: Deadline) async throws {
    let (client, project) = (keyring.client, task.place(from: keyring.project))
    if let since = comment.sinceTry {
      let known = try await keyring.inTurn { token in
        try await client.comment(
          marked: comment.marker, onTask: task.doorayID, inProject: project, as: token, deadline: deadline)
      }
      if let known {
        _ = try await store.found(comment.marker, as: known, on: task, deadline: deadline)
        return
      }
      if since < DoorayDelivery.settleTime { throw DoorayUnsettled(wait: DoorayDelivery.settleTime - since) }
    }
    do {
      let id = try await keyring.inTurn { token -> String? in
        guard let body = try await store.beginSending(comment, of: task.serviceID, deadline: deadline) else {
          return nil
        }
        return try await client.comment(
          DoorayMarker.marked(body, comment.marker), onTask: task.doorayID, inProject: project, as: token,
          deadline: deadline)
      }
      guard let id else { return }
      _ = try await store.found(comment.marker, as: id, on: task, deadline: deadline)
    } catch let failure as DoorayFailure where !failure.isUnsure {
      try await store.takeBack(comment, of: task.serviceID, deadline: deadline)
      throw failure
    }
  }

  func fail(_ reason: String, _ deadline: Deadline) async throws {
    do {
      _ = try await service.ledger.perform(on: task.ticketID, of: task.serviceID, deadline: deadline) { _ in
        var event = EventDraft(.doorayCommentFailed, by: .dooray)
        event.notes = [CodeChange("dooray_comment", "", comment.id.description)]
        var change = TicketChange(event)
        change.isSilent = true
        change.guards = [DoorayStore.isSending(comment, of: task.serviceID)]
        change.attachments = [DoorayStore.failing(comment, reason)]
        return change
      }
    } catch let error as ServiceError where [.ticketNotFound, .conflict].contains(error.reason) {
      // The ticket was deleted, or the comment has turned up at Dooray! meanwhile.
    }
  }
}
