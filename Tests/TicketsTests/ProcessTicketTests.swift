import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct ProcessTicketTests {
  private static func request(
    _ act: ProcessTicketRequest.Act, on name: String, text: String = "곧 도착합니다.",
    reason: Ticket.InternalReason = Ticket.InternalReason(), version: Int64 = 0, requestID: String = ""
  ) -> ProcessTicketRequest {
    var request = ProcessTicketRequest(name: name, act: act, text: text, version: version, requestId: requestID)
    request.internalReason = reason
    if act == .resolveInternally, reason == Ticket.InternalReason() { request.internalReason = .test }
    return request
  }

  struct Row: Sendable {
    let act: ProcessTicketRequest.Act
    let from: Set<TicketState>
    let to: TicketState?
    let events: [String]
  }

  private static let workable: Set<TicketState> = [.processing, .pending, .escalationAnswered, .doorayAnswered]
  static let table: [Row] = [
    Row(act: .resolve, from: workable, to: .resolved, events: ["RESOLVED"]),
    Row(act: .hold, from: workable, to: .pending, events: ["HELD"]),
    Row(
      act: .comment, from: Set(TicketState.allCases).subtracting([.completed]), to: nil, events: ["COMMENTED"]),
    Row(act: .resolveInternally, from: workable, to: .resolved, events: ["RESOLVED_INTERNALLY"]),
  ]

  @Test("an act is allowed from its states and refused from all others", arguments: table)
  func states(_ row: Row) async throws {
    let world = try await TicketWorld()
    for state in TicketState.allCases {
      let ticket = try await world.ticket(state)
      let name = world.name(ticket)
      let before = try await world.eventCodes(name)
      if row.from.contains(state) {
        let after = try await world.client.processTicket(
          Self.request(row.act, on: name), world.by(TicketWorld.kim))
        #expect(after.state.rawValue == (row.to ?? state).number, "\(row.act) from \(state)")
        #expect(after.version == ticket.version + 1)
        #expect(try await world.eventCodes(name) == before + row.events)
      } else {
        let error = await refusal {
          try await world.client.processTicket(Self.request(row.act, on: name), world.by(TicketWorld.kim))
        }
        #expect(error?.reason == .transitionNotAllowed, "\(row.act) from \(state)")
        #expect(error?.metadata["state"] == state.rawValue)
        #expect(try await world.eventCodes(name) == before)
      }
    }
  }

  @Test("resolving and holding leave a mail to be sent, which names the entry with the agent's words")
  func mails() async throws {
    let world = try await TicketWorld()
    for (act, answer, cause) in [
      (ProcessTicketRequest.Act.hold, AnswerAct.hold, "HOLD"), (.resolve, .resolve, "RESOLVE"),
    ] {
      let ticket = try await world.ticket()
      let after = try await world.client.processTicket(
        Self.request(act, on: world.name(ticket), text: "곧 도착합니다.\r\n감사합니다."), world.by(TicketWorld.kim))
      let work = try await world.outbox(ticket.id)
      #expect(work.map(\.topic) == [.triggers, .mail])
      #expect(try TriggerPass(serialized: work[0].payload).cause == .processed)
      let prepared = try PreparedAnswer(serialized: work[1].payload)
      #expect(prepared.act == answer && !prepared.messageId.isEmpty)
      let entries = try await world.client.listEntries(
        ListEntriesRequest(parent: after.name), world.by(TicketWorld.kim)
      ).entries
      #expect(entries.count == 2)
      #expect(entries[1].name.hasSuffix("/entries/\(prepared.entryId)"))
      #expect(entries[1].kind == .reply && entries[1].text == "곧 도착합니다.\n감사합니다.")
      #expect(entries[1].act.protoName == cause)
      #expect(entries[1].author?.displayName == "김상담")
    }
  }

  @Test("without an address the act goes through, and the history says that no mail was sent")
  func skippedMail() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(TicketWorld.Shape(email: ""))
    let name = world.name(ticket)
    let after = try await world.client.processTicket(Self.request(.resolve, on: name), world.by(TicketWorld.kim))
    #expect(after.state == .resolved)
    let events = try await world.client.listEvents(ListEventsRequest(parent: name), world.by(TicketWorld.kim)).events
    #expect(events.map(\.code) == ["CREATED", "RESOLVED", "MAIL_SKIPPED"])
    #expect(events[2].causeSequence == 2 && events[2].actor?.kind == .system)
    #expect(events[2].changes.map(\.after) == ["NO_ADDRESS"])
    #expect(try await world.outbox(ticket.id).map(\.topic) == [.triggers])
  }

  @Test("banned words stop an answer with mail's own words, but no comment")
  func bannedWords() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let text = "환불은 절대불가 합니다"
    for act in [ProcessTicketRequest.Act.resolve, .hold] {
      let error = await refusal {
        try await world.client.processTicket(Self.request(act, on: name, text: text), world.by(TicketWorld.kim))
      }
      #expect(error?.reason == .bannedWords)
      #expect(error?.violations.map(\.field) == ["text"])
      #expect(error?.metadata["words"] == "절대불가")
    }
    #expect(try await world.eventCodes(name) == ["CREATED"])
    for act in [ProcessTicketRequest.Act.comment, .resolveInternally] {
      let done = await refusal {
        try await world.client.processTicket(Self.request(act, on: name, text: text), world.by(TicketWorld.kim))
      }
      #expect(done == nil)
    }
  }

  @Test("without mail nothing is answered and nothing written, and what mails nobody goes on")
  func mailUnreachable() async throws {
    let world = try await TicketWorld(isMailReachable: false)
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    for act in [ProcessTicketRequest.Act.resolve, .hold] {
      let error = await refusal {
        try await world.client.processTicket(Self.request(act, on: name), world.by(TicketWorld.kim))
      }
      #expect(error?.reason == .backendUnavailable)
    }
    #expect(try await world.eventCodes(name) == ["CREATED"])
    #expect(try await world.outbox(ticket.id).isEmpty)
    for act in [ProcessTicketRequest.Act.comment, .resolveInternally] {
      let done = await refusal {
        try await world.client.processTicket(Self.request(act, on: name), world.by(TicketWorld.kim))
      }
      #expect(done == nil)
    }
  }

  @Test("each reason resolves internally without a mail; spam goes to the spam box")
  func internalReasons() async throws {
    let world = try await TicketWorld()
    for reason in InternalReason.allCases {
      let name = world.name(try await world.ticket())
      let after = try await world.client.processTicket(
        Self.request(.resolveInternally, on: name, text: "", reason: Ticket.InternalReason(rawValue: reason.number)),
        world.by(TicketWorld.kim))
      #expect(after.state == .resolved && after.internalReason.rawValue == reason.number)
      #expect(after.spam == (reason == .spam))
      #expect(after.entryCount == 1, "no words, no entry")
      let codes = try await world.eventCodes(name)
      #expect(
        codes
          == (reason == .spam ? ["CREATED", "RESOLVED_INTERNALLY", "SPAM_MOVED"] : ["CREATED", "RESOLVED_INTERNALLY"]))
      let work = try await world.outbox(try #require(TicketName(name)).id)
      #expect(!work.contains { $0.topic == .mail })
    }
  }

  @Test("an escalated ticket is not ended as spam, abuse or a duplicate")
  func escalatedReasons() async throws {
    let world = try await TicketWorld()
    let source = try await world.ticket(.escalating)
    for reason in [Ticket.InternalReason.spam, .abuse, .duplicate] {
      let ticket = try await world.ticket(
        TicketWorld.Shape(
          service: "bugs", source: TicketLink(serviceID: source.serviceID, ticketID: source.id)))
      let error = await refusal {
        try await world.client.processTicket(
          Self.request(.resolveInternally, on: world.name(ticket), reason: reason), world.by(TicketWorld.kim))
      }
      #expect(error?.reason == .reasonNotAllowed)
    }
  }

  @Test("type and priority change with the act, in its own event")
  func typeAndPriority() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    var request = Self.request(.comment, on: name)
    request.processingType = "services/care/processingTypes/2"
    request.priority = .urgent
    let after = try await world.client.processTicket(request, world.by(TicketWorld.kim))
    #expect(after.processingType == request.processingType && after.priority == .urgent)
    let event = try await world.client.listEvents(ListEventsRequest(parent: name), world.by(TicketWorld.kim)).events[1]
    #expect(event.changes.contains(FieldChange(field: "priority", before: "NORMAL", after: "URGENT")))
    #expect(
      event.changes.contains(FieldChange(field: "processing_type", before: "", after: request.processingType)))
    for wrong in ["services/other/processingTypes/9", "services/care/processingTypes/9"] {
      request.processingType = wrong
      let error = await refusal { try await world.client.processTicket(request, world.by(TicketWorld.kim)) }
      #expect(error?.reason == .typeNotFound)
    }
  }

  @Test("a request that is wrong is refused with its fields, and nothing is written")
  func wrongRequests() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    let rows: [(Reason, [String], ProcessTicketRequest)] = [
      (.requestInvalid, ["name"], Self.request(.comment, on: "tickets/1")),
      (.requestInvalid, ["act"], ProcessTicketRequest(name: name, text: "x")),
      (
        .requestInvalid, ["name", "version", "internal_reason", "text"],
        ProcessTicketRequest(name: "tickets/1", act: .hold, text: " ", internalReason: .test, version: -1)
      ),
      (.requestInvalid, ["act"], ProcessTicketRequest(name: name, act: .init(rawValue: 9), text: "x")),
      (.requestInvalid, ["internal_reason"], ProcessTicketRequest(name: name, act: .resolveInternally)),
      (.requestInvalid, ["text"], Self.request(.comment, on: name, text: String(repeating: "가", count: 20_001))),
      (.requestInvalid, ["version"], Self.request(.comment, on: name, version: -1)),
      (.requestInvalid, ["request_id"], Self.request(.comment, on: name, requestID: "a b")),
      (
        .requestInvalid, ["act", "text", "processing_type", "priority"],
        ProcessTicketRequest(name: name, text: "\u{1}", processingType: "x", priority: .init(rawValue: 7))
      ),
      (.reasonNotAllowed, ["internal_reason"], Self.request(.resolve, on: name, reason: .test)),
      (.textRequired, ["text"], Self.request(.resolve, on: name, text: " \n")),
      (.textRequired, ["text"], Self.request(.hold, on: name, text: "")),
      (.textRequired, ["text"], Self.request(.comment, on: name, text: "")),
    ]
    for (index, row) in rows.enumerated() {
      let error = await refusal { try await world.client.processTicket(row.2, world.by(TicketWorld.kim)) }
      #expect(error?.reason == row.0, "row \(index)")
      #expect(error?.violations.map(\.field) == row.1, "row \(index)")
    }
    #expect(try await world.eventCodes(name) == ["CREATED"])
  }

  @Test("a stale version is refused with the current one")
  func staleVersion() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let current = try await world.client.processTicket(
      Self.request(.comment, on: name, version: ticket.version), world.by(TicketWorld.kim))
    let error = await refusal {
      try await world.client.processTicket(
        Self.request(.resolve, on: name, version: ticket.version), world.by(TicketWorld.lee))
    }
    #expect(error?.reason == .staleVersion)
    #expect(error?.metadata["current_version"] == String(current.version))
  }

  @Test("a repeated act is done once, and answers as the first did")
  func replay() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    let request = Self.request(.resolve, on: name, requestID: "answer-1")
    let first = try await world.client.processTicket(request, world.by(TicketWorld.kim))
    let second = try await world.client.processTicket(request, world.by(TicketWorld.kim))
    #expect(first == second)
    #expect(try await world.eventCodes(name) == ["CREATED", "RESOLVED"])
  }

  @Test("where the service leaves processing to the holder, others only comment, and administrators step in")
  func assigneeOnly() async throws {
    let world = try await TicketWorld()
    try await world.run("UPDATE service SET assignee_only = true WHERE id = 1")
    let name = world.name(try await world.ticket())
    let error = await refusal {
      try await world.client.processTicket(Self.request(.resolve, on: name), world.by(TicketWorld.lee))
    }
    #expect(error?.reason == .permissionDenied)
    for (act, agent) in [
      (ProcessTicketRequest.Act.comment, TicketWorld.lee), (.hold, TicketWorld.boss), (.resolve, TicketWorld.kim),
    ] {
      #expect(
        await refusal { try await world.client.processTicket(Self.request(act, on: name), world.by(agent)) } == nil)
    }
  }

  @Test("only agents with the ticket right process tickets")
  func rights() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    for caller in [world.by(TicketWorld.guest), world.by("operator")] {
      let error = await refusal { try await world.client.processTicket(Self.request(.comment, on: name), caller) }
      #expect(error?.reason == .permissionDenied)
    }
  }

  @Test("completing is for administrators, and for resolved tickets")
  func complete() async throws {
    let world = try await TicketWorld()
    for state in TicketState.allCases {
      let ticket = try await world.ticket(state)
      let request = CompleteTicketRequest(name: world.name(ticket))
      let byAgent = await refusal { try await world.client.completeTicket(request, world.by(TicketWorld.lee)) }
      #expect(byAgent?.reason == .permissionDenied, "\(state)")
      let byBoss = await refusal { try await world.client.completeTicket(request, world.by(TicketWorld.boss)) }
      #expect(byBoss?.reason == (state == .resolved ? nil : .transitionNotAllowed), "\(state)")
      guard state == .resolved else { continue }
      let after = try await world.client.getTicket(GetTicketRequest(name: request.name), world.by(TicketWorld.kim))
      #expect(after.state == .completed && after.completeTime != nil)
      #expect(try await world.outbox(ticket.id).map(\.topic) == [.triggers])
      let stale = await refusal {
        try await world.client.completeTicket(
          CompleteTicketRequest(name: request.name, version: 1), world.by(TicketWorld.boss))
      }
      #expect(stale?.reason == .staleVersion)
    }
  }
}
