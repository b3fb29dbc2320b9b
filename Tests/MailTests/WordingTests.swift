import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("layouts and banned words, which administrators change", .timeLimit(.minutes(5)))
struct WordingTests {
  private static let boss = MailWorld.administrator
  private let world: MailWorld

  init() async throws {
    world = try await MailWorld()
    for statement: Query in [
      "SELECT setval(pg_get_serial_sequence('mail_layout', 'id'), 10)",
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, options, is_administrators_only)
      VALUES (1, 1, 'order_number', 'TEXT', 'CUSTOMER', '주문 번호', '{}', false),
        (1, 2, 'products', 'CHECKBOX', 'CUSTOMER', '제품', ARRAY['세탁기', '냉장고'], false),
        (1, 3, 'note', 'TEXT', 'AGENT', '내부', '{}', true), (1, 4, 'color', 'TEXT', 'CUSTOMER', '색', '{}', false)
      """,
    ] { _ = try await world.database.pool.query(statement, deadline: TestDatabase.deadline) }
  }

  private func save(
    _ kind: Layout.Kind = .resolved, _ language: String = "ko", subject: String = "[#{serviceName}] 새로",
    body: String = "새 #{content}", replaces: String = "", by agent: AgentID = WordingTests.boss
  ) async throws -> Layout {
    try await world.service.createLayout(
      CreateLayoutRequest(
        parent: "services/care", layout: Layout(kind: kind, language: language, subject: subject, body: body),
        replaces: replaces), world.call(agent: agent))
  }

  private func layouts() async throws -> [String] {
    try await world.service.listLayouts(ListLayoutsRequest(parent: "services/care"), world.asAgent).layouts.map(\.name)
  }

  @Test("a layout takes the place of the one that was seen; a mail that waits keeps the one it was prepared with")
  func replaces() async throws {
    let order = try await world.act(try await world.ticket())
    let saved = try await save(replaces: "services/care/mailLayouts/1")
    #expect(try await layouts() == [4, 2, 3, 11].map { "services/care/mailLayouts/\($0)" })
    #expect(try await save() == saved, "what is there already stays")

    let late = await refusal { try await save(body: "#{content}!", replaces: "services/care/mailLayouts/1") }
    #expect(late?.reason == .staleVersion && late?.metadata["current"] == saved.name)

    _ = try await world.spooled().carryOut(order, deadline: TestDatabase.deadline)
    let other = try await world.act(try await world.ticket())
    _ = try await world.spooled().carryOut(other, deadline: TestDatabase.deadline)
    let texts = try world.mails().map { $0.parts[0].text.replacing("\r\n", with: "\n") }
    #expect(texts.filter { $0.hasPrefix("김철수 님, 곧 도착합니다.") }.count == 1, "\(texts)")
    #expect(texts.filter { $0.hasPrefix("새 곧 도착합니다.") }.count == 1, "\(texts)")
  }

  @Test("without a layout of a kind another one serves, and what is out of use is found no more")
  func deleted() async throws {
    let name = "services/care/mailLayouts/4"
    let boss = world.call(agent: Self.boss)
    _ = try await world.service.deleteLayout(DeleteLayoutRequest(name: name), boss)
    let manual = try await world.ticket(MailWorld.Shape(channel: .manual))
    #expect(try await world.prepare(manual).layout == "services/care/mailLayouts/1")
    let again = await refusal { try await world.service.deleteLayout(DeleteLayoutRequest(name: name), boss) }
    #expect(again?.reason == .layoutNotFound)
    let stale = await refusal { try await save(.manual, replaces: name) }
    #expect(stale?.reason == .staleVersion && stale?.metadata["current"] == "")
    #expect(try await save(.manual).kind == .manual)
  }

  @Test("fields' values stand in mails as in their preview; codes that mean nothing are told and left as they stand")
  func fields() async throws {
    let body = "#{content} #{field.order_number} #{field.products} [#{field.color}] #{field.note} #{field.gone} #{x}"
    let saved = try await save(body: body, replaces: "services/care/mailLayouts/1")
    #expect(saved.unknownCodes == ["field.note", "field.gone", "x"])
    let ticket = try await world.ticket()
    _ = try await world.database.pool.query(
      """
      INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
      VALUES (1, \(ticket.id), 1, '<A-17>'), (1, \(ticket.id), 2, \("세탁기\n냉장고")), (1, \(ticket.id), 3, '내부용')
      """, deadline: TestDatabase.deadline)
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: world.name(ticket), act: .resolve, text: "답변"), world.asAgent)
    #expect(preview.text == "답변 <A-17> 세탁기, 냉장고 [] #{field.note} #{field.gone} #{x}\n")
    #expect(preview.html.contains("&lt;A-17&gt;") && preview.unknownCodes == ["field.note", "field.gone", "x"])
    let order = try await world.act(ticket, .resolve, "답변")
    _ = try await world.spooled().carryOut(order, deadline: TestDatabase.deadline)
    #expect(try world.mails().map { $0.parts[0].text.replacing("\r\n", with: "\n") } == [preview.text])
  }

  @Test("a layout that cannot serve is refused with everything that is wrong, and nobody but administrators saves")
  func refused() async throws {
    let error = await refusal {
      try await save(
        .unspecified, "korean", subject: "a\nb", body: "ohne #{Content}", replaces: "services/care/mailLayouts/x")
    }
    #expect(
      error?.violations.map(\.field) == [
        "layout.kind", "layout.language", "layout.subject", "layout.body", "replaces",
      ])
    let long = await refusal { try await save(body: "#{content}" + String(repeating: "가", count: 20_000)) }
    #expect(long?.violations.first?.field == "layout.body")
    #expect(await refusal { try await save(by: MailWorld.agent) }?.reason == .permissionDenied)
    #expect(await refusal { try await save(by: MailWorld.outsider) }?.reason == .serviceNotFound)
    let foreign = await refusal { try await save(replaces: "services/bugs/mailLayouts/1") }
    #expect(foreign?.reason == .layoutNotFound)
  }

  @Test("languages and kinds are bounded")
  func limit() async throws {
    _ = try await world.database.pool.query(
      """
      INSERT INTO mail_layout (service_id, kind, language, subject, body)
      SELECT 1, k, chr(97 + n / 26) || chr(97 + n % 26), 's', '#{content}'
      FROM unnest(ARRAY['RESOLVED', 'PENDING', 'MANUAL']) AS k, generate_series(0, 31) AS n
      """, deadline: TestDatabase.deadline)
    #expect(await refusal { try await save(.resolved, "zz") }?.reason == .limitReached)
    #expect(try await save(replaces: "services/care/mailLayouts/1").kind == .resolved, "a change adds none")
  }

  private func change(
    _ added: [String], _ removed: [String] = [], by agent: AgentID = WordingTests.boss
  ) async throws -> ChangeBannedWordsResponse {
    try await world.service.changeBannedWords(
      ChangeBannedWordsRequest(parent: "services/care", added: added, removed: removed), world.call(agent: agent))
  }

  @Test("banned words are added and removed together, and count at once")
  func words() async throws {
    let ticket = try await world.ticket()
    _ = try await world.prepare(ticket, .resolve, "환불 불가입니다")
    let changed = try await change([" 환불 불가 ", "damn"], ["절대불가", "없는 말"])
    #expect(changed == ChangeBannedWordsResponse(addedCount: 1, removedCount: 1, wordCount: 2))
    #expect(await refusal { try await world.prepare(ticket, .resolve, "환불\u{200B} 불가입니다") }?.reason == .bannedWords)
    _ = try await world.prepare(ticket, .resolve, "절대불가")
    let boss = world.call(agent: Self.boss)
    let first = try await world.service.listBannedWords(
      ListBannedWordsRequest(parent: "services/care", pageSize: 1), boss)
    let second = try await world.service.listBannedWords(
      ListBannedWordsRequest(parent: "services/care", pageSize: 1, pageToken: first.nextPageToken), boss)
    #expect(first.words + second.words == ["damn", "환불 불가"] && second.nextPageToken.isEmpty)
  }

  @Test("words that nobody can see, both ways at once, or too many are refused, and nothing is changed")
  func refusedWords() async throws {
    let error = await refusal {
      try await change(["", "\u{200B}", "a\nb", String(repeating: "x", count: 101), "damn"], ["damn"])
    }
    #expect(
      error?.violations.map(\.field) == ["added[0]", "added[1]", "added[2]", "added[3]", "removed"],
      "\(String(describing: error?.violations))")
    #expect(await refusal { try await change((0...1000).map { "w\($0)" }) }?.violations.first?.field == "added")
    _ = try await world.database.pool.query(
      "INSERT INTO banned_word (service_id, word) SELECT 1, 'word ' || n FROM generate_series(1, 19998) AS n",
      deadline: TestDatabase.deadline)
    #expect(await refusal { try await change(["one more"]) }?.reason == .limitReached)
    #expect(try await change(["one more"], ["damn"]).wordCount == 20_000)
    #expect(await refusal { try await change(["x"], by: MailWorld.agent) }?.reason == .permissionDenied)
    let list = ListBannedWordsRequest(parent: "services/care")
    #expect(
      await refusal { try await world.service.listBannedWords(list, world.asAgent) }?.reason == .permissionDenied)
  }
}
