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
  /// The way from tickets to masking.
  let maskingWay: any RPCTransport
  private let keys: VaultKeys
  private let keysDirectory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"

  /// - Parameter isMaskingReachable: false: masking's address is a socket that nobody listens on.
  init(isMaskingReachable: Bool = true) async throws {
    world = try await TicketWorld()
    fake = try FakeDooray()
    dooray = DoorayClient(address: try DoorayAddress(fake.url))
    keys = try VaultKeys(directory: keysDirectory, metrics: Metrics())
    let masking = MaskingService(
      ledger: try TicketWorld.ledger(world.database, role: "handoff_masking"), keys: keys)
    self.masking = MaskingServiceClient(
      InProcessTransport(
        group: TestLoops.group, services: [masking.rpcService], interceptors: [CallsFrom(name: "gateway")]))
    maskingWay =
      isMaskingReachable
      ? InProcessTransport(
        group: TestLoops.group, services: [masking.rpcService], interceptors: [CallsFrom(name: "tickets")])
      : TicketWorld.nowhere
    service = TicketService(
      ledger: world.ledger, mail: world.mail, assignment: TicketWorld.nowhere, masking: maskingWay, dooray: dooray)
    client = TicketWorld.client(service)
  }

  deinit {
    dooray.shutdown()
    try? FileManager.default.removeItem(atPath: keysDirectory)
  }

  /// Gives masking another key.
  func addKey(_ id: String) throws {
    let path = "\(keysDirectory)/\(id).key"
    try Data((0..<32).map { _ in UInt8.random(in: 0...255) }).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try keys.reload()
  }

  /// Takes one of masking's keys away.
  func removeKey(_ id: String) throws {
    try FileManager.default.removeItem(atPath: "\(keysDirectory)/\(id).key")
    try keys.reload()
  }

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
