import HandoffAPI
import ServiceKit
import TicketLedger

/// Reads the conditions and results of a trigger's message, noting everything that is wrong.
///
/// What can be compared with what stands in ``TriggerTargetRule/all``; whether the names mean something in the service
/// is for the database to say: ``references`` lists them.
struct TriggerReader {
  /// Something that a trigger points to.
  enum Reference: Hashable, Sendable {
    case agent(AgentID)
    case group(GroupID)
    case submissionType(SubmissionTypeID)
    /// An agent who is to be given tickets in a group.
    case member(AgentID, GroupID)
  }

  private static let conditionsMax = 50
  private static let resultsMax = 20
  private static let valuesMax = 50
  private static let valueCharactersMax = 200
  private static let agentsMax = 200

  /// What is wrong so far.
  var check = RequestCheck()
  /// What the trigger points to, and where.
  private(set) var references: [(field: String, reference: Reference)] = []
  private let service: String
  private let prefix: String

  /// Reads triggers of a service.
  ///
  /// - Parameter prefix: the path of the trigger in the request, with a dot behind.
  init(service: String, prefix: String = "") {
    self.service = service
    self.prefix = prefix
  }

  /// Reads the conditions; those that are wrong are left out.
  mutating func conditions(_ messages: [TriggerCondition]) -> [TriggerConditionRule] {
    check.require(
      (1...Self.conditionsMax).contains(messages.count), "\(prefix)conditions",
      "must hold 1 to \(Self.conditionsMax) conditions")
    return messages.prefix(Self.conditionsMax).enumerated().compactMap { index, message in
      condition(message, "\(prefix)conditions[\(index)]")
    }
  }

  /// Reads the results; those that are wrong are left out.
  mutating func actions(_ messages: [TriggerResult]) -> [TriggerAction] {
    check.require(
      (1...Self.resultsMax).contains(messages.count), "\(prefix)results",
      "must hold 1 to \(Self.resultsMax) results")
    return messages.prefix(Self.resultsMax).enumerated().compactMap { index, message in
      action(message, "\(prefix)results[\(index)]")
    }
  }

  private mutating func condition(_ message: TriggerCondition, _ field: String) -> TriggerConditionRule? {
    let requirement = message.requirement
    check.require(
      TriggerCondition.Requirement.allValues.contains(requirement), "\(field).requirement", "is not a requirement")
    guard let target = TriggerTarget(number: message.target.rawValue), let rule = TriggerTargetRule.of(target) else {
      check.require(false, "\(field).target", "must name what is looked at")
      return nil
    }
    guard let comparison = TriggerOperator(number: message.operator.rawValue), rule.operators.contains(comparison)
    else {
      let known = rule.operators.compactMap { TriggerCondition.Operator(rawValue: $0.number).protoName }
      check.require(false, "\(field).operator", "must be one of \(known.joined(separator: ", ")) for this target")
      return nil
    }
    let values = values(message.values, of: rule, comparison, "\(field).values")
    return TriggerConditionRule(
      isRequired: requirement != .optional, target: target, comparison: comparison, values: values)
  }

  private mutating func values(
    _ texts: [String], of rule: TriggerTargetRule, _ comparison: TriggerOperator, _ field: String
  ) -> [String] {
    if comparison == .isEmpty || comparison == .isNotEmpty {
      check.require(texts.isEmpty, field, "must be left out: the operator compares with nothing")
      return []
    }
    check.require(
      (1...Self.valuesMax).contains(texts.count), field, "must hold 1 to \(Self.valuesMax) values")
    return texts.prefix(Self.valuesMax).enumerated().compactMap { index, text in
      value(text, of: rule, "\(field)[\(index)]")
    }
  }

  private mutating func value(_ text: String, of rule: TriggerTargetRule, _ field: String) -> String? {
    switch rule.valueKind {
    case .text:
      return check.value(field) { () throws(ServiceError) in
        try CanonicalText.line(text, field: field, charactersMax: Self.valueCharactersMax)
      }
    case .word:
      check.require(rule.target.knows(word: text), field, "is not \(rule.target.wordDescription)")
    case .resource("agents"):
      if let name: AgentName = name(text, field) { references.append((field, .agent(name.id))) }
    case .resource("groups"):
      if let group = group(text, field) { references.append((field, .group(group))) }
    case .resource:
      if let type = submissionType(text, field) { references.append((field, .submissionType(type))) }
    }
    return text
  }

