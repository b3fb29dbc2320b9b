import Assignment
import HandoffTestKit
import Testing

/// The evaluator against a plain one that reads conditions as they are written.
@Suite("The evaluator agrees with a plain one")
struct TriggerEvaluatorTests {
  /// The reference: no atoms, no index, no automaton.
  private static func holds(_ tree: ConditionTree, _ facts: TicketFacts) -> Bool {
    switch tree {
    case .all(let trees): return trees.filter { !holds($0, facts) }.isEmpty
    case .any(let trees): return trees.first { holds($0, facts) } != nil
    case .none(let trees): return trees.filter { holds($0, facts) }.isEmpty
    case .line(let line):
      let values = facts[line.target]
      let change = facts.changes[line.target]
      let overlaps = { (left: [String]) in !Set(left).isDisjoint(with: line.values) }
      let contains = values.contains { text in
        line.values.contains { text.lowercased().contains($0.lowercased()) }
      }
      switch line.comparison {
      case .isIn: return overlaps(values)
      case .isNotIn: return !overlaps(values)
      case .contains: return contains
      case .containsNot: return !contains
      case .isEmpty: return values.isEmpty
      case .isNotEmpty: return !values.isEmpty
      case .changed: return change != nil
      case .changedTo: return overlaps(change?.after ?? [])
      case .changedFrom: return overlaps(change?.before ?? [])
      case .before: return facts.createTime < Int64(line.values[0]) ?? 0
      case .after: return facts.createTime >= Int64(line.values[0]) ?? 0
      }
    }
  }

  /// Random triggers and tickets over few values, so that conditions hold often.
  private struct Maker {
    var random: SeededGenerator

    private static let texts = ["aa", "ab", "Ba", "취소", "aab", "x"]

    mutating func tree(_ depth: Int) -> ConditionTree {
      guard depth > 0, Int.random(in: 0..<3, using: &random) == 0 else { return .line(line()) }
      let trees = (0..<Int.random(in: 1...3, using: &random)).map { _ in tree(depth - 1) }
      return [ConditionTree.all(trees), .any(trees), .none(trees)].randomElement(using: &random) ?? .all(trees)
    }

    mutating func trigger() -> ConditionTree {
      .trigger(
        required: (0..<Int.random(in: 0...3, using: &random)).map { _ in tree(3) },
        optional: (0..<Int.random(in: 0...2, using: &random)).map { _ in tree(2) })
    }

    private mutating func line() -> ConditionLine {
      let rule = TriggerTargetRule.all.randomElement(using: &random) ?? TriggerTargetRule.all[0]
      let comparison = rule.operators.randomElement(using: &random) ?? .isIn
      switch comparison.values {
      case .none: return ConditionLine(rule.target, comparison)
      case .one: return ConditionLine(rule.target, comparison, [String(Int.random(in: 0...9, using: &random))])
      case .some:
        let values = (0..<Int.random(in: 1...3, using: &random)).map { _ in value(of: rule.target) }
        return ConditionLine(rule.target, comparison, values)
      }
    }

    private mutating func value(of target: TriggerTarget) -> String {
      isText(target)
        ? Self.texts.randomElement(using: &random) ?? "x" : "v\(Int.random(in: 0...3, using: &random))"
    }

    private func isText(_ target: TriggerTarget) -> Bool {
      TriggerTargetRule.all.contains { $0.target == target && $0.valueKind == .text }
    }

    mutating func values(of target: TriggerTarget) -> [String] {
      guard !isText(target) else {
        let words = (0..<Int.random(in: 0...3, using: &random)).map { _ in value(of: target) }
        return words.isEmpty ? [] : [words.joined()]
      }
      return (0..<Int.random(in: 0...2, using: &random)).map { _ in value(of: target) }
    }

    mutating func facts() -> TicketFacts {
      var facts = TicketFacts()
      for target in TriggerTarget.allCases { facts[target] = values(of: target) }
      for target in TriggerTarget.allCases where !isText(target) && Int.random(in: 0..<4, using: &random) == 0 {
        facts.changes[target] = .init(before: values(of: target), after: values(of: target))
      }
      facts.createTime = Int64.random(in: 0...9, using: &random)
      return facts
    }
  }

  @Test("on random triggers and random tickets, also after what earlier triggers did")
  func agreement() {
    let count = TestScale.count(usual: 4_000, all: 100_000)
    var maker = Maker(random: SeededGenerator(seed: TestScale.seed))
    let changeable: [TriggerTarget] = [.state, .priority, .group, .agent, .submissionType, .processingType]
    var pairs = 0
    var fired = 0
    while pairs < count {
      let trees = (0..<20).map { _ in maker.trigger() }
      let compiled = CompiledTriggers(trees)
      for _ in 0..<10 {
        var facts = maker.facts()
        var matching = TriggerMatching(compiled, on: facts)
        var place = 0
        for index in trees.indices {
          let expected = Self.holds(trees[index], facts)
          let found = matching.next(from: place) == index
          #expect(found == expected, "\(TestScale.place(pairs)): \(trees[index]) on \(facts)")
          pairs += 1
          guard found else { continue }
          fired += 1
          place = index + 1
          if let target = changeable.randomElement(using: &maker.random) {
            facts[target] = maker.values(of: target)
            matching.update(target, to: facts[target])
          }
        }
      }
    }
    #expect(fired > pairs / 20 && fired < pairs * 19 / 20, "\(fired) of \(pairs) fired: the test says little")
    print("evaluator: \(pairs) trigger and ticket pairs agree, \(fired) fired (HANDOFF_TEST_SEED=\(TestScale.seed))")
  }
}
