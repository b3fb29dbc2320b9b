import Foundation
import HandoffAPI
import HandoffTestKit
import Masking
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// Tickets with masking beside it, in services that mask on arrival.
struct ArrivalWorld {
  let world: TicketWorld
  let client: TicketServiceClient
  let masking: MaskingServiceClient
  /// The way of Tickets to masking.
  let way: any RPCTransport

  /// - Parameter isMaskingReachable: false: masking's address is a socket that nobody listens on.
  init(isMaskingReachable: Bool) async throws {
    try self.init(try await TicketWorld(), isMaskingReachable)
    try await world.run("INSERT INTO masking_setting (service_id, detection) SELECT id, 'AUTOMATIC' FROM service")
  }

  /// The same with daemons that have read no settings yet.
  static func restarted(_ world: ArrivalWorld) throws -> ArrivalWorld { try Self(world.world, true) }

  private init(_ world: TicketWorld, _ isMaskingReachable: Bool) throws {
    self.world = world
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
    way = isMaskingReachable ? transport("tickets") : TicketWorld.nowhere
    client = TicketWorld.client(
      TicketService(
        ledger: try TicketWorld.ledger(world.database, role: "handoff_tickets"), mail: world.mail,
        assignment: TicketWorld.nowhere, masking: way))
  }

  func create(
    _ text: String, title: String = "문의", channel: Ticket.Channel = .helpCenter, requestID: String = ""
  ) async throws -> Ticket {
    let request = CreateTicketRequest(
      parent: "services/care", title: title, text: text, channel: channel, requestId: requestID)
    return try await client.createTicket(request, world.by("mail"))
  }

  func entries(_ ticket: String, by agent: AgentID = TicketWorld.kim) async throws -> [Entry] {
    try await client.listEntries(ListEntriesRequest(parent: ticket), world.by(agent)).entries
  }
}

