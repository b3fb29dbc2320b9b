import Crypto
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

import struct HandoffAPI.Attachment

@testable import Tickets

@Suite struct AttachmentTests {
  private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  private func upload(
    _ world: TicketWorld, _ fileName: String, _ content: [UInt8], pieces: Int = 1_000,
    parent: String = "services/care", by caller: CallOptions? = nil
  ) async throws -> Attachment {
    try await world.client.uploadAttachment(caller ?? world.by(TicketWorld.kim)) { writer in
      try await writer.send(
        UploadAttachmentRequest(part: .header(UploadHeader(parent: parent, fileName: fileName))))
      var rest = content[...]
      while !rest.isEmpty {
        try await writer.send(UploadAttachmentRequest(part: .chunk(Array(rest.prefix(pieces)))))
        rest = rest.dropFirst(pieces)
      }
    }
  }

  private func download(_ world: TicketWorld, _ name: String, by caller: CallOptions) async throws -> [UInt8] {
    var content: [UInt8] = []
    let request = DownloadAttachmentRequest(name: name)
    for try await response in try await world.client.downloadAttachment(request, caller) {
      if case .chunk(let bytes)? = response.part { content += bytes }
    }
    return content
  }

  private struct BrokenOff: Error {}

  @Test("an upload that breaks off, or is refused on its way, leaves nothing", .timeLimit(.minutes(1)))
  func brokenOff() async throws {
    let world = try await TicketWorld()
    let stored: Query = "SELECT (SELECT count(*) FROM attachment_content) + (SELECT count(*) FROM attachment_chunk)"
    let (began, mayBreak) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
    let upload = Task {
      try await world.client.uploadAttachment(world.by(TicketWorld.kim)) { writer in
        try await writer.send(
          UploadAttachmentRequest(part: .header(UploadHeader(parent: "services/care", fileName: "a.png"))))
        for _ in 1...3 { try await writer.send(UploadAttachmentRequest(part: .chunk(Self.png))) }
        began.continuation.finish()
        for await _ in mayBreak.stream {}
        throw BrokenOff()
      }
    }
    for await _ in began.stream {}
    while try await world.count(stored) < 4 { await Task.yield() }
    mayBreak.continuation.finish()
    #expect(await refusal { try await upload.value } != nil)
    while try await world.count(stored) > 0 { await Task.yield() }
    let tooLarge = Self.png + [UInt8](repeating: 0, count: 10 << 20)
    #expect(await refusal { try await self.upload(world, "a.png", tooLarge, pieces: 200_000) }?.reason == .bodyTooLarge)
    #expect(try await world.count(stored) == 0)
  }

