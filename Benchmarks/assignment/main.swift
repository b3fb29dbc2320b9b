import Glibc

/// Our side of `scripts/bench assignment`, compiled together with `Sources/Assignment/Rules`, which import nothing.
///
/// Prints one line a measurement: shape, number of triggers, method, nanoseconds of CPU per ticket.

/// The plain way to evaluate: every line of every trigger, as it is written.
func holds(_ tree: ConditionTree, _ facts: TicketFacts) -> Bool {
  switch tree {
  case .all(let trees): return trees.allSatisfy { holds($0, facts) }
  case .any(let trees): return trees.contains { holds($0, facts) }
  case .none(let trees): return !trees.contains { holds($0, facts) }
  case .line(let line):
    let values = facts[line.target]
    switch line.comparison {
    case .isIn: return values.contains { line.values.contains($0) }
    case .isNotIn: return !values.contains { line.values.contains($0) }
    case .contains: return values.contains { text in contains(text.lowercased(), line.values) }
    case .containsNot: return !values.contains { text in contains(text.lowercased(), line.values) }
    case .isEmpty: return values.isEmpty
    default: return false
    }
  }
}

func contains(_ text: String, _ words: [String]) -> Bool {
  words.contains { word in text.contains(word.lowercased()) }
}

/// Small numbers that are the same in every run.
struct Sequence {
  private var state: UInt64 = 7

  mutating func next(below bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
}

/// Ten lines a trigger. In `selective` each asks for one of 1,000 submission types, as triggers of a large service do;
/// in `crowded` all ask for the same cause, so that every trigger can match every ticket.
func triggers(_ count: Int, isSelective: Bool) -> [ConditionTree] {
  (0..<count).map { index in
    let first =
      isSelective
      ? ConditionLine(.submissionType, .isIn, ["type/\(index)"]) : ConditionLine(.cause, .isIn, ["CREATED"])
    let others: [ConditionLine] = [
      ConditionLine(.cause, .isIn, ["CREATED"]),
      ConditionLine(.state, .isIn, ["UNASSIGNED", "PROCESSING"]),
      ConditionLine(.priority, .isNotIn, ["LOW"]),
      ConditionLine(.channel, .isIn, ["EMAIL", "API", "HELP_CENTER"]),
      ConditionLine(.language, .isIn, ["ko", "en"]),
      ConditionLine(.agent, .isEmpty),
      ConditionLine(.title, .containsNot, ["word\(index)a"]),
      ConditionLine(.content, .containsNot, ["word\(index)b"]),
      ConditionLine(.content, .contains, ["need\(index % 50) "]),
    ]
    return .all(([first] + others).map { .line($0) })
  }
}

func tickets(_ count: Int) -> [TicketFacts] {
  var sequence = Sequence()
  return (0..<count).map { index in
    var content = ""
    while content.utf8.count < 600 { content += "need\(sequence.next(below: 500)) 배송이 늦어요 " }
    return TicketFacts([
      .cause: ["CREATED"], .state: ["UNASSIGNED"], .priority: ["NORMAL"], .channel: ["EMAIL"], .language: ["ko"],
      .submissionType: ["type/\(index * 7 % 1000)", "root"], .title: ["문의드립니다 \(index)"], .content: [content],
      .customerName: ["김하늘"], .customerEmail: ["haneul@example.com"],
    ])
  }
}

func processorNanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Prints the CPU per ticket, and returns how often triggers fired.
func measure(
  _ shape: String, _ count: Int, _ method: String, _ tickets: some Collection<TicketFacts>, _ run: (TicketFacts) -> Int
) -> Int {
  var fired = 0
  let begin = processorNanoseconds()
  for facts in tickets { fired += run(facts) }
  print(shape, count, method, (processorNanoseconds() - begin) / UInt64(tickets.count))
  return fired
}

/// What a pass does whose triggers change nothing.
func pass(_ compiled: CompiledTriggers, _ facts: TicketFacts) -> Int {
  let matching = TriggerMatching(compiled, on: facts)
  var fired = 0
  var place = 0
  while let index = matching.next(from: place) {
    fired += 1
    place = index + 1
  }
  return fired
}

@main
enum AssignmentBench {
  static func main() {
    let many = tickets(2_000)
    for isSelective in [true, false] {
      let shape = isSelective ? "selective" : "crowded"
      for count in [10, 100, 1_000] {
        let trees = triggers(count, isSelective: isSelective)
        let compiled = CompiledTriggers(trees)
        _ = measure(shape, count, "compiled", many) { pass(compiled, $0) }
        let few = many.prefix(count == 1_000 ? 50 : 500)
        let plain = measure(shape, count, "plain", few) { facts in trees.count { holds($0, facts) } }
        let agreed = few.reduce(0) { $0 + pass(compiled, $1) }
        guard plain == agreed else {
          print("the two do not agree:", shape, count, plain, agreed)
          exit(1)
        }
      }
    }
  }
}
