import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Tells who masked, unmasked and saw what in a service, the newest first; for its administrators.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID, PAGE_TOKEN_INVALID.
  package func listMaskingActs(
    _ request: ListMaskingActsRequest, _ call: CallContext
  ) async throws -> ListMaskingActsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.administrator)
    var filter = MaskActStore.Filter(service: access.service.id)
    filter.agent = try AgentName.optional(request.agent, field: "agent")?.id
    filter.act = MaskAct(number: request.act.rawValue)
    guard filter.act != nil || request.act.rawValue == 0 else {
      throw ServiceError.invalid("act", "is not a known act")
    }
    filter.start = request.startTime.map { Instant($0) }
    filter.end = request.endTime.map { Instant($0) }
    let scope =
      "acts/\(name)/\(request.agent)/\(request.act.rawValue)/\(filter.start?.microsecondsSinceEpoch ?? 0)"
      + "/\(filter.end?.microsecondsSinceEpoch ?? 0)"
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50, scope: scope, key: ledger.key.pages)
    let found = try await MaskActStore(pool: store.pool).acts(
      filter, before: page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    return ListMaskingActsResponse(
      acts: shown.map { message($0, name) },
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  private func message(_ record: MaskActStore.Record, _ service: ServiceName) -> MaskingAct {
    let ticket = TicketName(service: service.code, id: record.ticket)
    // A reason whose key is lost is no reason to hide who acted.
    let reason = record.sealedReason.flatMap { sealed in
      record.masks.first.flatMap { try? keys.open(reason: sealed, keyID: record.keyID, of: $0, record.act) }
    }
    return MaskingAct(
      ticket: ticket.description, act: MaskingAct.Act(rawValue: record.act.number),
      agent: record.agent.map { AgentName(id: $0).description } ?? "",
      masks: record.masks.map { MaskName(ticket: ticket, id: $0).description }, reason: reason ?? "",
      createTime: Timestamp(record.createTime))
  }
}

extension Instant {
  fileprivate init(_ time: Timestamp) {
    self.init(microsecondsSinceEpoch: time.seconds &* 1_000_000 &+ Int64(time.nanos) / 1_000)
  }
}
