import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("files on answers", .timeLimit(.minutes(5)))
struct AnswerFilesTests {
  private let world: InboundWorld
  private let ticket: TicketRecord

  init() async throws {
    world = try await InboundWorld()
    ticket = try await world.mail.ticket()
  }

  private var byAgent: CallOptions {
    CallOptions(
      deadline: TestDatabase.deadline, metadata: Metadata([("handoff-agent", "\(MailWorld.agent.rawValue)")]))
  }

  private func upload(_ name: String, _ content: [UInt8]) async throws -> String {
    try await world.tickets.uploadAttachment(byAgent) { writer in
      try await writer.send(
        UploadAttachmentRequest(part: .header(UploadHeader(parent: "services/care", fileName: name))))
      for start in stride(from: 0, to: content.count, by: 200_000) {
        let end = min(start + 200_000, content.count)
        try await writer.send(UploadAttachmentRequest(part: .chunk(Array(content[start..<end]))))
      }
    }.name
  }

  private func answer(_ files: [String], act: ProcessTicketRequest.Act = .hold) async throws {
    _ = try await world.tickets.processTicket(
      ProcessTicketRequest(name: world.mail.name(ticket), act: act, text: "첨부해 드립니다.", attachments: files), byAgent)
  }

  private func preview(_ files: [String]) async throws -> AnswerPreview {
    try await world.mail.service.previewAnswer(
      PreviewAnswerRequest(
        ticket: world.mail.name(ticket), act: .resolve, text: "첨부해 드립니다.", attachments: files), world.mail.asAgent)
  }

  private func work(_ delivery: MailDelivery) async throws -> Int {
    let worker = delivery.worker(pool: world.mail.mailPool, holder: "test", log: OutboxDeliveryTests.log)
    return try await worker.runOnce(deadline: TestDatabase.deadline)
  }

  private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  @Test("go with the mail, under their names and byte for byte, and none of them with the next one")
  func sent() async throws {
    let picture = Self.png + (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let note = Array("안녕하세요\n.\n".utf8)
    try await answer([try await upload("영수증 (최종).png", picture), try await upload("안내.txt", note)])
    try await answer([])
    let delivery = try world.mail.spooled()
    while try await work(delivery) > 0 {}
    let mails = try world.mail.mails()
    #expect(mails.count == 2 && mails.allSatisfy { $0.defects.isEmpty })
    let mail = try #require(mails.first { !$0.files.isEmpty })
    #expect(mail.files.map(\.name) == ["영수증 (최종).png", "안내.txt"])
    #expect(mail.files.map(\.type) == ["image/png", "text/plain"])
    #expect(mail.files.map { Array($0.content) } == [picture, note])
    #expect(mail.parts.map(\.type) == ["text/plain", "text/html"])
    #expect(mails.contains { $0.files.isEmpty })
  }

  @Test("are shown by a preview, which leaves them unused, in the mail's order")
  func preview() async throws {
    let receipt = try await upload("영수증.png", Self.png)
    let note = try await upload("안내.txt", Array("안녕하세요".utf8))
    for _ in 0..<2 {
      let shown = try await preview([note, receipt])
      #expect(shown.attachments.map(\.fileName) == ["영수증.png", "안내.txt"])
      #expect(shown.attachments.map(\.name) == [receipt, note])
      #expect(shown.attachments.map(\.sizeBytes) == [8, 15])
    }
    try await answer([note, receipt])
    #expect(try await work(try world.mail.spooled()) == 1)
    #expect(try world.mail.mails().first?.files.map(\.name) == ["영수증.png", "안내.txt"])
    // Now they are used.
    #expect(await refusal { try await preview([receipt]) }?.reason == .attachmentNotFound)
  }

  @Test("are refused by a preview as by the answer")
  func previewRefusals() async throws {
    var files: [String] = []
    for number in UInt8(0)..<2 {
      files.append(try await upload("\(number).txt", [UInt8](repeating: 0x61 + number, count: 8 << 20)))
    }
    let large = await refusal { try await preview(files) }
    #expect(large?.violations.map(\.field) == ["attachments"])
    #expect(large?.violations.first?.description.contains("16 MB") == true, "\(String(describing: large))")
    let rows: [([String], Reason)] = [
      (["services/care/attachments/999"], .attachmentNotFound), (["services/bugs/attachments/1"], .attachmentNotFound),
      (["attachments/1"], .requestInvalid), ([files[0], files[0]], .requestInvalid),
      ((1...6).map { "services/care/attachments/\($0)" }, .requestInvalid),
    ]
    for (names, reason) in rows {
      #expect(await refusal { try await preview(names) }?.reason == reason, "\(names)")
    }
    let others = world.mail.call(agent: MailWorld.outsider)
    let request = PreviewAnswerRequest(
      ticket: world.mail.name(ticket), act: .resolve, text: "답변", attachments: [files[0]])
    #expect(await refusal { try await world.mail.service.previewAnswer(request, others) }?.reason == .ticketNotFound)
  }

  @Test("go under the names that masks have left them")
  func masked() async throws {
    try await answer([try await upload("010-1234-5678.png", Self.png)])
    _ = try await world.mail.database.pool.query(
      "UPDATE attachment SET file_name = '*************.png'", deadline: TestDatabase.deadline)
    #expect(try await work(try world.mail.spooled()) == 1)
    #expect(try world.mail.mails().first?.files.map(\.name) == ["*************.png"])
  }

  @Test("wait, and no attempt is counted, while others take the memory that there is for them")
  func crowded() async throws {
    try await answer([try await upload("영수증.png", Self.png)])
    let delivery = try world.mail.spooled()
    var others = delivery.budget.begin()
    let isTaken = others.take(delivery.budget.bytesMax)
    #expect(isTaken)
    #expect(try await work(delivery) == 1)
    #expect(try await world.mail.messages(ticket).isEmpty)
    #expect(
      try await world.number("SELECT count(*) FROM outbox WHERE topic = 'MAIL' AND attempt_count = 0") == 1)
    others.end()
    _ = try await world.mail.database.pool.query(
      "UPDATE outbox SET due_time = clock_timestamp()", deadline: TestDatabase.deadline)
    #expect(try await work(delivery) == 1)
    #expect(try world.mail.mails().first?.files.map(\.name) == ["영수증.png"])
    #expect(try await world.mail.messages(ticket).map(\.attemptCount) == [1])
  }

  @Test("that are too large for a mail are refused with the answer, and taken with a comment")
  func tooLarge() async throws {
    var files: [String] = []
    for number in UInt8(0)..<2 {
      files.append(try await upload("\(number).txt", [UInt8](repeating: 0x61 + number, count: 8 << 20)))
    }
    let refused = await #expect(throws: RPCError.self) { try await answer(files, act: .resolve) }
    let error = try #require(refused.map { ServiceError($0) })
    #expect(error.reason == .requestInvalid && error.violations.map(\.field) == ["attachments"])
    #expect(error.violations.first?.description.contains("16 MB") == true, "\(error.violations)")
    #expect(try await world.number("SELECT count(*) FROM outbox WHERE topic = 'MAIL'") == 0)
    try await answer(files, act: .comment)
    #expect(try await world.number("SELECT count(*) FROM attachment WHERE ticket_id IS NOT NULL") == 2)
  }
}
