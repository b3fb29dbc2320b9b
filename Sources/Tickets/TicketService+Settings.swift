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
    let ofOrganization = update.paths.intersection(ServiceUpdate.organizationPaths)
    let standing = try await standing(in: update.name, asksOrganization: !ofOrganization.isEmpty, call)
    if !ofOrganization.isEmpty { try standing.requireOrganizationAdministrator() }
    if update.paths != ofOrganization { try standing.requireAdministrator() }
    let change = SettingChange(
      of: standing.service.id, by: try call.agent(), .service(standing.service.id), update.paths, seen: update.version)
    return Service(try await store.update(update, change, deadline: call.deadline))
  }
}
