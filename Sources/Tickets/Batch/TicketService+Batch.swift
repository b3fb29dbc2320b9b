import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Orders one act on many tickets.
  ///
  /// An answer with banned words is refused at once; everything else is a result of its ticket.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, TYPE_NOT_FOUND, GROUP_NOT_FOUND, TEXT_REQUIRED,
  ///   REASON_NOT_ALLOWED, BANNED_WORDS, LIMIT_REACHED, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func createBatch(_ request: CreateBatchRequest, _ call: CallContext) async throws -> Batch {
    let order = try BatchOrder(request)
    let access = try await ledger.access(call, serviceCode: order.parent.code)
    let creator = try access.agent().agentID
    try access.require(.ticket)
    switch order.act {
    case .forward: try access.require(.forward)
    case .complete, .restore: try access.require(.administrator)
    case .resolve, .hold, .comment, .resolveInternally, .update: break
    }
    let claim = try claim(of: request, request.requestId, call, access)
    if let claim, let made = try await batches.earlier(claim, by: creator, deadline: call.deadline) {
      return try await message(for: try await batches.batch(made.id, of: made.service, deadline: call.deadline), call)
    }
    try await batches.requireNamed(order, of: access.service.id, deadline: call.deadline)
    try await refuseBannedWords(order, access.service, call)
    let id = try await batches.insert(
      order, of: access.service.id, by: creator, claim: claim, deadline: call.deadline)
    guard let id else {
      // The same request was carried out while this one was on its way.
      guard let claim, let made = try await batches.earlier(claim, by: creator, deadline: call.deadline) else {
        throw ServiceError(.conflict)
      }
      return try await message(for: try await batches.batch(made.id, of: made.service, deadline: call.deadline), call)
    }
    await batches.announce(deadline: call.deadline)
    return try await message(
      for: try await batches.batch(id, of: access.service.id, deadline: call.deadline), call)
  }

  /// Returns a batch: to who ordered it, and to administrators.
  ///
  /// - Throws: BATCH_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getBatch(_ request: GetBatchRequest, _ call: CallContext) async throws -> Batch {
    try await message(for: try await batch(request.name, "name", call).1, call)
  }

  /// Lists the batches of a service, newest first: the caller's own, and to administrators everybody's.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listBatches(_ request: ListBatchesRequest, _ call: CallContext) async throws -> ListBatchesResponse {
    let (parent, size) = try Self.listed(request.parent, request.pageSize, sizeDefault: 50, of: ServiceName.self)
    let access = try await ledger.access(call, serviceCode: parent.code)
    try access.require(.ticket)
    let member = try access.agent()
    let creator = member.role == .administrator ? nil : member.agentID
    let page = try PageRequest(
      request.pageToken, size: size, scope: "ListBatches \(parent) \(creator.map { $0.description } ?? "")",
      key: ledger.key.pages)
    let found = try await batches.batches(
      of: access.service.id, by: creator, before: page.after == 0 ? nil : BatchID(page.after), limit: page.size + 1,
      deadline: call.deadline)
    var shown: [Batch] = []
    for batch in found.prefix(page.size) { shown.append(try await message(for: batch, call)) }
    let last = found.count > page.size ? found[page.size - 1] : nil
    return ListBatchesResponse(batches: shown, nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Cancels a batch; one that has ended stays as it is.
  ///
  /// - Throws: BATCH_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func cancelBatch(_ request: CancelBatchRequest, _ call: CallContext) async throws -> Batch {
    let (access, batch) = try await batch(request.name, "name", call)
    try await batches.cancel(batch, deadline: call.deadline)
    return try await message(
      for: try await batches.batch(batch.id, of: access.service.id, deadline: call.deadline), call)
  }

  /// Lists what became of a batch's tickets.
  ///
  /// - Throws: BATCH_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listBatchResults(
    _ request: ListBatchResultsRequest, _ call: CallContext
  ) async throws -> ListBatchResultsResponse {
    var check = RequestCheck()
    check.name(request.parent, "parent", BatchName.self)
    let outcome: BatchOutcome? = check.choice(request.outcome.rawValue, "outcome", unspecified: nil)
    let size = check.pageSize(request.pageSize, sizeDefault: 100)
    try check.done()
    let (access, batch) = try await batch(request.parent, "parent", call)
    let page = try PageRequest(
      request.pageToken, size: size, scope: "ListBatchResults \(request.parent) \(request.outcome.rawValue)",
      key: ledger.key.pages)
    let found = try await batches.items(
      of: batch, outcome: outcome, after: Int32(clamping: page.after), limit: page.size + 1, deadline: call.deadline)
    let last = found.count > page.size ? found[page.size - 1] : nil
    return ListBatchResultsResponse(
      results: found.prefix(page.size).map { $0.result(in: access.service) },
      nextPageToken: last.map { page.token(after: Int64($0.number)) } ?? "")
  }

  private func batch(_ text: String, _ field: String, _ call: CallContext) async throws -> (Access, BatchRecord) {
    let name = try BatchName(text, field: field)
    do {
      let access = try await ledger.access(call, serviceCode: name.service)
      try access.require(.ticket)
      let member = try access.agent()
      let batch = try await batches.batch(name.id, of: access.service.id, deadline: call.deadline)
      guard batch.creator == member.agentID || member.role == .administrator else {
        throw ServiceError(.batchNotFound)
      }
      return (access, batch)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.batchNotFound)
    }
  }

  private func message(for batch: BatchRecord, _ call: CallContext) async throws -> Batch {
    let service = try await ledger.directory.service(id: batch.serviceID, deadline: call.deadline)
    let creator = try await ledger.directory.agent(batch.creator, deadline: call.deadline)
    return batch.message(in: service, creatorDisplayName: creator?.displayName ?? "")
  }

  /// The text is the same for all tickets, and so are its banned words.
  private func refuseBannedWords(_ order: BatchOrder, _ service: ServiceRecord, _ call: CallContext) async throws {
    guard order.act == .resolve || order.act == .hold else { return }
    guard let ticket = try await batches.someTicket(of: order, service.id, deadline: call.deadline) else { return }
    do {
      let name = TicketName(service: service.code, id: ticket)
      _ = try await preparedAnswer(
        order.act == .resolve ? .resolve : .hold, name, order.text, call.onward())
    } catch let error as ServiceError where error.reason == .bannedWords {
      throw error
    } catch {
      // Whatever else is wrong with this ticket is its own result.
    }
  }
}
