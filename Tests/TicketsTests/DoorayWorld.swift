import Foundation
import HandoffAPI
import HandoffTestKit
import Masking
import RPC
import ServiceKit
import TicketLedger

@testable import Tickets

/// Tickets with masking and a Dooray! beside it.
final class DoorayWorld {
  let world: TicketWorld
  let fake: FakeDooray
  let dooray: DoorayClient
  let service: TicketService
  let client: TicketServiceClient
  /// Masking as agents call it, through the gateway.
  let masking: MaskingServiceClient

  /// - Parameter isMaskingReachable: false: masking's address is a socket that nobody listens on.
  init(isMaskingReachable: Bool = true) async throws {
    world = try await TicketWorld()
    fake = try FakeDooray()
    dooray = DoorayClient(address: try DoorayAddress(fake.url))
    let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    let masking = MaskingService(
      ledger: try TicketWorld.ledger(world.database, role: "handoff_masking"),
      keys: try VaultKeys(directory: directory, metrics: Metrics()))
    try FileManager.default.removeItem(atPath: directory)
    self.masking = MaskingServiceClient(
      InProcessTransport(
        group: TestLoops.group, services: [masking.rpcService], interceptors: [CallsFrom(name: "gateway")]))
    let way: any RPCTransport =
      isMaskingReachable
      ? InProcessTransport(
        group: TestLoops.group, services: [masking.rpcService], interceptors: [CallsFrom(name: "tickets")])
      : TicketWorld.nowhere
    service = TicketService(
      ledger: world.ledger, mail: world.mail, assignment: TicketWorld.nowhere, masking: way, dooray: dooray)
    client = TicketWorld.client(service)
  }

  deinit { dooray.shutdown() }

  var boss: CallOptions { world.by(TicketWorld.boss) }

  func organization(
    _ token: String = "tenant-token", doorayID: String = FakeDooray.organization
  ) async throws -> DoorayOrganization {
    try await client.createDoorayOrganization(
      CreateDoorayOrganizationRequest(
        parent: "services/care",
        organization: DoorayOrganization(displayName: "본사", doorayId: doorayID, token: token)), boss)
  }

  func project(
    in organization: DoorayOrganization, doorayID: String, representative: String = ""
  ) async throws -> DoorayProject {
    try await client.createDoorayProject(
      CreateDoorayProjectRequest(
        parent: "services/care",
        project: DoorayProject(
          organization: organization.name, displayName: "고객 지원", doorayId: doorayID,
          address: "https://shop.dooray.com/project/\(doorayID)", representative: representative)), boss)
  }

  func setKey(
    _ key: String, of agent: AgentID, in organization: DoorayOrganization, by caller: AgentID = TicketWorld.boss
  ) async throws {
    _ = try await client.setDoorayUserKey(
      SetDoorayUserKeyRequest(name: "\(organization.name)/userKeys/\(agent)", key: key), world.by(caller))
  }

  func verify(_ organization: DoorayOrganization) async throws -> VerifyDoorayConnectionResponse {
    try await client.verifyDoorayConnection(VerifyDoorayConnectionRequest(name: organization.name), boss)
  }

  func problems(_ organization: DoorayOrganization) async throws -> [DoorayFinding.Problem] {
    try await verify(organization).findings.map(\.problem)
  }
}
