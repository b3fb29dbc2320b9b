import Assignment
import Testing

@Suite("Triggers look at tickets through one table")
struct TriggerConditionTests {
  private let facts = TicketFacts([
    .cause: ["CREATED"],
    .state: ["UNASSIGNED"],
    .priority: ["HIGH"],
    .submissionType: ["services/care/submissionTypes/12", "services/care/submissionTypes/3"],
    .title: ["Refund for ORDER 7"],
    .content: ["주문을 취소하고 싶어요"],
  ])

  private func line(
    _ target: TriggerTarget, _ comparison: TriggerOperator, _ values: String..., required: Bool = true
  ) -> TriggerConditionRule {
    TriggerConditionRule(isRequired: required, target: target, comparison: comparison, values: values)
  }

  @Test("each operator holds or not, also on empty values")
  func operators() {
    let rows: [(TriggerConditionRule, Bool)] = [
      (line(.cause, .isIn, "CREATED", "CHANGED"), true),
      (line(.cause, .isIn, "CHANGED"), false),
      (line(.state, .isNotIn, "RESOLVED"), true),
      (line(.state, .isNotIn, "UNASSIGNED", "RESOLVED"), false),
      (line(.submissionType, .isIn, "services/care/submissionTypes/3"), true),
      (line(.submissionType, .isNotIn, "services/care/submissionTypes/3"), false),
      (line(.title, .contains, "order", "invoice"), true),
      (line(.title, .contains, "invoice"), false),
      (line(.title, .containsNot, "invoice"), true),
      (line(.content, .contains, "취소"), true),
      (line(.group, .isEmpty), true),
      (line(.group, .isNotEmpty), false),
      (line(.group, .isIn, "services/care/groups/1"), false),
      (line(.group, .isNotIn, "services/care/groups/1"), true),
      (line(.title, .isNotEmpty), true),
    ]
    for (condition, expected) in rows {
      #expect(TriggerMatching.holds(condition, on: facts) == expected, "\(condition)")
    }
  }

  @Test("required lines must all hold, and one of the optional ones if there are any")
  func combination() {
    let yes = { (required: Bool) in self.line(.cause, .isIn, "CREATED", required: required) }
    let no = { (required: Bool) in self.line(.cause, .isIn, "CHANGED", required: required) }
    let rows: [([TriggerConditionRule], Bool)] = [
      ([yes(true)], true),
      ([yes(true), no(true)], false),
      ([yes(true), no(false)], false),
      ([yes(true), no(false), yes(false)], true),
      ([no(true), yes(false)], false),
      ([yes(false), no(false)], true),
      ([no(false)], false),
    ]
    for (index, (conditions, expected)) in rows.enumerated() {
      #expect(TriggerMatching.fires(conditions, on: facts) == expected, "row \(index)")
    }
  }

  @Test("every target stands in the table once, and text targets know every operator")
  func table() {
    #expect(TriggerTargetRule.all.map(\.target) == TriggerTarget.allCases)
    for rule in TriggerTargetRule.all where rule.valueKind == .text {
      #expect(rule.operators == TriggerOperator.allCases)
    }
  }

  @Test("searching finds what a plain comparison finds")
  func search() {
    for text in ["", "a", "aab", "aabaaab", "abababac", "xababac"] {
      for word in ["a", "b", "aab", "aaab", "ababac", "abac", "z"] {
        let plain = text.utf8.count >= word.utf8.count && text.contains(word)
        #expect(ByteSearch(word).found(in: Array(text.utf8)) == plain, "\(word) in \(text)")
      }
    }
    #expect(ByteSearch("").found(in: []))
  }
}

@Suite("Sequential distribution")
struct RotationTests {
  @Test("agents take turns in the order of the list, and who is away burdens nobody in particular")
  func turns() {
    let agents = ["a", "b", "c"]
    func run(_ away: Set<String>) -> [String?] {
      (0..<6).map { Rotation.pick(turn: $0, from: agents) { !away.contains($0) } }
    }
    #expect(run([]) == ["a", "b", "c", "a", "b", "c"])
    #expect(run(["b"]) == ["a", "c", "a", "c", "a", "c"])
    #expect(run(["a", "b", "c"]) == [nil, nil, nil, nil, nil, nil])
    #expect(Rotation.pick(turn: 4, from: [String]()) { _ in true } == nil)
  }
}
