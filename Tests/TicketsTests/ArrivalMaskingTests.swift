import Foundation
import HandoffAPI
import HandoffTestKit
import Masking
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// Tickets with masking beside it, in services that mask on arrival.
private struct ArrivalWorld {
  let world: TicketWorld
  let client: TicketServiceClient
  let masking: MaskingServiceClient

  /// - Parameter isMaskingReachable: false: masking's address is a socket that nobody listens on.
  init(isMaskingReachable: Bool) async throws {
    world = try await TicketWorld()
    let directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    let service = MaskingService(
      ledger: try TicketWorld.ledger(world.database, role: "handoff_masking"),
      keys: try VaultKeys(directory: directory, metrics: Metrics()))
    try FileManager.default.removeItem(atPath: directory)
    func transport(_ caller: String) -> InProcessTransport {
      InProcessTransport(
        group: TestLoops.group, services: [service.rpcService], interceptors: [CallsFrom(name: caller)])
    }
    masking = MaskingServiceClient(transport("gateway"))
    client = TicketWorld.client(
      TicketService(
        ledger: world.ledger, mail: world.mail, assignment: TicketWorld.nowhere,
        masking: isMaskingReachable ? transport("tickets") : TicketWorld.nowhere))
    try await world.run("INSERT INTO masking_setting (service_id, detection) SELECT id, 'AUTOMATIC' FROM service")
  }

  func create(_ text: String, title: String = "문의", requestID: String = "") async throws -> Ticket {
    let request = CreateTicketRequest(
      parent: "services/care", title: title, text: text, channel: .helpCenter, requestId: requestID)
    return try await client.createTicket(request, world.by("mail"))
  }

  func entries(_ ticket: String) async throws -> [Entry] {
    try await client.listEntries(ListEntriesRequest(parent: ticket), world.by(TicketWorld.kim)).entries
  }
}

@Suite("Masking on arrival")
struct ArrivalMaskingTests {
  @Test("what a customer writes is masked before it is stored, can be brought back, and leaves the history intact")
  func create() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    let text = "제 번호는 010-0000-1234이고 카드는 4000-0000-0000-0002입니다."
    let ticket = try await world.create(text, title: "010-0000-1234 문의")
    #expect(ticket.title == "************* 문의" && ticket.titleMasks.count == 1)
    let entry = try await world.entries(ticket.name)[0]
    #expect(entry.text == "제 번호는 *************이고 카드는 *******************입니다.")
    #expect(entry.masks.count == 2)
    let clear = try await world.world.count(
      "SELECT count(*) FROM ticket_entry AS e, ticket AS t WHERE (e::text || t::text) LIKE '%0000-1234%'")
    #expect(clear == 0)
    let verified = VerifyHistoryRequest(name: ticket.name)
    #expect(try await world.client.verifyHistory(verified, world.world.by(TicketWorld.kim)).intact)
    for mask in entry.masks {
      _ = try await world.masking.unmaskText(
        UnmaskTextRequest(name: mask.name, reason: "통화"), world.world.by(TicketWorld.kim))
    }
    #expect(try await world.entries(ticket.name)[0].text == text)
    #expect(try await world.client.verifyHistory(verified, world.world.by(TicketWorld.kim)).intact)
    #expect(try await world.world.count("SELECT count(*) FROM mask_act WHERE act = 'MASK_ON_ARRIVAL'") == 1)
  }

  @Test("a customer's reply is masked, too, and a repeated request is answered as the first was")
  func reply() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    let ticket = try await world.create("세탁기가 고장났어요", requestID: "one")
    let request = AppendInquiryRequest(parent: ticket.name, text: "메일은 hong@example.com 입니다", requestId: "two")
    let first = try await world.client.appendInquiry(request, world.world.by("mail"))
    #expect(first.text == "메일은 **************** 입니다" && first.masks.count == 1)
    let again = try await world.client.appendInquiry(request, world.world.by("mail"))
    #expect(again.name == first.name)
    #expect(try await world.world.count("SELECT count(*) FROM mask") == 1)
  }

  @Test("with masking out of reach, an inquiry with personal data is refused and one without is taken")
  func unreachable() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: false)
    let before = try await world.world.count("SELECT count(*) FROM ticket")
    #expect(await refusal { try await world.create("010-0000-1234") }?.reason == .backendUnavailable)
    #expect(try await world.world.count("SELECT count(*) FROM ticket") == before)
    #expect(try await !world.create("번호는 없어요").name.isEmpty)
  }
}