  @Test("a file comes back as it was sent, is stored once, and is on the entry that took it along")
  func roundTrip() async throws {
    let world = try await TicketWorld()
    let content = Self.png + (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let first = try await upload(world, "영수증.png", content)
    let again = try await upload(world, "copy.PNG", content, pieces: 777)
    #expect(first.fileName == "영수증.png" && first.contentType == "image/png")
    #expect(first.sizeBytes == Int64(content.count) && again.name != first.name)
    #expect(try await world.count("SELECT count(*) FROM attachment_content") == 1)
    let ticket = try await world.ticket()
    let request = ProcessTicketRequest(
      name: world.name(ticket), act: .comment, text: "첨부", attachments: [first.name])
    _ = try await world.client.processTicket(request, world.by(TicketWorld.kim))
    let entries = try await world.client.listEntries(
      ListEntriesRequest(parent: world.name(ticket)), world.by(TicketWorld.lee)
    ).entries
    #expect(entries.last?.attachments == [first])
    #expect(try await download(world, first.name, by: world.by(TicketWorld.lee)) == content)
    let twice = await refusal { try await world.client.processTicket(request, world.by(TicketWorld.kim)) }
    #expect(twice?.reason == .attachmentNotFound)
    var many: [String] = []
    for number in 1...6 { many.append(try await upload(world, "\(number).txt", Array("\(number)".utf8)).name) }
    func comment(_ files: [String]) async throws -> Ticket {
      try await world.client.processTicket(
        ProcessTicketRequest(name: world.name(ticket), act: .comment, text: "첨부", attachments: files),
        world.by(TicketWorld.kim))
    }
    let sixth = await refusal { try await comment(many) }
    #expect(sixth?.violations == [FieldViolation("attachments", "must be at most 5")])
    #expect(try await comment(Array(many.prefix(5))).entryCount == 3)
    let found = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(found.intact, "\(found.finding)")
    let id = try #require(AttachmentName(first.name)?.id)
    let events = try await world.client.listEvents(
      ListEventsRequest(parent: world.name(ticket)), world.by(TicketWorld.kim)
    ).events
    #expect(
      events[1].changes.map { "\($0.field) \($0.after)" }.prefix(2)
        == ["attachment \(first.name)", "attachment.sha256 \(Hex.encode(SHA256.hash(content)))"])
    try await world.run("UPDATE attachment_chunk SET bytes = overlay(bytes PLACING '\\x00ff00ff'::bytea FROM 99)")
    let edited = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(edited.finding == "file \(id) is not as event 2 put it on the ticket" && edited.firstBadSequence == 2)
    try await world.run("UPDATE attachment SET ticket_id = NULL, entry_id = NULL WHERE id = \(id)")
    let without = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(without.finding == "the ticket has other files than its events put on it")
  }

  @Test("inquiries, replies and the tickets that follow them take files along")
  func inquiries() async throws {
    let world = try await TicketWorld()
    let mail = world.by("mail")
    func file() async throws -> String { try await upload(world, "a.txt", Array("hello".utf8), by: mail).name }
    let made = try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/care", title: "t", text: "x", channel: .email, attachments: [try await file()]), mail)
    let entries = try await world.client.listEntries(
      ListEntriesRequest(parent: made.name), world.by(TicketWorld.kim)
    ).entries
    #expect(entries[0].attachments.map(\.fileName) == ["a.txt"])
    for state in [TicketState.pending, .completed] {
      let ticket = try await world.ticket(state)
      let entry = try await world.client.appendInquiry(
        AppendInquiryRequest(parent: world.name(ticket), text: "y", attachments: [try await file()]), mail)
      #expect(entry.attachments.count == 1)
    }
  }

