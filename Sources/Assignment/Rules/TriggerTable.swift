/// What a trigger's condition can look at; the order is that of the API's numbers.
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
  case customerPhone
  case processingType
  case sourceService
  case createTime
  case field
  case customerUserCode
}

/// What a line of conditions looks at: a target, and of the target ``TriggerTarget/field``, which one.
package struct TriggerSubject: Hashable, Sendable {
  /// The target.
  package let target: TriggerTarget
  /// The field's id; 0 for all other targets.
  package let field: Int64

  /// Names what is looked at.
  package init(_ target: TriggerTarget, field: Int64 = 0) {
    self.target = target
    self.field = field
  }
}

/// How a condition compares; the order is that of the API's numbers.
package enum TriggerOperator: String, CaseIterable, Sendable {
  case isIn
  case isNotIn
  case contains
  case containsNot
  case isEmpty
  case isNotEmpty
  case changed
  case changedTo
  case changedFrom
  case before
  case after

  /// How many values the operator compares with.
  package enum Values: Sendable {
    case none
    case one
    case some
  }

  /// How many values the operator compares with.
  package var values: Values {
    switch self {
    case .isEmpty, .isNotEmpty, .changed: .none
    case .before, .after: .one
    case .isIn, .isNotIn, .contains, .containsNot, .changedTo, .changedFrom: .some
    }
  }

  /// Whether it looks at what the event of the pass has changed.
  package var looksAtChanges: Bool { self == .changed || self == .changedTo || self == .changedFrom }
}

/// Why a trigger pass runs; the order is that of the API's numbers.
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
  /// A time such as `2026-01-31T09:30:00Z`.
  case time
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
  /// Whether only tickets of issue services have it.
  package var isForIssuesOnly = false

  private static let words: [TriggerOperator] = [.isIn, .isNotIn]
  private static let changes: [TriggerOperator] = [.changed, .changedTo, .changedFrom]
  private static let optional: [TriggerOperator] = [.isIn, .isNotIn, .isEmpty, .isNotEmpty]
  private static let texts: [TriggerOperator] = [.isIn, .isNotIn, .contains, .containsNot, .isEmpty, .isNotEmpty]

  /// Every target, in the order in which the API lists them.
  package static let all: [TriggerTargetRule] = [
    .init(target: .cause, valueKind: .word, operators: words),
    .init(target: .state, valueKind: .word, operators: words + changes),
    .init(target: .priority, valueKind: .word, operators: words + changes),
    .init(target: .channel, valueKind: .word, operators: words),
    .init(target: .language, valueKind: .word, operators: words),
    .init(target: .submissionType, valueKind: .resource("submissionTypes"), operators: optional + changes),
    .init(target: .group, valueKind: .resource("groups"), operators: optional + changes),
    .init(target: .agent, valueKind: .resource("agents"), operators: optional + changes),
    .init(target: .title, valueKind: .text, operators: texts),
    .init(target: .content, valueKind: .text, operators: texts),
    .init(target: .customerName, valueKind: .text, operators: texts),
    .init(target: .customerEmail, valueKind: .text, operators: texts),
    .init(target: .customerPhone, valueKind: .text, operators: texts),
    .init(target: .processingType, valueKind: .resource("processingTypes"), operators: optional + changes),
    .init(target: .sourceService, valueKind: .resource("services"), operators: optional, isForIssuesOnly: true),
    .init(target: .createTime, valueKind: .time, operators: [.before, .after]),
    .init(target: .field, valueKind: .text, operators: texts),
    .init(target: .customerUserCode, valueKind: .text, operators: texts),
  ]

  /// The rule of a target; nil where a service of this kind has no such target.
  package static func of(_ target: TriggerTarget, inIssueService: Bool) -> TriggerTargetRule? {
    all.first { $0.target == target && (inIssueService || !$0.isForIssuesOnly) }
  }
}
