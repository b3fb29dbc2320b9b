package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Changes the settings of a service; other daemons follow within a second.
  ///
  /// - Throws: SERVICE_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateService(_ request: UpdateServiceRequest, _ call: CallContext) async throws -> Service {
    let update = try ServiceUpdate(request)
    let access = try await ledger.access(call, serviceCode: update.name.code)
    try access.require(.administrator)
    return Service(try await store.update(access.service.id, update, deadline: call.deadline))
  }
}
