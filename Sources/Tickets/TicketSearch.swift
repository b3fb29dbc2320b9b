import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A search as the database is asked: everything that a ticket must meet.
struct TicketSearch: Sendable {
  /// An address or number, whole or its beginning.
  struct Contact: Sendable, Equatable {
    let text: String
    let isBeginning: Bool
  }

  /// Words that must stand somewhere.
  struct Words: Sendable, Equatable {
    let phrase: SearchPhrase
    /// Any of these.
    let scopes: [SearchScope]
  }

  /// A condition on a field that is not about words.
  struct FieldMatch: Sendable, Equatable {
    let field: FieldID
    /// Any of these is chosen; empty: the times count.
    var options: [String] = []
    var from = ""
    var to = ""
    var isPeriod = false
  }

  /// Menu, service and viewer.
  var filter: TicketFilter
  var from: Instant?
  var before: Instant?
  var isAnyTime = false
  var ticketID: TicketID?
  var customer: (organization: OrganizationID, id: CustomerID)?
  /// Whole.
  var userCode: String?
  var email: Contact?
  var phone: Contact?
  var priorities: [TicketPriority] = []
  var states: [TicketState] = []
  var channels: [TicketChannel] = []
  var languages: [String] = []
  var groups: [GroupID] = []
  var agents: [AgentID] = []
  var submissionTypes: [Int64] = []
  var processingTypes: [Int64] = []
  var words: [Words] = []
  var fields: [FieldMatch] = []
}

/// A search request, read and checked as far as that goes without the database.
struct SearchOrder: Sendable {
  /// Most values of a list, and most conditions on fields.
  static let listMax = 100
  /// Shortest beginning of an address or number.
  static let beginningMin = 4

  private(set) var asked: Set<SearchCondition> = []
  private(set) var words: [TicketSearch.Words] = []
  private(set) var userCode: String?
  private(set) var email: TicketSearch.Contact?
  private(set) var phone: TicketSearch.Contact?
  private(set) var priorities: [TicketPriority] = []
  private(set) var states: [TicketState] = []
  private(set) var channels: [TicketChannel] = []
  private(set) var groups: [GroupName] = []
  private(set) var agents: [AgentName] = []
  private(set) var submissionTypes: [SubmissionTypeName] = []
  private(set) var processingTypes: [ProcessingTypeName] = []
  private(set) var from: Instant?
  private(set) var before: Instant?
  /// Tickets of a page.
  private(set) var size = 50

  /// Reads the conditions of a request and notes everything that is wrong with them.
  init(_ request: SearchTicketsRequest, _ check: inout RequestCheck) {
    readTimes(request, &check)
    for (condition, text, scopes) in [
      (SearchCondition.title, request.title, [SearchScope.title]),
      (.customerName, request.customerName, [.customerName]), (.text, request.text, [.entry]),
      (.words, request.words, [.title, .customerName, .entry]),
    ] where !text.isEmpty {
      asked.insert(condition)
      if let phrase = Self.phrase(text, condition.rawValue, &check) {
        words.append(TicketSearch.Words(phrase: phrase, scopes: scopes))
      }
    }
    if !request.userCode.isEmpty {
      asked.insert(.userCode)
      userCode = check.userCode(request.userCode, SearchCondition.userCode.rawValue)
      check.require(
        !CanonicalText.isBlank(request.userCode), SearchCondition.userCode.rawValue,
        "must not be empty when it is asked for")
    }
    email = contact(request.email, .email, &check) {
      ContactData.email($0)
    } beginning: {
      $0.lowercased()
    }
    phone = contact(request.phone, .phone, &check) {
      ContactData.phone($0)
    } beginning: {
      ContactData.phone($0)
    }
    priorities = choices(request.priorities.map(\.rawValue), .priority, &check)
    states = choices(request.states.map(\.rawValue), .state, &check)
    channels = choices(request.channels.map(\.rawValue), .channel, &check)
    groups = names(request.groups, .group, &check)
    agents = names(request.agents, .agent, &check)
    submissionTypes = names(request.submissionTypes, .submissionType, &check)
    processingTypes = names(request.processingTypes, .processingType, &check)
    if !request.languages.isEmpty { asked.insert(.language) }
    check.languages(request.languages, "languages")
    if request.customerNumber != 0 { asked.insert(.customerNumber) }
    check.require(request.customerNumber >= 0, "customer_number", "must not be negative")
    check.require(request.ticketId >= 0, "ticket_id", "must not be negative")
    check.require(request.fields.count <= Self.listMax, "fields", "must be at most \(Self.listMax)")
    size = check.pageSize(request.pageSize, sizeDefault: size)
  }

