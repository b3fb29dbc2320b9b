import Assignment
import Testing

@Suite("Triggers look at tickets through one table")
struct TriggerConditionTests {
  private static let facts: TicketFacts = {
    var facts = TicketFacts([
      .cause: ["CHANGED"],
      .state: ["PROCESSING"],
      .priority: ["HIGH"],
      .submissionType: ["services/care/submissionTypes/12", "services/care/submissionTypes/3"],
      .title: ["Refund for ORDER 7"],
      .content: ["주문을 취소하고 싶어요"],
    ])
    facts.changes = [
      .state: .init(before: ["UNASSIGNED"], after: ["PROCESSING"]),
      .agent: .init(before: [], after: ["agents/1"]),
    ]
    facts.createTime = 1_000_000
    return facts
  }()

  private func fires(_ tree: ConditionTree) -> Bool {
    TriggerMatching(CompiledTriggers([tree]), on: Self.facts).next(from: 0) == 0
  }

  private func line(_ target: TriggerTarget, _ comparison: TriggerOperator, _ values: String...) -> ConditionTree {
    .line(ConditionLine(target, comparison, values))
  }

  @Test("each operator holds or not, also on empty values")
  func operators() {
    let rows: [(ConditionTree, Bool)] = [
      (line(.cause, .isIn, "CREATED", "CHANGED"), true),
      (line(.cause, .isIn, "CREATED"), false),
      (line(.state, .isNotIn, "RESOLVED"), true),
      (line(.state, .isNotIn, "PROCESSING", "RESOLVED"), false),
      (line(.submissionType, .isIn, "services/care/submissionTypes/3"), true),
      (line(.submissionType, .isNotIn, "services/care/submissionTypes/3"), false),
      (line(.title, .contains, "order", "invoice"), true),
      (line(.title, .contains, "invoice"), false),
      (line(.title, .containsNot, "invoice"), true),
      (line(.title, .isIn, "Refund for ORDER 7"), true),
      (line(.title, .isIn, "refund for order 7"), false),
      (line(.content, .contains, "취소"), true),
      (line(.group, .isEmpty), true),
      (line(.group, .isNotEmpty), false),
      (line(.group, .isIn, "services/care/groups/1"), false),
      (line(.group, .isNotIn, "services/care/groups/1"), true),
      (line(.title, .isNotEmpty), true),
      (line(.state, .changed), true),
      (line(.priority, .changed), false),
      (line(.state, .changedTo, "PROCESSING", "PENDING"), true),
      (line(.state, .changedTo, "UNASSIGNED"), false),
      (line(.state, .changedFrom, "UNASSIGNED"), true),
      (line(.agent, .changedTo, "agents/1"), true),
      (line(.agent, .changedFrom, "agents/1"), false),
      (line(.createTime, .before, "1000001"), true),
      (line(.createTime, .before, "1000000"), false),
      (line(.createTime, .after, "1000000"), true),
      (line(.createTime, .after, "1000001"), false),
    ]
    for (tree, expected) in rows {
      #expect(fires(tree) == expected, "\(tree)")
      #expect(fires(.none([tree])) == !expected, "not \(tree)")
    }
  }

