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
    let found = try await world.client.verifyHistory(
      VerifyHistoryRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(found.intact, "\(found.finding)")
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

  @Test("what is no file of a known type, too large, empty or out of order is refused, and leaves nothing behind")
  func refusals() async throws {
    let world = try await TicketWorld()
    let rows: [(String, [UInt8], Reason)] = [
      ("a.exe", Self.png, .requestInvalid), ("a.png", Array("GIF89a".utf8), .requestInvalid),
      ("../a.png", Self.png, .requestInvalid), ("png", Self.png, .requestInvalid), ("a.txt", [], .requestInvalid),
      (String(repeating: "가", count: 96) + ".png", Self.png, .requestInvalid),
      ("a.txt", [0x61, 0x00], .requestInvalid),
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
