/// What a trigger's condition can look at.
package enum TriggerTarget: String, CaseIterable, Sendable {
  case cause
  case state
  case priority
  case channel
  case language
  case submissionType
  case group
  case agent
  case title
  case content
  case customerName
  case customerEmail
}

/// How a condition compares.
package enum TriggerOperator: String, CaseIterable, Sendable {
  case isIn
  case isNotIn
  case contains
  case containsNot
  case isEmpty
  case isNotEmpty
}

/// Why a trigger pass runs.
package enum TriggerCause: String, CaseIterable, Sendable {
  case created = "CREATED"
  case customerReplied = "CUSTOMER_REPLIED"
  case processed = "PROCESSED"
  case escalated = "ESCALATED"
  case changed = "CHANGED"
}

/// What the values of a condition are.
package enum TriggerValueKind: Equatable, Sendable {
  /// One of the API's own words, for example `URGENT`.
  case word
  /// A resource name of this kind, for example `groups`.
  case resource(String)
  /// Any words.
  case text
}

/// The one table of conditions: what can be looked at, what it is compared with, and how.
///
/// Validation, evaluation and the API's description all read it, so that a trigger that can be saved can also run.
package struct TriggerTargetRule: Sendable {
  /// What is looked at.
  package let target: TriggerTarget
  /// What the values are.
  package let valueKind: TriggerValueKind
  /// The operators that make sense.
  package let operators: [TriggerOperator]

  private static let words: [TriggerOperator] = [.isIn, .isNotIn]
  private static let optional: [TriggerOperator] = [.isIn, .isNotIn, .isEmpty, .isNotEmpty]
  private static let texts: [TriggerOperator] = TriggerOperator.allCases

  /// Every target, in the order in which the API lists them.
  package static let all: [TriggerTargetRule] = [
    .init(target: .cause, valueKind: .word, operators: words),
    .init(target: .state, valueKind: .word, operators: words),
    .init(target: .priority, valueKind: .word, operators: words),
    .init(target: .channel, valueKind: .word, operators: words),
    .init(target: .language, valueKind: .word, operators: words),
    .init(target: .submissionType, valueKind: .resource("submissionTypes"), operators: optional),
    .init(target: .group, valueKind: .resource("groups"), operators: optional),
    .init(target: .agent, valueKind: .resource("agents"), operators: optional),
    .init(target: .title, valueKind: .text, operators: texts),
    .init(target: .content, valueKind: .text, operators: texts),
    .init(target: .customerName, valueKind: .text, operators: texts),
    .init(target: .customerEmail, valueKind: .text, operators: texts),
  ]

  /// The rule of a target.
  package static func of(_ target: TriggerTarget) -> TriggerTargetRule? { all.first { $0.target == target } }
}

/// One line of a trigger's conditions, ready to be evaluated.
package struct TriggerConditionRule: Equatable, Sendable {
  /// False: one of the optional lines is enough.
  package let isRequired: Bool
  /// What is looked at.
  package let target: TriggerTarget
  /// How it is compared.
  package let comparison: TriggerOperator
  /// What it is compared with; empty for `isEmpty` and `isNotEmpty`.
  package let values: [String]

  /// Creates a line.
  package init(isRequired: Bool, target: TriggerTarget, comparison: TriggerOperator, values: [String]) {
    self.isRequired = isRequired
    self.target = target
    self.comparison = comparison
    self.values = values
  }
}

/// A ticket as conditions see it: the values of each target, none when it is empty.
///
/// A submission type has several values, itself and its ancestors, so that a condition on a type covers the subtree.
package struct TicketFacts: Sendable {
  private var values: [TriggerTarget: [String]]

  /// Creates the facts; a target that is left out is empty.
  package init(_ values: [TriggerTarget: [String]]) { self.values = values }

  /// The values of a target; setting them is how a pass shows later triggers what earlier ones did.
  package subscript(target: TriggerTarget) -> [String] {
    get { values[target] ?? [] }
    set { values[target] = newValue }
  }
}

/// Whether a trigger fires.
package enum TriggerMatching {
  /// True when all required conditions hold and, if there are optional ones, at least one of them does.
  package static func fires(_ conditions: [TriggerConditionRule], on facts: TicketFacts) -> Bool {
    let required = conditions.lazy.filter(\.isRequired)
    let optional = conditions.lazy.filter { !$0.isRequired }
    guard required.allSatisfy({ holds($0, on: facts) }) else { return false }
    return optional.isEmpty || optional.contains { holds($0, on: facts) }
  }

  /// True when one condition holds.
  package static func holds(_ condition: TriggerConditionRule, on facts: TicketFacts) -> Bool {
    let values = facts[condition.target].filter { !$0.isEmpty }
    switch condition.comparison {
    case .isIn: return values.contains { condition.values.contains($0) }
    case .isNotIn: return !values.contains { condition.values.contains($0) }
    case .contains: return containsAny(values, condition.values)
    case .containsNot: return !containsAny(values, condition.values)
    case .isEmpty: return values.isEmpty
    case .isNotEmpty: return !values.isEmpty
    }
  }

  private static func containsAny(_ texts: [String], _ words: [String]) -> Bool {
    texts.contains { text in
      let bytes = Array(text.lowercased().utf8)
      return words.contains { word in ByteSearch(word.lowercased()).found(in: bytes) }
    }
  }
}

/// Finds a word in a text in time linear in both (Knuth, Morris and Pratt), whatever a customer wrote.
package struct ByteSearch: Sendable {
  private let word: [UInt8]
  /// For each position, the length of the longest proper prefix of the word that ends there.
  private let borders: [Int]

  /// Prepares the search for a word.
  package init(_ word: String) {
    let bytes = Array(word.utf8)
    var borders = [Int](repeating: 0, count: bytes.count)
    var length = 0
    for index in bytes.indices.dropFirst() {
      while length > 0, bytes[index] != bytes[length] { length = borders[length - 1] }
      if bytes[index] == bytes[length] { length += 1 }
      borders[index] = length
    }
    self.word = bytes
    self.borders = borders
  }

  /// True when the word stands in the text; the empty word stands everywhere.
  package func found(in text: [UInt8]) -> Bool {
    if word.isEmpty { return true }
    var length = 0
    for byte in text {
      while length > 0, byte != word[length] { length = borders[length - 1] }
      if byte == word[length] { length += 1 }
      if length == word.count { return true }
    }
    return false
  }
}
