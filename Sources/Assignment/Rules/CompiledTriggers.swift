/// The conditions of a service's triggers, compiled once per version.
///
/// Every value that some condition compares with is an atom, a bit. What a ticket has is looked up once, as the set of
/// its atoms; conditions then test bits. Each trigger hangs on the rarest of its required lines, so that the work grows
/// with the triggers that can match and not with all.
package struct CompiledTriggers: Sendable {
  /// Something that is true of a ticket or not.
  struct Atom: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
      case value, word, empty, changed, changedTo, changedFrom
    }

    let subject: TriggerSubject
    let kind: Kind
    let text: String
  }

  /// A condition over atoms.
  indirect enum Test: Sendable {
    case any([Int])
    case notAny([Int])
    case before(Int64)
    case after(Int64)
    case allOf([Test])
    case anyOf([Test])
    case noneOf([Test])
  }

  /// The number of triggers.
  package let count: Int
  /// Whether a condition looks at the text of the inquiry.
  package let looksAtContent: Bool
  /// Whether a condition looks at what the event of the pass has changed.
  package let looksAtChanges: Bool
  /// The fields that conditions look at, by their ids, ascending.
  package let fields: [Int64]
  let atoms: [Atom: Int]
  let atomCount: Int
  /// The atoms of values and emptiness of what is looked at, which change when it does.
  let valueAtoms: [TriggerSubject: [Int]]
  let matchers: [TriggerSubject: TextMatcher]
  let tests: [Test]
  /// The triggers that hang on an atom.
  let triggersByAtom: [[Int]]
  /// The triggers that hang on none.
  let unanchored: [Int]

  /// Compiles conditions in the order in which triggers run.
  package init(_ trees: [ConditionTree]) {
    var compiler = Compiler()
    let tests = trees.map { compiler.test($0) }
    let lines = trees.flatMap(\.lines)
    count = trees.count
    looksAtContent = lines.contains { $0.target == .content }
    looksAtChanges = lines.contains { $0.comparison.looksAtChanges }
    fields = Set(lines.filter { $0.target == .field }.map(\.field)).sorted()
    atoms = compiler.atoms
    let atomCount = compiler.atoms.count
    self.atomCount = atomCount
    self.tests = tests
    valueAtoms = Dictionary(
      grouping: compiler.atoms.filter { $0.key.kind == .value || $0.key.kind == .empty }, by: \.key.subject
    ).mapValues { $0.map(\.value) }
    matchers = Dictionary(grouping: compiler.atoms.filter { $0.key.kind == .word }, by: \.key.subject)
      .mapValues { entries in TextMatcher(entries.map { ($0.key.text, Int32($0.value)) }) }
    (triggersByAtom, unanchored) = Self.anchored(tests, atomCount)
  }

  /// Hangs each trigger on the required line whose atoms the fewest triggers share.
  private static func anchored(_ tests: [Test], _ atomCount: Int) -> ([[Int]], [Int]) {
    let anchors = tests.map { Self.anchors(of: $0) }
    var popularity = [Int](repeating: 0, count: atomCount)
    for lines in anchors { for line in lines { for atom in line { popularity[atom] += 1 } } }
    var byAtom = [[Int]](repeating: [], count: atomCount)
    var unanchored: [Int] = []
    for (trigger, lines) in anchors.enumerated() {
      let cost = { (line: [Int]) in line.reduce(0) { $0 + popularity[$1] } }
      guard let best = lines.min(by: { cost($0) < cost($1) }) else {
        unanchored.append(trigger)
        continue
      }
      for atom in Set(best) { byAtom[atom].append(trigger) }
    }
    return (byAtom, unanchored)
  }

  /// The lines one of whose atoms a ticket must have, whatever else it has.
  private static func anchors(of test: Test) -> [[Int]] {
    switch test {
    case .any(let atoms): [atoms]
    case .allOf(let tests): tests.flatMap { anchors(of: $0) }
    // One of several lines must hold: together they are one line, if each has atoms.
    case .anyOf(let tests):
      tests.reduce([[]] as [[Int]]?) { joined, test in
        guard let joined, let line = anchors(of: test).first else { return nil }
        return [joined[0] + line]
      } ?? []
    case .notAny, .before, .after, .noneOf: []
    }
  }

  private struct Compiler {
    var atoms: [Atom: Int] = [:]

    mutating func test(_ tree: ConditionTree) -> Test {
      switch tree {
      case .line(let line): test(line)
      case .all(let trees): .allOf(trees.map { test($0) })
      case .any(let trees): .anyOf(trees.map { test($0) })
      case .none(let trees): .noneOf(trees.map { test($0) })
      }
    }

    private mutating func test(_ line: ConditionLine) -> Test {
      switch line.comparison {
      case .isIn: .any(atoms(line, .value))
      case .isNotIn: .notAny(atoms(line, .value))
      case .contains: .any(atoms(line, .word))
      case .containsNot: .notAny(atoms(line, .word))
      case .isEmpty: .any([atom(line.subject, .empty, "")])
      case .isNotEmpty: .notAny([atom(line.subject, .empty, "")])
      case .changed: .any([atom(line.subject, .changed, "")])
      case .changedTo: .any(atoms(line, .changedTo))
      case .changedFrom: .any(atoms(line, .changedFrom))
      case .before: .before(line.values.first.flatMap { Int64($0) } ?? .min)
      case .after: .after(line.values.first.flatMap { Int64($0) } ?? .max)
      }
    }

    private mutating func atoms(_ line: ConditionLine, _ kind: Atom.Kind) -> [Int] {
      line.values.map { atom(line.subject, kind, kind == .word ? $0.lowercased() : $0) }
    }

    private mutating func atom(_ subject: TriggerSubject, _ kind: Atom.Kind, _ text: String) -> Int {
      let key = Atom(subject: subject, kind: kind, text: text)
      if let known = atoms[key] { return known }
      atoms[key] = atoms.count
      return atoms.count - 1
    }
  }
}

