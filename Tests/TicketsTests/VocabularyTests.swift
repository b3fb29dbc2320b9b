import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import ServiceKit
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

  /// The values that the API declares, in the order of their numbers, without the 0 of what is left out.
  private static func declared<Proto: ProtoEnum>(_: Proto.Type) -> [Proto] {
    Proto.allValues.filter { $0.rawValue != 0 }.sorted { $0.rawValue < $1.rawValue }
  }

  /// A name of Swift as the API writes it: `myCallBacks` is MY_CALL_BACKS.
  private static func word(_ name: some Any) -> String {
    "\(name)".reduce(into: "") { $0 += $1.isUppercase ? "_\($1)" : $1.uppercased() }
  }

  @Test("the menus of lists are those of the API, by number and by name")
  func menus() {
    let declared = Self.declared(ListTicketsRequest.Menu.self)
    #expect(declared.map(\.rawValue) == ListMenu.allCases.map(\.rawValue))
    #expect(declared.map(\.protoName) == ListMenu.allCases.map { Self.word($0) })
    #expect(declared.map { ListMenu(number: $0.rawValue) } == ListMenu.allCases)
  }

  /// An act of ProcessTicket as the API knows it; there is none here that it does not know.
  private static func message(_ act: ProcessAct) -> ProcessTicketRequest.Act {
    switch act {
    case .resolve: .resolve
    case .hold: .hold
    case .comment: .comment
    case .resolveInternally: .resolveInternally
    }
  }

  @Test("the acts of ProcessTicket are those of the API, of batches and of the lifecycle table, by number and by name")
  func processActs() throws {
    func order(_ number: Int32) throws(ServiceError) -> ProcessOrder {
      let act = ProcessTicketRequest.Act(rawValue: number)
      return try ProcessOrder(
        ProcessTicketRequest(
          name: "services/care/tickets/1", act: act, text: "x",
          internalReason: act == .resolveInternally ? .others : .unspecified))
    }
    let declared = Self.declared(ProcessTicketRequest.Act.self)
    for act in declared {
      let known = try order(act.rawValue).act
      #expect(Self.message(known) == act && known.lifecycleAct.rawValue == act.protoName, "\(act)")
    }
    #expect(declared.map(\.protoName) == BatchAct.allCases.filter(\.takesText).map(\.rawValue))
    #expect(declared.map(\.rawValue) == BatchAct.allCases.filter(\.takesText).map(\.number))
    for number in [0, Int32(declared.count + 1), -1] {
      let error = #expect(throws: ServiceError.self) { try order(number) }
      #expect(error?.violations.map(\.field) == ["act"], "\(number)")
    }
  }

  /// Acts of the lifecycle table that have another name where they are offered.
  private static let otherNames: [LifecycleAct: String] = [
    .saveFields: "UPDATE", .restoreFromSpam: "RESTORE", .deleteFromSpam: "DELETE",
  ]

  /// Acts of agents that are never offered on a ticket, and why.
  private static let neverOffered: [LifecycleAct: String] = [
    .create: "before it there is no ticket", .createAssigned: "as CREATE",
    .mask: "what can be masked is a matter of the texts, and masking's",
  ]

  @Test("what agents are offered are the acts of the API, and all that the lifecycle table lets agents do")
  func offeredActs() {
    let offered = TicketService.offeredActs
    #expect(offered.map(\.act) == Self.declared(ListActsResponse.Act.self))
    let reasons = Set(InternalReason.allCases.map(LifecycleAct.resolvingInternally))
    for (act, rules) in offered {
      let names = rules.map { Self.otherNames[$0] ?? $0.rawValue }
      #expect(names.first == act.protoName, "\(act)")
      #expect(Set(rules) == (act == .resolveInternally ? reasons : [rules[0]]), "\(act)")
    }
    let agents: Set<LifecycleRole> = [.agent, .forwarder, .administrator]
    let byAgents = Lifecycle.rules.filter { !agents.isDisjoint(with: $0.roles) }.map(\.act)
    let rules = Set(offered.flatMap(\.rules))
    #expect(rules.union(Self.neverOffered.keys) == Set(byAgents))
    #expect(rules.isDisjoint(with: Self.neverOffered.keys))
  }
}