  @Test("a field of files holds files of its own ticket, and nothing else")
  func fields() async throws {
    let world = try await TicketWorld()
    let field = Field(code: "receipt", kind: .file, audience: .agent, displayName: "영수증")
    _ = try await world.client.createField(
      CreateFieldRequest(parent: "services/care", field: field), world.by(TicketWorld.boss))
    let (ticket, other) = (try await world.ticket(), try await world.ticket())
    func process(_ ticket: TicketRecord, _ values: [String], attachments: [String] = []) async throws {
      _ = try await world.client.processTicket(
        ProcessTicketRequest(
          name: world.name(ticket), act: .comment, text: "x",
          fieldValues: [FieldValue(code: "receipt", values: values)], attachments: attachments),
        world.by(TicketWorld.kim))
    }
    func update(_ ticket: TicketRecord, _ values: [String]) async throws {
      _ = try await world.client.updateTicket(
        UpdateTicketRequest(
          ticket: Ticket(name: world.name(ticket), fieldValues: [FieldValue(code: "receipt", values: values)]),
          updateMask: FieldMask(paths: ["field_values"])), world.by(TicketWorld.kim))
    }
    let first = try await upload(world, "a.txt", [0x61]).name
    let theirs = try await upload(world, "b.txt", [0x62]).name
    try await process(ticket, [first], attachments: [first])
    try await process(other, [], attachments: [theirs])
    let unused = try await upload(world, "c.txt", [0x63]).name
    for values in [[theirs], [unused], [first, unused], ["services/care/attachments/999"], ["receipt.pdf"]] {
      for error in [
        await refusal { try await process(ticket, values) }, await refusal { try await update(ticket, values) },
      ] {
        #expect(error?.reason == .requestInvalid && error?.violations.map(\.field) == ["field_values.receipt"])
      }
    }
    let created = await refusal {
      try await world.client.createTicket(
        CreateTicketRequest(
          parent: "services/care", title: "t", text: "x", submissionType: "services/care/submissionTypes/1",
          fieldValues: [FieldValue(code: "receipt", values: [first])]), world.by(TicketWorld.kim))
    }
    #expect(created?.violations.map(\.field) == ["field_values.receipt"])
    try await process(ticket, [first, unused], attachments: [unused])
    try await update(ticket, [unused])
    let form = try await world.client.getTicketForm(
      GetTicketFormRequest(ticket: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(form.agentFields.first { $0.field?.code == "receipt" }?.values == [unused])
  }

  @Test("a file is its uploader's alone until it is on a ticket, and then the ticket's service's")
  func reach() async throws {
    let world = try await TicketWorld()
    let file = try await upload(world, "a.txt", [0x61])
    func reason(_ agent: AgentID) async -> Reason? {
      await refusal { try await download(world, file.name, by: world.by(agent)) }?.reason
    }
    #expect(await reason(TicketWorld.lee) == .attachmentNotFound)
    let ticket = try await world.ticket()
    let stolen = await refusal {
      try await world.client.processTicket(
        ProcessTicketRequest(name: world.name(ticket), act: .comment, text: "x", attachments: [file.name]),
        world.by(TicketWorld.lee))
    }
    #expect(stolen?.reason == .attachmentNotFound)
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(ticket), act: .comment, text: "x", attachments: [file.name]),
      world.by(TicketWorld.kim))
    #expect(await reason(TicketWorld.lee) == nil)
    #expect(await reason(TicketWorld.stranger) == .attachmentNotFound)
    try await world.run(
      """
      UPDATE ticket SET state = 'RESOLVED', resolve_time = now(), internal_reason = 'SPAM', is_spam = true,
        delete_time = now()
      """)
    #expect(await reason(TicketWorld.kim) == .attachmentNotFound)
  }

  /// The files on the last entry of a ticket.
  private func lastFiles(_ world: TicketWorld, _ name: String, by agent: AgentID) async throws -> [Attachment] {
    let page = try await world.client.listEntries(ListEntriesRequest(parent: name), world.by(agent))
    return try #require(page.entries.last).attachments
  }