  @Test("required lines must all hold, and one of the optional ones if there are any; groups stand in groups")
  func combination() {
    let yes = line(.priority, .isIn, "HIGH")
    let no = line(.priority, .isIn, "LOW")
    let rows: [(ConditionTree, Bool)] = [
      (.trigger(required: [yes], optional: []), true),
      (.trigger(required: [yes, no], optional: []), false),
      (.trigger(required: [yes], optional: [no]), false),
      (.trigger(required: [yes], optional: [no, yes]), true),
      (.trigger(required: [no], optional: [yes]), false),
      (.trigger(required: [], optional: [yes, no]), true),
      (.trigger(required: [], optional: [no]), false),
      (.all([.any([no, yes]), .none([no])]), true),
      (.all([.any([no, .all([yes, .none([yes])])])]), false),
      (.any([]), false),
      (.none([]), true),
    ]
    for (index, (tree, expected)) in rows.enumerated() { #expect(fires(tree) == expected, "row \(index)") }
  }

  @Test("every target stands in the table once, and text targets are not asked whether they changed")
  func table() {
    #expect(TriggerTargetRule.all.map(\.target) == TriggerTarget.allCases)
    for rule in TriggerTargetRule.all where rule.valueKind == .text {
      #expect(!rule.operators.contains { $0.looksAtChanges } && rule.operators.contains(.contains))
    }
    #expect(TriggerTargetRule.of(.sourceService, inIssueService: false) == nil)
    #expect(TriggerTargetRule.of(.sourceService, inIssueService: true) != nil)
  }

  @Test("what a trigger did is seen by those behind it, and by no other")
  func order() {
    let triggers = CompiledTriggers([
      line(.group, .isNotEmpty), line(.group, .isEmpty), line(.group, .isIn, "a"), line(.group, .isIn, "b"),
    ])
    var matching = TriggerMatching(triggers, on: Self.facts)
    #expect(matching.next(from: 0) == 1)
    matching.update(.group, to: ["a"])
    #expect(matching.next(from: 2) == 2)
    matching.update(.group, to: ["b"])
    #expect(matching.next(from: 3) == 3 && matching.next(from: 4) == nil && matching.fires(0))
  }

  @Test("searching finds what a plain comparison finds")
  func search() {
    let words = ["a", "b", "aab", "aaab", "ababac", "abac", "z", "취소", "소"]
    let matcher = TextMatcher(words.enumerated().map { ($1, Int32($0)) } + [("", 99)])
    for text in ["", "a", "aab", "aabaaab", "abababac", "xababac", "주문을 취소해요", "aaaaaaaaaaaab"] {
      var found: [Int32] = []
      matcher.find(in: text) { found.append($0) }
      let plain = words.indices.filter { text.contains(words[$0]) }.map { Int32($0) }
      #expect(found.sorted() == plain, "\(text)")
    }
  }

  @Test("times of conditions are read strictly")
  func times() {
    let rows: [(String, Int64?)] = [
      ("1970-01-01T00:00:00Z", 0), ("2026-01-31T09:30:00Z", 1_769_851_800_000_000),
      ("2024-02-29T23:59:59Z", 1_709_251_199_000_000), ("2000-03-01T00:00:00Z", 951_868_800_000_000),
      ("2023-02-29T00:00:00Z", nil), ("2026-13-01T00:00:00Z", nil), ("2026-00-01T00:00:00Z", nil),
      ("2026-01-31 09:30:00Z", nil), ("2026-01-31T09:30:00+09:00", nil), ("2026-01-31T24:00:00Z", nil), ("", nil),
      ("1969-12-31T23:59:59Z", nil),
    ]
    for (text, expected) in rows { #expect(RFC3339Time.microseconds(text) == expected, "\(text)") }
  }
}

@Suite("Sequential distribution")
struct RotationTests {
  @Test("agents take turns in the order of the list, and who is away burdens nobody in particular")
  func turns() {
    func run(_ agents: [String]) -> [String?] { (0..<6).map { Rotation.pick(turn: $0, from: agents) } }
    #expect(run(["a", "b", "c"]) == ["a", "b", "c", "a", "b", "c"])
    #expect(run(["a", "c"]) == ["a", "c", "a", "c", "a", "c"])
    #expect(run([]) == [nil, nil, nil, nil, nil, nil])
  }

  @Test("the first thing that stands in an agent's way is named")
  func obstacles() {
    let rows: [(AssignmentStanding, AssignmentObstacle?)] = [
      (.init(isActive: true, mayWorkOnTickets: true, isAssignable: true, isInGroup: true), nil),
      (.init(isActive: false, mayWorkOnTickets: false, isAssignable: false, isInGroup: false), .inactive),
      (.init(isActive: true, mayWorkOnTickets: false, isAssignable: true, isInGroup: true), .noTicketRight),
      (.init(isActive: true, mayWorkOnTickets: true, isAssignable: false, isInGroup: false), .switchedOff),
      (.init(isActive: true, mayWorkOnTickets: true, isAssignable: true, isInGroup: false), .notInGroup),
    ]
    for (standing, obstacle) in rows { #expect(standing.obstacle == obstacle) }
  }
}