/// One ticket on its way through the triggers of a service.
package struct TriggerMatching: Sendable {
  private let triggers: CompiledTriggers
  private let createTime: Int64
  private var atoms: BitSet
  private var candidates: BitSet

  /// Looks at a ticket as it is before the first trigger.
  package init(_ triggers: CompiledTriggers, on facts: TicketFacts) {
    self.triggers = triggers
    createTime = facts.createTime
    atoms = BitSet(count: triggers.atomCount)
    candidates = BitSet(count: triggers.count)
    for trigger in triggers.unanchored { candidates.insert(trigger) }
    for subject in triggers.valueAtoms.keys { put(facts[subject], of: subject) }
    for (subject, matcher) in triggers.matchers {
      for text in facts[subject] { matcher.find(in: text.lowercased()) { set(Int($0)) } }
    }
    for (target, change) in facts.changes {
      let subject = TriggerSubject(target)
      set(.init(subject: subject, kind: .changed, text: ""))
      for value in change.after { set(.init(subject: subject, kind: .changedTo, text: value)) }
      for value in change.before { set(.init(subject: subject, kind: .changedFrom, text: value)) }
    }
  }

  /// The first trigger from `start` on that fires, by its place in the order; nil when none does.
  package func next(from start: Int) -> Int? {
    var place = start
    while let candidate = candidates.next(from: place) {
      if holds(triggers.tests[candidate]) { return candidate }
      place = candidate + 1
    }
    return nil
  }

  /// Whether one trigger fires.
  package func fires(_ trigger: Int) -> Bool { holds(triggers.tests[trigger]) }

  /// Shows the triggers that follow what an earlier one did. Texts never change in a pass.
  package mutating func update(_ target: TriggerTarget, to values: [String]) {
    let subject = TriggerSubject(target)
    guard let changing = triggers.valueAtoms[subject] else { return }
    for atom in changing { atoms.remove(atom) }
    put(values, of: subject)
  }

  private mutating func put(_ values: [String], of subject: TriggerSubject) {
    if values.isEmpty { set(.init(subject: subject, kind: .empty, text: "")) }
    for value in values { set(.init(subject: subject, kind: .value, text: value)) }
  }

  private mutating func set(_ atom: CompiledTriggers.Atom) {
    if let number = triggers.atoms[atom] { set(number) }
  }

  private mutating func set(_ atom: Int) {
    atoms.insert(atom)
    for trigger in triggers.triggersByAtom[atom] { candidates.insert(trigger) }
  }

  private func holds(_ test: CompiledTriggers.Test) -> Bool {
    switch test {
    case .any(let wanted): wanted.contains { atoms.contains($0) }
    case .notAny(let unwanted): !unwanted.contains { atoms.contains($0) }
    case .before(let time): createTime < time
    case .after(let time): createTime >= time
    case .allOf(let tests): tests.allSatisfy { holds($0) }
    case .anyOf(let tests): tests.contains { holds($0) }
    case .noneOf(let tests): !tests.contains { holds($0) }
    }
  }
}

/// Numbers below a bound, one bit each.
struct BitSet: Sendable {
  private var words: [UInt64]

  init(count: Int) { words = [UInt64](repeating: 0, count: (count + 63) / 64) }

  func contains(_ number: Int) -> Bool { words[number >> 6] & (1 << UInt64(number & 63)) != 0 }

  mutating func insert(_ number: Int) { words[number >> 6] |= 1 << UInt64(number & 63) }

  mutating func remove(_ number: Int) { words[number >> 6] &= ~(1 << UInt64(number & 63)) }

  /// The least number in the set that is not below `start`.
  func next(from start: Int) -> Int? {
    var index = start >> 6
    guard index < words.count else { return nil }
    var word = words[index] & (~0 << UInt64(start & 63))
    while word == 0 {
      index += 1
      guard index < words.count else { return nil }
      word = words[index]
    }
    return index << 6 + word.trailingZeroBitCount
  }
}