  private func process(
    _ world: TicketWorld, _ name: String, _ act: ProcessTicketRequest.Act, _ files: [String] = []
  ) async throws {
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: name, act: act, text: "첨부", attachments: files), world.by(TicketWorld.kim))
  }

  private func areIntact(_ world: TicketWorld, _ names: String...) async throws -> Bool {
    for name in names {
      let found = try await world.client.verifyHistory(VerifyHistoryRequest(name: name), world.by(TicketWorld.boss))
      guard found.intact else { return false }
    }
    return true
  }

  @Test("whoever reads the history of an escalated ticket in the issue service gets its files, and no others")
  func filesOfSource() async throws {
    let world = try await TicketWorld()
    // A member of bugs who is none of care.
    try await world.run(
      "INSERT INTO service_member (service_id, agent_id, role, has_ticket_right) VALUES (2, 4, 'AGENT', true)")
    let stranger = world.by(TicketWorld.stranger)
    let (source, other) = (world.name(try await world.ticket()), world.name(try await world.ticket()))
    let (file, theirs) = (try await upload(world, "a.txt", [0x61]), try await upload(world, "b.txt", [0x62]))
    try await process(world, source, .comment, [file.name])
    try await process(world, other, .comment, [theirs.name])
    func reason(_ file: Attachment) async -> Reason? {
      await refusal { try await download(world, file.name, by: stranger) }?.reason
    }
    #expect(await reason(file) == .attachmentNotFound)
    let escalated = try await world.client.escalateTicket(
      EscalateTicketRequest(
        name: source, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
        text: "x"), world.by(TicketWorld.kim))
    let shown = try await world.client.listSourceEntries(
      ListSourceEntriesRequest(parent: escalated.targetTicket), stranger
    ).entries.flatMap(\.attachments)
    #expect(shown == [file])
    #expect(try await download(world, file.name, by: stranger) == [0x61])
    #expect(await reason(theirs) == .attachmentNotFound)
    let guest = await refusal { try await download(world, file.name, by: world.by(TicketWorld.guest)) }
    #expect(guest?.reason == .permissionDenied)
  }

  @Test("the files of an answer come to the consultation ticket, and those of a customer's reply to the issue ticket")
  func filesAcross() async throws {
    let world = try await TicketWorld()
    let (source, issue) = try await world.escalation()
    let content = Self.png + (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let mail = world.by("mail")
    let photo = try await upload(world, "고장.png", content, pieces: 100_000, by: mail)
    _ = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: world.name(source), text: "사진입니다.", attachments: [photo.name]), mail)
    let copy = try #require(try await lastFiles(world, world.name(issue), by: TicketWorld.boss).first)
    #expect(copy.name.hasPrefix("services/bugs/") && copy.fileName == "고장.png")
    #expect(try await download(world, copy.name, by: world.by(TicketWorld.boss)) == content)
    let manual = try await upload(world, "설명서.png", content, parent: "services/bugs")
    let report = try await upload(world, "b.txt", [0x62], parent: "services/bugs")
    try await process(world, world.name(issue), .resolve, [manual.name, report.name])
    // lee is no member of the issue service.
    let answered = try await lastFiles(world, world.name(source), by: TicketWorld.lee)
    #expect(answered.map(\.fileName) == ["설명서.png", "b.txt"])
    for (file, bytes) in zip(answered, [content, [0x62]]) {
      #expect(file.name.hasPrefix("services/care/"))
      #expect(try await download(world, file.name, by: world.by(TicketWorld.lee)) == bytes)
    }
    #expect(try await areIntact(world, world.name(source), world.name(issue)))
    // Each service stores a content once.
    #expect(try await world.count("SELECT count(*) FROM attachment_content") == 4)
    #expect(try await world.count("SELECT count(DISTINCT (service_id, hash)) FROM attachment_content") == 4)
  }

  @Test("an escalation takes files along, with which a field of files of the issue service is filled")
  func filesOfEscalation() async throws {
    let world = try await TicketWorld()
    let field = try await world.client.createField(
      CreateFieldRequest(
        parent: "services/bugs",
        field: Field(code: "log", kind: .file, audience: .customer, displayName: "로그", required: true)),
      world.by(TicketWorld.boss))
    let type = "services/bugs/submissionTypes/20"
    _ = try await world.client.updateForm(
      UpdateFormRequest(submissionType: type, customerFields: [field.name]), world.by(TicketWorld.boss))
    let source = world.name(try await world.ticket())
    let file = try await upload(world, "log.txt", [0x61])
    var request = EscalateTicketRequest(
      name: source, targetService: "services/bugs", submissionType: type, title: "t", text: "x")
    func escalate() async throws -> Ticket { try await world.client.escalateTicket(request, world.by(TicketWorld.kim)) }
    #expect(await refusal { try await escalate() }?.violations.map(\.field) == ["field_values.log"])
    request.fieldValues = [FieldValue(code: "log", values: [file.name])]
    #expect(await refusal { try await escalate() }?.violations.map(\.field) == ["field_values.log"])
    let theirs = try await upload(world, "b.txt", [0x62], by: world.by(TicketWorld.lee))
    request.attachments = [theirs.name]
    #expect(await refusal { try await escalate() }?.reason == .attachmentNotFound)
    request.attachments = [file.name]
    let escalated = try await escalate()
    #expect(try await lastFiles(world, source, by: TicketWorld.lee) == [file])
    let copies = try await lastFiles(world, escalated.targetTicket, by: TicketWorld.boss)
    #expect(copies.map(\.fileName) == ["log.txt"] && copies[0].name.hasPrefix("services/bugs/"))
    #expect(try await download(world, copies[0].name, by: world.by(TicketWorld.boss)) == [0x61])
    let form = try await world.client.getTicketForm(
      GetTicketFormRequest(ticket: escalated.targetTicket), world.by(TicketWorld.boss))
    #expect(form.customerFields.first { $0.field?.code == "log" }?.values == [copies[0].name])
    #expect(try await areIntact(world, source, escalated.targetTicket))
  }

  @Test("what is no file of a known type, too large, empty or out of order is refused, and leaves nothing behind")
  func refusals() async throws {
    let world = try await TicketWorld()
    let rows: [(String, [UInt8], Reason)] = [
      ("a.exe", Self.png, .requestInvalid), ("a.png", Array("GIF89a".utf8), .requestInvalid),
      ("../a.png", Self.png, .requestInvalid), ("png", Self.png, .requestInvalid), ("a.txt", [], .requestInvalid),
      (String(repeating: "가", count: 96) + ".png", Self.png, .requestInvalid),
      ("a.txt", [0x61, 0x00], .requestInvalid),
      // Shown as "agnp.txt".
      ("a\u{202E}txt.png", Self.png, .requestInvalid), ("a\u{2067}txt.\u{2069}png", Self.png, .requestInvalid),
      ("a.png", Self.png + [UInt8](repeating: 1, count: FileType.bytesMax), .bodyTooLarge),
    ]
    for (name, content, reason) in rows {
      let error = await refusal { try await upload(world, name, content, pieces: 262_144) }
      #expect(error?.reason == reason, "\(name)")
    }
    let foreign = await refusal { try await upload(world, "a.txt", [0x61], parent: "services/other") }
    #expect(foreign?.reason == .serviceNotFound)
    let headless = await refusal {
      try await world.client.uploadAttachment(world.by(TicketWorld.kim)) { writer in
        try await writer.send(UploadAttachmentRequest(part: .chunk([0x61])))
      }
    }
    #expect(headless?.violations.map(\.field) == ["header"])
    #expect(try await world.count("SELECT count(*) FROM attachment_content") == 0)
    #expect(try await world.count("SELECT count(*) FROM attachment_chunk") == 0)
  }

  @Test("files that nobody used go after a day, and take the content along that nothing else needs")
  func cleanUp() async throws {
    let world = try await TicketWorld()
    let shared = try await upload(world, "a.txt", [0x61])
    let unused = try await upload(world, "b.txt", [0x61])
    _ = try await upload(world, "c.txt", [0x62])
    let ticket = try await world.ticket()
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.name(ticket), act: .comment, text: "x", attachments: [shared.name]),
      world.by(TicketWorld.kim))
    let store = TicketStore(pool: world.ledger.pool)
    #expect(try await store.removeUnusedAttachments(limit: 10, deadline: TestDatabase.deadline) == 0)
    try await world.run("UPDATE attachment SET create_time = now() - interval '25 hours'")
    _ = try await store.removeUnusedAttachments(limit: 10, deadline: TestDatabase.deadline)
    #expect(try await world.count("SELECT count(*) FROM attachment") == 1)
    #expect(try await world.count("SELECT count(*) FROM attachment_content") == 1)
    #expect(try await download(world, shared.name, by: world.by(TicketWorld.lee)) == [0x61])
    let gone = await refusal { try await download(world, unused.name, by: world.by(TicketWorld.kim)) }
    #expect(gone?.reason == .attachmentNotFound)
  }
}
