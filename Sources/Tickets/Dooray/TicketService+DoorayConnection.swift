package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Looks whether an organization's token, its projects and the agents' keys work.
  ///
  /// What is wrong is told in the answer and is no error of the call.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, BACKEND_UNAVAILABLE (masking), PERMISSION_DENIED, REQUEST_INVALID.
  package func verifyDoorayConnection(
    _ request: VerifyDoorayConnectionRequest, _ call: CallContext
  ) async throws -> VerifyDoorayConnectionResponse {
    let name = try DoorayOrganizationName(request.name, field: "name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.administrator)
    guard let client = dooray.client else { throw ServiceError(.backendUnavailable) }
    let organization = try await dooray.store.organization(name.id, of: access.service.id, deadline: call.deadline)
    let findings = try await DoorayInspection(
      dooray: dooray, client: client.lane(of: organization.id), service: access.service, organization: organization,
      deadline: call.deadline
    ).findings()
    let works = findings.allSatisfy { $0.problem == .unspecified }
    return VerifyDoorayConnectionResponse(works: works, findings: findings)
  }
}
