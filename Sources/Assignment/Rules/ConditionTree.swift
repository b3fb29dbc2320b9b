/// What has to hold for a trigger to fire.
package indirect enum ConditionTree: Equatable, Sendable {
  /// Something that is looked at.
  case line(ConditionLine)
  /// All must hold; holds when there are none.
  case all([ConditionTree])
  /// One must hold.
  case any([ConditionTree])
  /// None may hold.
  case none([ConditionTree])

  /// The conditions of a trigger: all required ones, and one of the optional ones if there are any.
  package static func trigger(required: [ConditionTree], optional: [ConditionTree]) -> ConditionTree {
    .all(required + (optional.isEmpty ? [] : [.any(optional)]))
  }

  /// Every line, from the first to the last.
  package var lines: [ConditionLine] {
    switch self {
    case .line(let line): [line]
    case .all(let trees), .any(let trees), .none(let trees): trees.flatMap(\.lines)
    }
  }
}

/// Something that is looked at, and how it is compared.
package struct ConditionLine: Equatable, Sendable {
  /// What is looked at.
  package let target: TriggerTarget
  /// For a field that the service adds, its id.
  package let field: Int64
  /// How it is compared.
  package let comparison: TriggerOperator
  /// What it is compared with; for times, microseconds since the epoch in decimal.
  package let values: [String]

  /// Describes a line.
  package init(
    _ target: TriggerTarget, _ comparison: TriggerOperator, _ values: [String] = [], field: Int64 = 0
  ) {
    self.target = target
    self.field = field
    self.comparison = comparison
    self.values = values
  }

  /// What is looked at.
  package var subject: TriggerSubject { TriggerSubject(target, field: field) }
}

/// A ticket as conditions see it.
///
/// A submission type has several values, itself and its ancestors, so that a condition on a type covers the subtree; a
/// field of several choices has each of them.
package struct TicketFacts: Sendable {
  /// What the event of the pass did to a target.
  package struct Change: Sendable {
    /// The values before; none when it was empty.
    package let before: [String]
    /// The values afterwards.
    package let after: [String]

    /// Describes a change.
    package init(before: [String], after: [String]) {
      self.before = before
      self.after = after
    }
  }

  private var values: [TriggerSubject: [String]]
  /// What the event of the pass has changed; for a creation nothing.
  package var changes: [TriggerTarget: Change] = [:]
  /// When the ticket was received, in microseconds since the epoch.
  package var createTime: Int64 = 0

  /// Creates the facts; a target that is left out is empty.
  package init(_ values: [TriggerTarget: [String]] = [:]) {
    self.values = Dictionary(
      values.map { (TriggerSubject($0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  /// The values of a target; setting them is how a pass shows later triggers what earlier ones did. Empty texts are
  /// none.
  package subscript(target: TriggerTarget) -> [String] {
    get { self[TriggerSubject(target)] }
    set { self[TriggerSubject(target)] = newValue }
  }

  /// The values of a target or of a field.
  package subscript(subject: TriggerSubject) -> [String] {
    get { values[subject] ?? [] }
    set { values[subject] = newValue.filter { !$0.isEmpty } }
  }
}
