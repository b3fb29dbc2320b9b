import EventLoop
import Postgres
import RPC
import ServiceKit
import TicketLedger

/// Takes over what people have written on a task at Dooray!, each comment once; what Handoff has sent is known by its
/// marker, and what became of it is noted.
struct DoorayListening: Sendable {
  /// Comments beyond these pages are not caught up with.
  private static let pagesMax = 10
  /// Comments of one change.
  private static let changeMax = 20

  let look: DoorayLook
  let keyring: DoorayKeyring

  private var task: DoorayTaskRecord { look.task }
  private var store: DoorayStore { look.service.dooray.store }

  /// Reads the newest comments, back to a page of which all are known.
  ///
  /// - Throws: ``DoorayFailure``, `CancellationError`, and the database's errors; CONFLICT when the task is looked at
  ///   elsewhere meanwhile.
  func listen() async throws {
    var fresh: [DoorayLog] = []
    for page in 0..<Self.pagesMax {
      let (logs, mayBeMore) = try await keyring.inTurn { token in
        try await keyring.client.logs(
          onTask: task.doorayID, inProject: task.place(from: keyring.project), page: page, as: token,
          deadline: look.deadline)
      }
      let known = try await store.known(logs.map(\.id), on: task, deadline: look.deadline)
      let new = logs.filter { !known.contains($0.id) }
      fresh += new
      if !mayBeMore || new.isEmpty && !logs.isEmpty { break }
    }
    // A comment that came while pages were read moves others to the next page.
    var seen: Set<String> = []
    var remarks: [DoorayRemark] = []
    var names: [String: String] = [:]
    for log in fresh.reversed() where seen.insert(log.id).inserted {
      if let marker = DoorayMarker.marker(in: log.text),
        try await store.found(marker, as: log.id, on: task, deadline: look.deadline)
      {
        continue
      }
      if names[log.member] == nil { names[log.member] = try await name(of: log.member) }
      remarks.append(DoorayRemark(id: log.id, author: names[log.member] ?? "", text: Self.text(log.text)))
    }
    for start in stride(from: 0, to: remarks.count, by: Self.changeMax) {
      try await receive(Array(remarks[start..<min(start + Self.changeMax, remarks.count)]))
    }
  }

  private func receive(_ remarks: [DoorayRemark]) async throws {
    do {
      _ = try await look.service.ledger.perform(
        on: task.ticketID, of: look.owner.id, deadline: look.deadline
      ) { ticket in
        let remarks = try await hidden(remarks, on: ticket)
        var change = TicketChange(
          remarks.map { remark in
            var event = EventDraft(.doorayCommentReceived, by: .dooray)
            event.notes = [CodeChange("dooray_comment", "", remark.id)]
            return event
          })
        // Nobody else takes comments over while the task is looked at here.
        change.guards = [look.watch.isHeld]
        change.attachments = [DoorayStore.receiving(remarks, on: task)]
        return change
      }
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      // It was deleted.
    }
  }

  /// Remarks without what is masked on their ticket; at Dooray! they stand as they were written.
  private func hidden(_ remarks: [DoorayRemark], on ticket: TicketRecord) async throws -> [DoorayRemark] {
    guard ticket.hasMasks else { return remarks }
    let texts = try await MaskedWords(look.service.masking).hidden(
      remarks.map(\.text), on: TicketName(service: look.owner.code, id: ticket.id), CallOptions(deadline: look.deadline)
    )
    return zip(remarks, texts).map { DoorayRemark(id: $0.id, author: $0.author, text: $1) }
  }

  /// The name of a member; empty when Dooray! does not tell.
  private func name(of member: String) async throws -> String {
    guard DoorayMarker.isID(member) else { return "" }
    do {
      let name = try await look.service.dooray.name(ofMember: member, with: keyring, deadline: look.deadline)
      return String(Self.text(name).prefix(FieldLimits.customerNameCharactersMax))
    } catch let failure as DoorayFailure where !failure.isUnsure {
      return ""
    }
  }

  /// A text as it can be kept: in canonical form, its end cut off when it is very long.
  private static func text(_ text: String) -> String {
    let canonical = (try? CanonicalText.canonical(text, controls: .dropped)) ?? ""
    guard CanonicalText.count(canonical) > FieldLimits.replyCharactersMax else { return canonical }
    return String(String.UnicodeScalarView(canonical.unicodeScalars.prefix(FieldLimits.replyCharactersMax)))
  }
}
