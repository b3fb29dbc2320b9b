import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct CustomerTicketTests {
  private func create(
    _ world: TicketWorld, _ channel: Ticket.Channel, transcript: [TranscriptLine] = [], call: CallRecord? = nil,
    email: String = "hong@example.com"
  ) async throws -> Ticket {
    try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "t", text: "x", customer: TicketCustomer(email: email), channel: channel,
        submissionType: "services/care/submissionTypes/1", transcript: transcript, callRecord: call),
      world.by(TicketWorld.kim))
  }

  @Test("a customer's other tickets are those of the service, and for an issue ticket those behind it, newest first")
  func earlier() async throws {
    let world = try await TicketWorld()
    var names: [String] = []
    for _ in 0..<3 { names.append(try await create(world, .helpCenter).name) }
    _ = try await create(world, .helpCenter, email: "other@example.com")
    func list(_ parent: String, by agent: AgentID) async throws -> [String] {
      var request = ListCustomerTicketsRequest(parent: parent, pageSize: 1)
      var found: [String] = []
      repeat {
        let page = try await world.client.listCustomerTickets(request, world.by(agent))
        found += page.tickets.map(\.name)
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      return found
    }
    #expect(try await list(names[1], by: TicketWorld.kim) == [names[2], names[0]])
    try await world.run("UPDATE ticket SET agent_id = 1, state = 'PROCESSING' WHERE customer_id IS NOT NULL")
    var issues: [String] = []
    for name in names.prefix(2) {
      let waiting = try await world.client.escalateTicket(
        EscalateTicketRequest(
          name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
          text: "x"), world.by(TicketWorld.kim))
      issues.append(waiting.targetTicket)
    }
    // boss belongs to care, too; stranger, made a member of bugs, does not.
    #expect(try await list(issues[0], by: TicketWorld.boss) == [issues[1], names[1], names[0]])
    try await world.run(
      "INSERT INTO service_member (service_id, agent_id, role, has_ticket_right) VALUES (2, 4, 'AGENT', true)")
    #expect(try await list(issues[0], by: TicketWorld.stranger) == [issues[1]])
    // One that is escalated to another service later was still here.
    try await world.run("UPDATE ticket SET target_service_id = 3, target_ticket_id = 1 WHERE target_service_id = 2")
    #expect(try await list(issues[0], by: TicketWorld.boss) == [issues[1], names[1], names[0]])
    let nobody = world.name(try await world.ticket())
    #expect(try await list(nobody, by: TicketWorld.kim).isEmpty)
  }

  @Test("a chat ticket keeps its transcript, a phone ticket its call")
  func conversations() async throws {
    let world = try await TicketWorld()
    var lines: [TranscriptLine] = []
    for number in 1...5 {
      let isCustomer = number % 2 == 1
      lines.append(
        TranscriptLine(
          speaker: isCustomer ? .customer : .agent, speakerName: isCustomer ? "홍길동" : "김상담", text: "말 \(number)",
          time: Timestamp(seconds: 1_800_000_000 + Int64(number))))
    }
    let chat = try await create(world, .chat, transcript: lines)
    var request = ListTranscriptLinesRequest(parent: chat.name, pageSize: 2)
    var read: [TranscriptLine] = []
    repeat {
      let page = try await world.client.listTranscriptLines(request, world.by(TicketWorld.kim))
      read += page.lines
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    #expect(read == lines)
    let record = CallRecord(
      direction: .inbound, phone: "+82 10-0000-0000", startTime: Timestamp(seconds: 1_800_000_000),
      duration: ProtoDuration(seconds: 95))
    let phone = try await create(world, .phone, call: record)
    let call = try await world.client.getCallRecord(
      GetCallRecordRequest(ticket: phone.name), world.by(TicketWorld.kim))
    #expect(call.phone == "+821000000000" && call.duration?.seconds == 95 && call.direction == .inbound)
    let none = await refusal {
      try await world.client.getCallRecord(GetCallRecordRequest(ticket: chat.name), world.by(TicketWorld.kim))
    }
    #expect(none?.reason == .resourceNotFound)
    for agent in [TicketWorld.stranger, TicketWorld.gone] {
      let refused = await refusal {
        try await world.client.getCallRecord(GetCallRecordRequest(ticket: phone.name), world.by(agent))
      }
      #expect(refused?.reason == .ticketNotFound)
    }
  }

  @Test("a line of a chat or a call's record that is edited, removed, exchanged or added is found")
  func tampering() async throws {
    let world = try await TicketWorld()
    let lines = (1...3).map {
      TranscriptLine(
        speaker: .customer, speakerName: "홍길동", text: "말 \($0)", time: Timestamp(seconds: 1_800_000_000 + Int64($0)))
    }
    let chat = try await create(world, .chat, transcript: lines)
    let record = CallRecord(
      direction: .inbound, phone: "010-0000-0000", startTime: Timestamp(seconds: 1_800_000_000),
      duration: ProtoDuration(seconds: 95))
    let phone = try await create(world, .phone, call: record)
    func finding(_ ticket: Ticket) async throws -> String {
      try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket.name), world.by(TicketWorld.kim)).finding
    }
    let chatID = try #require(TicketName(chat.name)).id
    let changes: [(ticket: Ticket, table: Query, change: Query, finding: String)] = [
      (chat, "transcript_line", "UPDATE transcript_line SET body = '다른 말' WHERE number = 2", "line 2 of the chat"),
      (chat, "transcript_line", "UPDATE transcript_line SET speaker_name = '김' WHERE number = 3", "line 3 of the chat"),
      (chat, "transcript_line", "UPDATE transcript_line SET speaker = 'AGENT' WHERE number = 1", "the chat"),
      (
        chat, "transcript_line", "UPDATE transcript_line SET line_time = line_time - interval '1 second'", "the chat"
      ),
      (chat, "transcript_line", "UPDATE transcript_line SET hashes = NULL WHERE number = 2", "line 2 of the chat"),
      (chat, "transcript_line", "DELETE FROM transcript_line WHERE number = 3", "the chat"),
      (chat, "transcript_line", "DELETE FROM transcript_line", "the chat"),
      (chat, "transcript_line", "UPDATE transcript_line SET number = number + 10", "line 11 of the chat"),
      (phone, "call_record", "UPDATE call_record SET phone = '01000000001'", "the number of the call"),
      (phone, "call_record", "UPDATE call_record SET duration_seconds = 5", "the record of the call"),
      (phone, "call_record", "DELETE FROM call_record", "the record of the call"),
      (chat, "call_record", "UPDATE call_record SET ticket_id = \(chatID)", "the number of the call"),
    ]
    for (ticket, table, change, found) in changes {
      try await world.run("CREATE TABLE kept AS SELECT * FROM \(fragment: table)")
      try await world.run(change)
      #expect(try await finding(ticket) == "\(found) is not as it was written", "\(change)")
      try await world.run("DELETE FROM \(fragment: table)")
      try await world.run("INSERT INTO \(fragment: table) SELECT * FROM kept")
      try await world.run("DROP TABLE kept")
    }
    #expect(try await [finding(chat), finding(phone)] == ["", ""])
  }

  @Test("a conversation that does not fit is refused with everything that is wrong, and nothing is written")
  func refusals() async throws {
    let world = try await TicketWorld()
    let line = TranscriptLine(
      speakerName: String(repeating: "가", count: 101), text: String(repeating: "x", count: 2_001),
      time: Timestamp(seconds: 5))
    let error = await refusal {
      try await create(
        world, .email, transcript: [line, TranscriptLine(speaker: .agent, text: " ")], call: CallRecord())
    }
    #expect(
      error?.violations.map(\.field) == [
        "transcript", "transcript[0].speaker", "transcript[0].speaker_name", "transcript[0].text",
        "transcript[0].time", "transcript[1].text", "transcript[1].time", "call_record", "call_record.direction",
        "call_record.phone", "call_record.start_time",
      ])
    let said = TranscriptLine(speaker: .customer, text: "네", time: Timestamp(seconds: 1_764_000_000))
    let long = await refusal {
      try await create(world, .chat, transcript: Array(repeating: said, count: 1_001))
    }
    #expect(long?.violations == [FieldViolation("transcript", "must be at most 1000 lines")])
    #expect(try await world.count("SELECT count(*) FROM ticket") == 0)
  }
}
