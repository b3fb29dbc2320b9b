import Foundation
import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import Testing

@testable import TicketLedger

@Suite struct VocabularyTests {
  /// The values of an enum, its proto and its CHECK list.
  private func check<Value: CaseIterable & RawRepresentable<String>, Proto: ProtoEnum>(
    _: Value.Type, _: Proto.Type
  ) where Value: Equatable, Value.AllCases == [Value] {
    let declared = Proto.allValues.filter { $0.rawValue != 0 }.sorted { $0.rawValue < $1.rawValue }
    #expect(declared.map(\.protoName) == Value.allCases.map { $0.rawValue as String? }, "\(Proto.self)")
    #expect(declared.map(\.rawValue) == Value.allCases.map(\.number), "\(Proto.self)")
    #expect(Value.allCases.map { Value(number: $0.number) } == Value.allCases)
    #expect(Value(number: 0) == nil && Value(number: 1000) == nil)
  }

  @Test("the values of Swift, proto and database are the same words and numbers")
  func protoValues() {
    check(TicketState.self, Ticket.State.self)
    check(TicketPriority.self, Ticket.Priority.self)
    check(TicketChannel.self, Ticket.Channel.self)
    check(InternalReason.self, Ticket.InternalReason.self)
    check(EntryKind.self, Entry.Kind.self)
    check(EntryAct.self, Entry.Act.self)
    check(ActorKind.self, Actor.Kind.self)
    check(ServiceKind.self, Service.Kind.self)
    check(MemberRole.self, Member.Role.self)
    check(ReplyPolicy.self, Service.ReplyPolicy.self)
  }

  @Test("the CHECK lists of the schema hold exactly the values of the enums")
  func checkLists() async throws {
    let database = try await TestDatabase.make()
    let rows = try await database.pool.query(
      "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'",
      deadline: TestDatabase.deadline)
    let checks = Dictionary(
      try rows.map { (try $0.string(0), try $0.string(1)) }, uniquingKeysWith: { first, _ in first })
    func values(_ constraint: String) -> [String] {
      (checks[constraint] ?? "").split(separator: "'").enumerated().filter { $0.offset % 2 == 1 }.map {
        String($0.element)
      }
    }
    #expect(values("ticket_state_known") == TicketState.allCases.map(\.rawValue))
    #expect(values("ticket_priority_known") == TicketPriority.allCases.map(\.rawValue))
    #expect(values("ticket_channel_known") == TicketChannel.allCases.map(\.rawValue))
    #expect(values("ticket_internal_reason_known") == InternalReason.allCases.map(\.rawValue))
    #expect(values("ticket_entry_kind_known") == EntryKind.allCases.map(\.rawValue))
    #expect(values("ticket_entry_act_known") == EntryAct.allCases.map(\.rawValue))
    #expect(values("ticket_entry_actor_kind_known") == ActorKind.allCases.map(\.rawValue))
    #expect(values("ticket_escalated_to_known") == EscalatedTo.allCases.map(\.rawValue))
    #expect(values("service_kind_known") == ServiceKind.allCases.map(\.rawValue))
    #expect(values("service_reply_policy_known") == ReplyPolicy.allCases.map(\.rawValue))
    #expect(values("service_member_role_known") == MemberRole.allCases.map(\.rawValue))
    #expect(values("outbox_topic_known") == OutboxTopic.allCases.map(\.rawValue))
    for code in EventCode.allCases {
      #expect(code.rawValue.utf8.count <= 40 && code.rawValue.allSatisfy { $0 == "_" || $0.isUppercase })
    }
  }

  @Test("what the first event covers is every text that a ticket has of its own")
  func ticketTexts() {
    let copies = TextCopies.all.filter { $0.table == "ticket" }.map { "\($0.name) \($0.field ?? "")" }
    #expect(TicketText.allCases.map { "\($0.column) \($0.rawValue)" }.sorted() == copies.sorted())
  }

  @Test("the page of the API says of every event what happened, and of no other")
  func eventCodes() throws {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/api.md")
    let parts = try String(contentsOf: page, encoding: .utf8)
      .components(separatedBy: "\n| code | what happened |\n|---|---|\n")
    try #require(parts.count == 2)
    let rows = parts[1].components(separatedBy: "\n\n")[0].split(separator: "\n").map { row in
      row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    for row in rows { #expect(row.count == 2 && row.last?.hasSuffix(".") == true, "\(row)") }
    #expect(rows.map { $0[0] }.sorted() == EventCode.allCases.map { "`\($0.rawValue)`" }.sorted())
  }

  @Test("every text column of the schema is a known place of a customer's words, or known to hold none")
  func textColumns() async throws {
    let database = try await TestDatabase.make()
    let rows = try await database.pool.query(
      """
      SELECT table_name::text, column_name::text FROM information_schema.columns
      WHERE table_schema = 'handoff'
        AND data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'ARRAY')
        AND NOT (data_type = 'ARRAY' AND udt_name NOT IN ('_text', '_varchar', '_jsonb'))
      """, deadline: TestDatabase.deadline)
    let columns = Set(try rows.map { "\(try $0.string(0)).\(try $0.string(1))" })
    let copies = TextCopies.all.map { "\($0.table).\($0.column)" }
    let wordless = TextCopies.wordless.flatMap { table, columns in columns.map { "\(table).\($0)" } }
    let known = Set(copies).union(wordless)
    #expect(known.count == copies.count + wordless.count, "a column is listed twice")
    let unknown = columns.subtracting(known).sorted()
    #expect(
      unknown.isEmpty, "enter these in TextCopies, as copies of a customer's words or as wordless: \(unknown)")
    #expect(known.subtracting(columns).isEmpty, "the schema has no such columns any more")
  }

  @Test("every column of bytes is known to hold no words in clear")
  func byteColumns() async throws {
    let database = try await TestDatabase.make()
    let rows = try await database.pool.query(
      """
      SELECT table_name::text, column_name::text FROM information_schema.columns
      WHERE table_schema = 'handoff' AND (data_type = 'bytea' OR udt_name = '_bytea')
      """, deadline: TestDatabase.deadline)
    let columns = Set(try rows.map { "\(try $0.string(0)).\(try $0.string(1))" })
    let known = Set(TextCopies.wordlessBytes.flatMap { table, columns in columns.map { "\(table).\($0)" } })
    #expect(columns.subtracting(known).sorted() == [], "say in TextCopies.wordlessBytes that these hold no words")
    #expect(known.subtracting(columns).sorted() == [], "the schema has no such columns any more")
  }
}
