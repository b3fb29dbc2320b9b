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
    let change = try SettingChange(
      access, .service(access.service.id), update.paths, seen: update.version)
    return Service(try await store.update(update, change, deadline: call.deadline))
  }
}
