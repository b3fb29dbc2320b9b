import HandoffAPI
import Outbound
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
    case processingType(ProcessingTypeID)
    case field(FieldID)
    /// A field, by its code.
    case fieldCode(String)
    case messengerHook(MessengerHookID)
    /// Another service of the organization, by its code.
    case service(String)
    /// An agent who is to be given tickets in a group.
    case member(AgentID, GroupID)
  }

  /// Most lines of conditions, groups counted, too.
  static let conditionsMax = 50
  /// How deep groups stand in groups at most.
  static let depthMax = 4
  /// Most results.
  static let resultsMax = 20
  private static let valuesMax = 50
  private static let valueCharactersMax = 200
  private static let agentsMax = 200

  /// What is wrong so far.
  var check = RequestCheck()
  /// What the trigger points to, and where.
  var references: [(field: String, reference: Reference)] = []
  /// The URLs that the trigger calls, and where they stand.
  var urls: [(field: String, url: HTTPSURL)] = []
  /// The code of the triggers' service.
  let service: String
  private let isIssueService: Bool
  private let prefix: String
  private var lineCount = 0

  /// Reads triggers of a service.
  ///
  /// - Parameter prefix: the path of the trigger in the request, with a dot behind.
  init(service: ServiceRecord, prefix: String = "") {
    self.service = service.code
    isIssueService = service.kind == .issue
    self.prefix = prefix
  }

  /// Reads the conditions; those that are wrong are left out.
  ///
  /// - Returns: the conditions in canonical form, and what they mean together.
  mutating func conditions(_ messages: [TriggerCondition]) -> ([TriggerCondition], ConditionTree) {
    let field = "\(prefix)conditions"
    lineCount = 0
    check.require(!messages.isEmpty, field, "must hold 1 to \(Self.conditionsMax) conditions")
    var canonical: [TriggerCondition] = []
    var required: [ConditionTree] = []
    var optional: [ConditionTree] = []
    for (index, message) in messages.prefix(Self.conditionsMax + 1).enumerated() {
      let known = TriggerCondition.Requirement.allValues.contains(message.requirement)
      check.require(known, "\(field)[\(index)].requirement", "is not a requirement")
      guard let (read, tree) = condition(message, "\(field)[\(index)]", depth: 0) else { continue }
      var condition = read
      condition.requirement = message.requirement == .optional ? .optional : .required
      canonical.append(condition)
      if condition.requirement == .optional { optional.append(tree) } else { required.append(tree) }
    }
    check.require(
      lineCount <= Self.conditionsMax, field, "must hold at most \(Self.conditionsMax) conditions, groups counted, too")
    return (canonical, .trigger(required: required, optional: optional))
  }

  private mutating func condition(
    _ message: TriggerCondition, _ field: String, depth: Int
  ) -> (TriggerCondition, ConditionTree)? {
    lineCount += 1
    guard lineCount <= Self.conditionsMax else { return nil }
    guard let group = message.group else { return line(message, field) }
    let isAlone =
      message.target == .unspecified && message.operator == .unspecified && message.values.isEmpty
      && message.field.isEmpty
    check.require(isAlone, field, "must be a group, or have target, operator and values")
    guard depth < Self.depthMax else {
      check.require(false, "\(field).group", "stands too deep; groups stand in groups \(Self.depthMax) deep at most")
      return nil
    }
    check.require((1...3).contains(group.kind.rawValue), "\(field).group.kind", "must be ALL, ANY or NONE")
    check.require(!group.conditions.isEmpty, "\(field).group.conditions", "must not be empty")
    var read: [TriggerCondition] = []
    var trees: [ConditionTree] = []
    for (index, inner) in group.conditions.enumerated() {
      let path = "\(field).group.conditions[\(index)]"
      check.require(
        inner.requirement == .unspecified, "\(path).requirement", "must be left out: the group says how lines count")
      guard let (condition, tree) = condition(inner, path, depth: depth + 1) else { continue }
      read.append(condition)
      trees.append(tree)
    }
    let tree: ConditionTree =
      switch group.kind {
      case .any: .any(trees)
      case .none: .none(trees)
      default: .all(trees)
      }
    return (TriggerCondition(group: ConditionGroup(kind: group.kind, conditions: read)), tree)
  }

  private mutating func line(_ message: TriggerCondition, _ field: String) -> (TriggerCondition, ConditionTree)? {
    guard let target = TriggerTarget(number: message.target.rawValue),
      let rule = TriggerTargetRule.of(target, inIssueService: isIssueService)
    else {
      check.require(false, "\(field).target", "must name what is looked at in this kind of service")
      return nil
    }
    guard let comparison = TriggerOperator(number: message.operator.rawValue), rule.operators.contains(comparison)
    else {
      let known = rule.operators.compactMap { TriggerCondition.Operator(rawValue: $0.number).protoName }
      check.require(false, "\(field).operator", "must be one of \(known.joined(separator: ", ")) for this target")
      return nil
    }
    let (texts, values) = values(message.values, of: rule, comparison, "\(field).values")
    var condition = TriggerCondition(target: message.target, operator: message.operator, values: texts)
    guard target == .field else {
      check.require(message.field.isEmpty, "\(field).field", "must be left out: the target is no field")
      return (condition, .line(ConditionLine(target, comparison, values)))
    }
    guard let id = fieldID(message.field, "\(field).field") else { return nil }
    condition.field = message.field
    return (condition, .line(ConditionLine(target, comparison, values, field: id.rawValue)))
  }

  /// Returns the values in canonical form, and as they are compared.
  private mutating func values(
    _ texts: [String], of rule: TriggerTargetRule, _ comparison: TriggerOperator, _ field: String
  ) -> ([String], [String]) {
    let countMax: Int
    switch comparison.values {
    case .none:
      check.require(texts.isEmpty, field, "must be left out: the operator compares with nothing")
      return ([], [])
    case .one: countMax = 1
    case .some: countMax = Self.valuesMax
    }
    check.require(
      (1...countMax).contains(texts.count), field,
      countMax == 1 ? "must hold the one value" : "must hold 1 to \(countMax) values")
    let read = texts.prefix(countMax).enumerated().compactMap { index, text in
      value(text, of: rule, "\(field)[\(index)]")
    }
    return (read.map(\.text), read.map(\.compared))
  }

  private mutating func value(
    _ text: String, of rule: TriggerTargetRule, _ field: String
  ) -> (text: String, compared: String)? {
    switch rule.valueKind {
    case .text:
      let line = check.value(field) { () throws(ServiceError) in
        try CanonicalText.line(text, field: field, charactersMax: Self.valueCharactersMax)
      }
      return line.map { ($0, $0) }
    case .time:
      let time = RFC3339Time.microseconds(text)
      check.require(time != nil, field, "must be a time such as 2026-01-31T09:30:00Z")
      return time.map { (text, String($0)) }
    case .word:
      check.require(rule.target.knows(word: text), field, "is not \(rule.target.wordDescription)")
    case .resource("agents"):
      if let name: AgentName = name(text, field) { references.append((field, .agent(name.id))) }
    case .resource("groups"):
      if let group = group(text, field) { references.append((field, .group(group))) }
    case .resource("services"):
      if let name: ServiceName = name(text, field) { references.append((field, .service(name.code))) }
    case .resource("processingTypes"):
      guard let name: ProcessingTypeName = name(text, field) else { break }
      check.require(name.service == service, field, "is not a processing type of this service")
      if name.service == service { references.append((field, .processingType(name.id))) }
    case .resource:
      if let type = submissionType(text, field) { references.append((field, .submissionType(type))) }
    }
    return (text, text)
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
    case .callback(let message): return callback(message, "\(field).callback")
    case .notify(let message): return notify(message, "\(field).notify")
    case .forwardOutside(let message): return forwardOutside(message, "\(field).forward_outside")
    case .messenger(let message): return messenger(message, "\(field).messenger")
    case nil:
      check.require(
        false, field,
        "must say what is done: assign, submission_type, priority, group, callback, notify, forward_outside, messenger")
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

  mutating func name<Name: ResourceName>(_ text: String, _ field: String) -> Name? {
    check.value(field) { () throws(ServiceError) in try Name(text, field: field) }
  }

  private mutating func group(_ text: String, _ field: String) -> GroupID? {
    guard let name: GroupName = name(text, field) else { return nil }
    check.require(name.service == service, field, "is not a group of this service")
    return name.service == service ? name.id : nil
  }

  private mutating func fieldID(_ text: String, _ field: String) -> FieldID? {
    guard let name: FieldName = name(text, field) else { return nil }
    check.require(name.service == service, field, "is not a field of this service")
    guard name.service == service else { return nil }
    references.append((field, .field(name.id)))
    return name.id
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
    self == .language ? CanonicalText.isLanguage(word) : words.contains(word)
  }

  /// What a value can be, for people.
  fileprivate var wordDescription: String {
    self == .language ? "an ISO 639-1 code such as ko" : "one of \(words.joined(separator: ", "))"
  }

  /// The words that can be values; none for languages, and for targets whose values are no words.
  var words: [String] {
    switch self {
    case .cause: TriggerCause.allCases.map(\.rawValue)
    case .state: TicketState.allCases.map(\.rawValue)
    case .priority: TicketPriority.allCases.map(\.rawValue)
    case .channel: TicketChannel.allCases.map(\.rawValue)
    case .language, .submissionType, .group, .agent, .title, .content, .customerName, .customerEmail,
      .customerPhone, .customerUserCode, .processingType, .sourceService, .createTime, .field:
      []
    }
  }
}