@Suite("Masking on arrival")
struct ArrivalMaskingTests {
  @Test("what was masked in a ticket that a reply opened is kept out of the one before it, too")
  func before() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    try await world.world.run("UPDATE service SET reply_policy = 'NEW_TICKET'")
    let old = try await world.create("언제 오나요?")
    try await world.world.run("UPDATE ticket SET state = 'RESOLVED', resolve_time = now()")
    let reply = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: old.name, text: "제 번호는 010-0000-1234입니다."), world.world.by("mail"))
    #expect(!reply.name.hasPrefix("\(old.name)/") && reply.text == "제 번호는 *************입니다.")
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: old.name, act: .comment, text: "010-0000-1234로 전화함"),
      world.world.by(TicketWorld.kim))
    #expect(try await world.entries(old.name).last?.text == "*************로 전화함")
    #expect(try await world.world.count("SELECT count(*) FROM ticket_entry WHERE body LIKE '%0000-1234%'") == 0)
  }

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
    func firstTitle() async throws -> String? {
      try await world.client.listEvents(ListEventsRequest(parent: ticket.name), world.world.by(TicketWorld.kim))
        .events[0].changes.first { $0.field == "title" }?.after
    }
    #expect(try await firstTitle() == "************* 문의", "the first event keeps no copy of its own")
    for mask in entry.masks + ticket.titleMasks {
      _ = try await world.masking.unmaskText(
        UnmaskTextRequest(name: mask.name, reason: "통화"), world.world.by(TicketWorld.kim))
    }
    #expect(try await world.entries(ticket.name)[0].text == text)
    #expect(try await firstTitle() == "010-0000-1234 문의")
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
    #expect(try await world.world.count("SELECT count(*) FROM mask_place WHERE number = 0") == 1)
  }

  @Test("the chat and the form that a ticket comes with are masked before they are stored, and come back")
  func chatAndForm() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    try await world.world.run(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      VALUES (1, 61, 'memo', 'TEXT', 'CUSTOMER', '메모')
      """)
    try await world.world.run(
      "INSERT INTO field_placement (service_id, submission_type_id, field_id, position) VALUES (1, 1, 61, 1)")
    let said = ["무엇을 도와드릴까요?", "제 번호는 010-0000-1234예요"]
    let request = CreateTicketRequest(
      parent: "services/care", title: "채팅", text: "채팅 상담", channel: .chat,
      submissionType: "services/care/submissionTypes/1",
      fieldValues: [FieldValue(code: "memo", values: ["카드 4000-0000-0000-0002, 전화 010-0000-1234"])],
      transcript: said.map { TranscriptLine(speaker: .customer, text: $0, time: Timestamp(seconds: 1_800_000_000)) })
    let ticket = try await world.client.createTicket(request, world.world.by(TicketWorld.kim))
    let clear = try await world.world.count(
      """
      SELECT (SELECT count(*) FROM transcript_line WHERE body LIKE '%0000%')
        + (SELECT count(*) FROM ticket_field_value WHERE value LIKE '%0000%')
        + (SELECT count(*) FROM ticket_event_value WHERE after_text LIKE '%0000%')
      """)
    #expect(clear == 0)
    let kim = world.world.by(TicketWorld.kim)
    let masks = try await world.masking.listMasks(ListMasksRequest(parent: ticket.name), kim).masks
    #expect(masks.map { $0.span?.field } == ["transcript.2", "field.memo", "field.memo"])
    #expect(try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), kim).intact)
    func first() async throws -> String {
      try await world.world.rows("SELECT after_text FROM ticket_event_value WHERE field = 'field.memo'")[0].string(0)
    }
    #expect(try await first() == "카드 *******************, 전화 *************")
    func lines() async throws -> [TranscriptLine] {
      try await world.client.listTranscriptLines(ListTranscriptLinesRequest(parent: ticket.name), kim).lines
    }
    func memo() async throws -> FormField? {
      try await world.client.getTicketForm(GetTicketFormRequest(ticket: ticket.name), kim).customerFields.first
    }
    #expect(try await lines().map(\.masks) == [[], [Self.shown(masks[0])]])
    #expect(try await memo()?.masks == masks.dropFirst().map(Self.shown))
    let other = [FieldValue(code: "memo", values: ["없음"])]
    let refused = [
      await refusal {
        try await world.client.updateTicket(
          UpdateTicketRequest(
            ticket: Ticket(name: ticket.name, fieldValues: other), updateMask: FieldMask(paths: ["field_values"])), kim)
      },
      await refusal {
        try await world.client.processTicket(
          ProcessTicketRequest(name: ticket.name, act: .comment, text: "확인", fieldValues: other), kim)
      },
    ]
    #expect(refused.map { $0?.reason } == [.maskOverlap, .maskOverlap])
    for mask in masks {
      _ = try await world.masking.unmaskText(UnmaskTextRequest(name: mask.name, reason: "통화"), kim)
      #expect(try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), kim).intact)
    }
    #expect(try await first() == "카드 4000-0000-0000-0002, 전화 010-0000-1234")
    #expect(try await lines().map(\.text) == said)
    #expect(try await lines().allSatisfy { $0.masks.isEmpty })
    #expect(try await memo()?.values == ["카드 4000-0000-0000-0002, 전화 010-0000-1234"])
    #expect(try await memo()?.masks == [])
  }

  @Test("the number of a call is returned with its mask")
  func call() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    let kim = world.world.by(TicketWorld.kim)
    let request = CreateTicketRequest(
      parent: "services/care", title: "전화", text: "전화 상담", channel: .phone,
      submissionType: "services/care/submissionTypes/1",
      callRecord: CallRecord(
        direction: .inbound, phone: "01000009876", startTime: Timestamp(seconds: 1_800_000_000),
        duration: ProtoDuration(seconds: 5)))
    let ticket = try await world.client.createTicket(request, kim)
    let masks = try await world.masking.createMasks(
      CreateMasksRequest(
        parent: ticket.name, spans: [TextSpan(start: 3, length: 8, field: "call_record.phone")]), kim
    ).masks
    let record = try await world.client.getCallRecord(GetCallRecordRequest(ticket: ticket.name), kim)
    #expect(record.phone == "010********")
    #expect(record.masks == [Self.shown(masks[0])])
  }

  /// A mask as its text shows it.
  private static func shown(_ mask: Mask) -> TextMask {
    TextMask(
      name: mask.name, start: mask.span?.start ?? -1, length: mask.span?.length ?? -1, field: mask.span?.field ?? "")
  }

  @Test("a list of three thousand numbers comes in masked whole, as an inquiry and as a reply, and one comes back")
  func list() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    let list = (1...3_000).map { "010-0000-" + String($0 + 1_000) }.joined(separator: "\n")
    let ticket = try await world.create(list, title: "명단", channel: .email)
    let reply = AppendInquiryRequest(parent: ticket.name, text: list)
    _ = try await world.client.appendInquiry(reply, world.world.by("mail"))
    let entries = try await world.entries(ticket.name)
    #expect(entries.count == 2)
    for entry in entries {
      #expect(entry.masks.count == 3_000 && entry.text.allSatisfy { $0 == "*" || $0 == "\n" })
    }
    let events = try await world.client.listEvents(
      ListEventsRequest(parent: ticket.name), world.world.by(TicketWorld.kim)
    ).events
    for event in events {
      #expect(event.changes.filter { $0.field == "mask" }.count == 50)
      #expect(event.changes.filter { $0.field == "mask_more" }.map(\.after) == ["2950"])
    }
    let restored = entries[1].masks[2_999]
    _ = try await world.masking.unmaskText(
      UnmaskTextRequest(name: restored.name, reason: "통화"), world.world.by(TicketWorld.kim))
    #expect(try await world.entries(ticket.name)[1].text.hasSuffix("*\n010-0000-4000"))
    let verified = VerifyHistoryRequest(name: ticket.name)
    #expect(try await world.client.verifyHistory(verified, world.world.by(TicketWorld.kim)).intact)
  }

  @Test("what is copied to an issue ticket is masked there as here, in a service without masks as asterisks for good")
  func copies() async throws {
    let world = try await ArrivalWorld(isMaskingReachable: true)
    for hasSecurity in [true, false] {
      try await world.world.run("UPDATE service SET has_security = \(hasSecurity) WHERE code = 'bugs'")
      let tickets = try ArrivalWorld.restarted(world)
      let (source, issue) = try await world.world.escalation()
      let reply = AppendInquiryRequest(parent: world.world.name(source), text: "번호는 010-0000-1234 입니다")
      _ = try await tickets.client.appendInquiry(reply, world.world.by("mail"))
      let copy = try #require(try await tickets.entries(world.world.name(issue), by: TicketWorld.boss).last)
      #expect(copy.text == "번호는 ************* 입니다" && copy.masks.count == (hasSecurity ? 1 : 0))
      let clear = try await world.world.count("SELECT count(*) FROM ticket_entry WHERE body LIKE '%0000-1234%'")
      #expect(clear == 0)
      let verified = VerifyHistoryRequest(name: world.world.name(issue))
      #expect(try await tickets.client.verifyHistory(verified, world.world.by(TicketWorld.boss)).intact)
    }
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
