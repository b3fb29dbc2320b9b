import HandoffAPI
import RPC

extension DemoStory {
  static let noticeText = "시스템 점검 공지: 오늘 22시부터 10분간 배송 조회가 느릴 수 있습니다."

  /// The administrator watches the service while a batch notes something on several of its tickets; every change is
  /// seen as it happens.
  func watchBatch(_ administrator: Person) async throws {
    step("\(administrator.agent.displayName) watches the service live, and orders a batch")
    let listed = try await client.api.listTickets(
      ListTicketsRequest(parent: service, state: .processing, pageSize: 10), options(administrator)
    ).tickets.map(\.name)
    try expect(!listed.isEmpty, "\(service) has no ticket in PROCESSING")
    let stream = try await client.api.watchTickets(WatchTicketsRequest(parent: service), options(administrator))
    var pieces = stream.makeAsyncIterator()
    guard case .heartbeat(let begin)? = try await pieces.next()?.update else {
      throw DemoFailure("the stream did not begin with a heartbeat")
    }
    show("HandoffService.WatchTickets \(service) → from change \(begin.id) on")
    let missing = "\(service)/tickets/1"
    let batch = try await client.api.createBatch(
      CreateBatchRequest(
        parent: service, batch: Batch(act: .comment, text: Self.noticeText), tickets: listed + [missing]),
      options(administrator))
    show("HandoffService.CreateBatch  COMMENT on \(batch.ticketCount) tickets, one of which does not exist")
    var open = Set(listed)
    while !open.isEmpty, let piece = try await pieces.next() {
      guard case .change(let change)? = piece.update, change.events.contains(where: { $0.code == "COMMENTED" }),
        open.remove(change.name) != nil
      else { continue }
      show("live: change \(change.id), COMMENTED on \(change.name), version \(change.version)")
    }
    try expect(open.isEmpty, "the stream ended before \(open.count) of the comments")
    let ended = try await wait("\(batch.name) did not end") {
      try await client.api.getBatch(GetBatchRequest(name: batch.name), options(administrator))
    } until: {
      $0.endTime != nil
    }
    try expect(
      Int(ended.succeededCount) == listed.count && ended.failedCount == 1,
      "\(ended.succeededCount) of the batch succeeded and \(ended.failedCount) failed")
    let failures = try await client.api.listBatchResults(
      ListBatchResultsRequest(parent: batch.name, outcome: .failed), options(administrator)
    ).results
    try expect(failures.map(\.ticket) == [missing], "the batch failed on other tickets")
    show(
      "GetBatch → \(ended.state.protoName ?? "?"), \(ended.succeededCount) done;"
        + " \(missing): \(failures.first?.reason ?? "")")
  }
}
