import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import Testing
import TicketLedger

@testable import Tickets

@Suite("words of this service") struct VocabularyTests {
  /// What the lists of the schema hold, by the names of their constraints.
  private static func checkLists() async throws -> [String: [String]] {
    let database = try await TestDatabase.make()
    let rows = try await database.pool.query(
      "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'",
      deadline: TestDatabase.deadline)
    return Dictionary(
      try rows.map { row in
        let quoted = try row.string(1).split(separator: "'").enumerated().filter { $0.offset % 2 == 1 }
        return (try row.string(0), quoted.map { String($0.element) })
      }, uniquingKeysWith: { first, _ in first })
  }

  @Test("the values of Swift, proto and database are the same words, and Swift and proto have the same numbers")
  func words() async throws {
    let lists = try await Self.checkLists()
    func check<Value: CaseIterable & Equatable & RawRepresentable<String>, Proto: ProtoEnum>(
      _: Value.Type, _: Proto.Type, _ constraint: String
    ) where Value.AllCases == [Value] {
      let words = Value.allCases.map(\.rawValue)
      let declared = Proto.allValues.filter { $0.rawValue != 0 }.sorted { $0.rawValue < $1.rawValue }
      #expect(declared.map(\.protoName) == words, "\(Proto.self)")
      #expect(declared.map(\.rawValue) == Value.allCases.map(\.number), "\(Proto.self)")
      #expect(lists[constraint] == words, "\(constraint)")
    }
    check(FieldKind.self, Field.Kind.self, "ticket_field_kind_known")
    check(FieldAudience.self, Field.Audience.self, "ticket_field_audience_known")
    check(TranscriptSpeaker.self, TranscriptLine.Speaker.self, "transcript_line_speaker_known")
    check(CallDirection.self, CallRecord.Direction.self, "call_record_direction_known")
    check(BatchAct.self, Batch.Act.self, "ticket_batch_act_known")
    check(BatchState.self, Batch.State.self, "ticket_batch_state_known")
    check(BatchOutcome.self, BatchResult.Outcome.self, "ticket_batch_item_outcome_known")
    check(TicketPriority.self, Ticket.Priority.self, "ticket_batch_priority_known")
    check(InternalReason.self, Ticket.InternalReason.self, "ticket_batch_internal_reason_known")
    #expect(lists["system_field_code_known"] == SystemFieldCode.allCases.map(\.rawValue))
  }
}
