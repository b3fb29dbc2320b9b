import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What is masked on a ticket, and what people write there afterwards.
@Suite("Masked words do not come back")
struct MaskedWordsTests {
  private static let words = ["이순례", "서울시 강남구 테헤란로 7"]
  private static let text = "받는 사람 이순례, 서울시 강남구 테헤란로 7"

  private let world: ArrivalWorld
  private let source: TicketRecord
  private let issue: TicketRecord
  private var kim: CallOptions { world.world.by(TicketWorld.kim) }

  init() async throws {
    world = try await ArrivalWorld(isMaskingReachable: true)
    let inner = world.world
    (source, issue) = try await inner.escalation()
    _ = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: inner.name(source), text: Self.text), inner.by("mail"))
    try await mask()
  }

  private func mask() async throws {
    let entry = try #require(try await world.entries(world.world.name(source)).last)
    let scalars = Array(Self.text.unicodeScalars)
    let spans = Self.words.map { word in
      let length = word.unicodeScalars.count
      let start = scalars.indices.first { scalars[$0...].starts(with: word.unicodeScalars) } ?? -1
      return TextSpan(entry: entry.name, start: Int32(start), length: Int32(length))
    }
    _ = try await world.masking.createMasks(
      CreateMasksRequest(parent: world.world.name(source), spans: spans), kim)
  }

  /// Rows with an entry, a title or a value of an event that holds what was masked.
  private func clear() async throws -> Int {
    try await world.world.count(
      """
      SELECT count(*) FROM (
        SELECT body FROM ticket_entry UNION ALL SELECT title FROM ticket
        UNION ALL SELECT concat(before_text, after_text) FROM ticket_event_value
        UNION ALL SELECT body FROM dooray_comment UNION ALL SELECT convert_from(payload, 'UTF8') FROM outbox
      ) AS t (text) WHERE text LIKE '%이순례%' OR text LIKE '%테헤란로%'
      """)
  }

  private func last(_ ticket: TicketRecord) async throws -> Entry {
    try #require(try await world.entries(world.world.name(ticket)).last)
  }

  private func isIntact(_ ticket: TicketRecord) async throws -> Bool {
    try await world.client.verifyHistory(VerifyHistoryRequest(name: world.world.name(ticket)), kim).intact
  }

  @Test("a reply that quotes them is stored with masks of its own, on the issue ticket too, which give it back")
  func reply() async throws {
    let quote = "언제 오나요?\n> 받는 사람 이순례, 서울시\n> 강남구 테헤란로 7"
    let hidden = "언제 오나요?\n> 받는 사람 ***, " + String(repeating: "*", count: "서울시\n> 강남구 테헤란로 7".count)
    for _ in 1...2 {
      let reply = try await world.client.appendInquiry(
        AppendInquiryRequest(parent: world.world.name(source), text: quote), world.world.by("mail"))
      #expect(reply.text == hidden && reply.masks.count == 2)
    }
    let copy = try await last(issue)
    #expect(copy.text == hidden && copy.masks.count == 2)
    #expect(try await clear() == 0)
    for mask in copy.masks {
      _ = try await world.masking.unmaskText(UnmaskTextRequest(name: mask.name, reason: "배송"), kim)
    }
    #expect(try await last(issue).text == quote)
    for ticket in [source, issue] { #expect(try await isIntact(ticket)) }
  }

  @Test("an agent's comment, answer and escalation hold them as asterisks, and so does what an issue ticket answers")
  func agents() async throws {
    let act = ProcessTicketRequest(name: world.world.name(issue), act: .comment, text: "이순례 님께 전화했습니다")
    _ = try await world.client.processTicket(act, kim)
    #expect(try await last(issue).text == "*** 님께 전화했습니다")
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: world.world.name(issue), act: .resolve, text: "이순례 님 부품을 바꿨습니다"), kim)
    let answer = try await last(source)
    #expect(answer.kind == .escalation && answer.text == "*** 님 부품을 바꿨습니다" && answer.masks.count == 1)
    _ = try await world.client.escalateTicket(
      EscalateTicketRequest(
        name: world.world.name(source), targetService: "services/bugs",
        submissionType: "services/bugs/submissionTypes/20", title: "이순례 고객", text: "이순례 고객을 다시 봐 주세요"), kim)
    #expect(try await last(source).text == "*** 고객을 다시 봐 주세요")
    #expect(try await world.world.count("SELECT count(*) FROM ticket WHERE title = '*** 고객'") == 1)
    #expect(try await clear() == 0)
    for ticket in [source, issue] { #expect(try await isIntact(ticket)) }
  }

  @Test("with masking out of reach, what is written beside masks is refused, and beside none it is taken")
  func unreachable() async throws {
    let inner = world.world
    let alone = TicketWorld.client(
      TicketService(
        ledger: try TicketWorld.ledger(inner.database, role: "handoff_tickets"), mail: inner.mail,
        assignment: TicketWorld.nowhere, masking: TicketWorld.nowhere))
    func comment(on ticket: TicketRecord) async throws -> Ticket {
      try await alone.processTicket(
        ProcessTicketRequest(name: inner.name(ticket), act: .comment, text: "이순례"), inner.by(TicketWorld.kim))
    }
    #expect(await refusal { try await comment(on: issue) }?.reason == .backendUnavailable)
    let other = try await inner.ticket()
    _ = try await comment(on: other)
    #expect(try await last(other).text == "이순례")
  }

  @Test("a reply to a completed ticket opens one that does not tell them either; its title comes back by itself")
  func followUp() async throws {
    let inner = world.world
    let old = try await inner.ticket(TicketWorld.Shape(state: .completed, title: "이순례 문의", text: Self.text))
    let entry = try #require(try await world.entries(inner.name(old)).first)
    _ = try await world.masking.createMasks(
      CreateMasksRequest(parent: inner.name(old), spans: [TextSpan(entry: entry.name, start: 6, length: 3)]), kim)
    let reply = try await world.client.appendInquiry(
      AppendInquiryRequest(parent: inner.name(old), text: "이순례입니다"), inner.by("mail"))
    #expect(reply.text == "***입니다" && !reply.name.hasPrefix(inner.name(old) + "/"))
    #expect(reply.masks.count == 1)
    // The title was taken over with its asterisks, and with a mask of its own.
    let name = reply.name.split(separator: "/").prefix(4).joined(separator: "/")
    let next = try await inner.client.getTicket(GetTicketRequest(name: name), kim)
    #expect(next.title == "*** 문의" && next.titleMasks.count == 1)
    let own = try #require(next.titleMasks.first)
    #expect(own.name.hasPrefix(name + "/"))
    let whole = try await world.masking.unmaskText(UnmaskTextRequest(name: own.name, reason: "배송"), kim)
    #expect(whole.title == "이순례 문의" && whole.titleMasks.isEmpty)
    #expect(try await inner.client.getTicket(GetTicketRequest(name: inner.name(old)), kim).title == "*** 문의")
    for ticket in [name, inner.name(old)] {
      #expect(try await world.client.verifyHistory(VerifyHistoryRequest(name: ticket), kim).intact)
    }
  }
}