  private mutating func action(_ message: TriggerResult, _ field: String) -> TriggerAction? {
    switch message.result {
    case .assign(let assignment): return assign(assignment, "\(field).assign")
    case .submissionType(let text):
      guard let type = submissionType(text, "\(field).submission_type") else { return nil }
      references.append(("\(field).submission_type", .submissionType(type)))
      return .setSubmissionType(type)
    case .priority(let value):
      let priority = TicketPriority(number: value.rawValue)
      check.require(priority != nil, "\(field).priority", "is not \(TriggerTarget.priority.wordDescription)")
      return priority.map { .setPriority($0) }
    case .group(let text):
      guard let group = group(text, "\(field).group") else { return nil }
      references.append(("\(field).group", .group(group)))
      return .setGroup(group)
    case nil:
      check.require(false, field, "must say what is done: assign, submission_type, priority or group")
      return nil
    }
  }

  private mutating func assign(_ message: AssignResult, _ field: String) -> TriggerAction? {
    let mode = AssignmentMode(number: message.mode.rawValue)
    check.require(mode != nil, "\(field).mode", "must be SPECIFIC, RANDOM or SEQUENTIAL")
    let group = group(message.group, "\(field).group")
    if let group { references.append(("\(field).group", .group(group))) }
    let agentsMax = mode == .specific ? 1 : Self.agentsMax
    check.require(
      (1...agentsMax).contains(message.agents.count), "\(field).agents",
      mode == .specific ? "must hold the one agent" : "must hold 1 to \(agentsMax) agents")
    var agents: [AgentID] = []
    for (index, text) in message.agents.prefix(Self.agentsMax).enumerated() {
      guard let name: AgentName = name(text, "\(field).agents[\(index)]") else { continue }
      check.require(!agents.contains(name.id), "\(field).agents[\(index)]", "stands in the list already")
      agents.append(name.id)
      if let group { references.append(("\(field).agents[\(index)]", .member(name.id, group))) }
    }
    guard let mode, let group else { return nil }
    return .assign(mode, group: group, agents: agents)
  }

  private mutating func name<Name: ResourceName>(_ text: String, _ field: String) -> Name? {
    check.value(field) { () throws(ServiceError) in try Name(text, field: field) }
  }

  private mutating func group(_ text: String, _ field: String) -> GroupID? {
    guard let name: GroupName = name(text, field) else { return nil }
    check.require(name.service == service, field, "is not a group of this service")
    return name.service == service ? name.id : nil
  }

  private mutating func submissionType(_ text: String, _ field: String) -> SubmissionTypeID? {
    guard let name: SubmissionTypeName = name(text, field) else { return nil }
    check.require(name.service == service, field, "is not a submission type of this service")
    return name.service == service ? name.id : nil
  }
}

extension TriggerTarget {
  /// Whether a word can be a value of the target; for targets whose values are words.
  fileprivate func knows(word: String) -> Bool {
    self == .language
      ? word.utf8.count == 2 && word.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
      : words.contains(word)
  }

  /// What a value can be, for people.
  fileprivate var wordDescription: String {
    self == .language ? "an ISO 639-1 code such as ko" : "one of \(words.joined(separator: ", "))"
  }

  private var words: [String] {
    switch self {
    case .cause: TriggerCause.allCases.map(\.rawValue)
    case .state: TicketState.allCases.map(\.rawValue)
    case .priority: TicketPriority.allCases.map(\.rawValue)
    case .channel: TicketChannel.allCases.map(\.rawValue)
    case .language, .submissionType, .group, .agent, .title, .content, .customerName, .customerEmail: []
    }
  }
}

extension TriggerCondition {
  /// A condition as it is stored: in canonical form.
  init(_ rule: TriggerConditionRule) {
    self.init(
      requirement: rule.isRequired ? .required : .optional, target: Target(rawValue: rule.target.number),
      operator: Operator(rawValue: rule.comparison.number), values: rule.values)
  }
}