  /// Words that can be looked for.
  static func phrase(_ text: String, _ field: String, _ check: inout RequestCheck) -> SearchPhrase? {
    let count = check.violations.count
    let line = check.line(text, field, charactersMax: SearchPhrase.charactersMax, mayBeBlank: true)
    guard check.violations.count == count else { return nil }
    let phrase = SearchPhrase(line)
    check.require(phrase != nil, field, "must hold a letter or a digit")
    return phrase
  }

  private mutating func readTimes(_ request: SearchTicketsRequest, _ check: inout RequestCheck) {
    if request.receivedFrom != nil { from = check.time(request.receivedFrom, "received_from") }
    if request.receivedBefore != nil { before = check.time(request.receivedBefore, "received_before") }
    if let from, let before {
      check.require(from < before, "received_before", "must be later than received_from")
    }
    check.require(
      !request.anyTime || from == nil && before == nil, "any_time", "and times exclude each other; leave one out")
  }

  private mutating func contact(
    _ text: String, _ condition: SearchCondition, _ check: inout RequestCheck, whole: (String) -> String?,
    beginning: (String) -> String?
  ) -> TicketSearch.Contact? {
    if text.isEmpty { return nil }
    asked.insert(condition)
    let field = condition.rawValue
    guard text.hasSuffix("*") else {
      let found = text.utf8.count <= 1_000 ? whole(text) : nil
      check.require(
        found != nil, field, "must be whole, or at least \(Self.beginningMin) characters of its beginning and a *")
      return found.map { TicketSearch.Contact(text: $0, isBeginning: false) }
    }
    let start = text.utf8.count <= 255 ? beginning(String(text.dropLast())) : nil
    let isLong = (start?.utf8.count ?? 0) >= Self.beginningMin
    check.require(isLong, field, "needs at least \(Self.beginningMin) characters before the *, and at most 254")
    return isLong ? start.map { TicketSearch.Contact(text: $0, isBeginning: true) } : nil
  }

  private mutating func choices<Value: CaseIterable & Equatable>(
    _ numbers: [Int32], _ condition: SearchCondition, _ check: inout RequestCheck
  ) -> [Value] where Value.AllCases == [Value] {
    guard begin(numbers.count, condition, &check) else { return [] }
    return numbers.enumerated().compactMap { index, number in
      let value = Value(number: number)
      check.require(value != nil, "\(condition.rawValue)[\(index)]", "is not a value of this field")
      return value
    }
  }

  private mutating func names<Name: ResourceName>(
    _ names: [String], _ condition: SearchCondition, _ check: inout RequestCheck
  ) -> [Name] {
    guard begin(names.count, condition, &check) else { return [] }
    // Each has a run of an index of its own: what is named twice would be found twice.
    var seen: Set<Name> = []
    return names.enumerated().compactMap { index, text -> Name? in
      let field = "\(condition.rawValue)[\(index)]"
      let name: Name? = check.value(field) { () throws(ServiceError) in try Name(text, field: field) }
      guard let name, seen.insert(name).inserted else { return nil }
      return name
    }
  }

  private mutating func begin(_ count: Int, _ condition: SearchCondition, _ check: inout RequestCheck) -> Bool {
    if count > 0 { asked.insert(condition) }
    check.require(count <= Self.listMax, condition.rawValue, "must be at most \(Self.listMax)")
    return count <= Self.listMax
  }
}
