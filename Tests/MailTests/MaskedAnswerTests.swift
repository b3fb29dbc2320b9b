import HandoffAPI
import HandoffTestKit
import RPC
import Testing
import TicketLedger

@testable import Mail

@Suite("answers on tickets with masks", .timeLimit(.minutes(5)))
struct MaskedAnswerTests {
  @Test("a preview has asterisks where the mail will have them")
  func preview() async throws {
    let world = try await InboundWorld()
    let ticket = try await world.mail.ticket()
    let name = world.mail.name(ticket)
    let byAgent = CallOptions(
      deadline: TestDatabase.deadline, metadata: Metadata([("handoff-agent", MailWorld.agent.description)]))
    _ = try await world.maskingForAgents.createMasks(
      CreateMasksRequest(parent: name, spans: [TextSpan(start: 0, length: 3, field: "customer.display_name")]), byAgent)
    let text = "김철수 님, 내일 도착합니다."
    let shown = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: name, act: .hold, text: text), world.mail.asAgent)
    #expect(shown.text.contains("*** 님, 내일 도착합니다.") && !shown.text.contains("김철수"))
    _ = try await world.tickets.processTicket(ProcessTicketRequest(name: name, act: .hold, text: text), byAgent)
    let worker = try world.mail.spooled().worker(
      pool: world.mail.mailPool, holder: "test", log: OutboxDeliveryTests.log)
    #expect(try await worker.runOnce(deadline: TestDatabase.deadline) == 1)
    let mail = try #require(try world.mail.mails().first)
    #expect(mail["Subject"] == shown.subject)
    #expect(mail.parts.map(\.normalized.text) == [shown.text, shown.html])
  }
}
