import Postgres
import ServiceKit
import TicketLedger

/// The statement of a page of tickets: of every list, and of searches that ask for no words.
///
/// It reads rows in the order of an index from where the page begins, and no more of them than it shows. Where an index
/// has an ordered run for each group, holder or state, the first of every run are taken and merged, since PostgreSQL
/// would sort all of them; and a column of few values is gone through value by value until the page is full. So each
/// page costs what the first does, however many there are.
struct PageStatement {
  let search: TicketSearch
  let order: TicketOrder
  /// Who holds tickets of the service, in order; see ``needsHolders(_:_:)``.
  let holders: [Holder]
  /// The last ticket of the page before; nil: the first page.
  let end: PageEnd?
  let limit: Int

  /// A title as it is sorted; worded as in the indexes.
  static let titleKey: Query = "lower(t.title COLLATE \"C\")"

  /// Whether an order can be worked out only by who knows who holds tickets.
  static func needsHolders(_ search: TicketSearch, _ order: TicketOrder) -> Bool {
    let statement = PageStatement(search: search, order: order, holders: [], end: nil, limit: 0)
    switch order.column {
    case .agent: return true
    case .received, .state: return false
    case .title, .priority, .channel:
      guard case .everyone = statement.family, !statement.isFew else { return false }
      return statement.wantedStates != nil
    }
  }

  var query: Query {
    let columns: Query =
      "\(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: search.filter.viewer))"
    if isFew { return few(columns) }
    if order.column == .received, isOneRun {
      return """
        SELECT \(fragment: columns) FROM ticket AS t WHERE \(fragment: conditions) \(fragment: behind(wholeCut))
        ORDER BY t.id \(fragment: way) LIMIT \(fragment: count)
        """
    }
    return """
      WITH hit AS MATERIALIZED (\(fragment: hits))
      SELECT \(fragment: columns) FROM unnest(ARRAY(SELECT hit.id FROM hit)) WITH ORDINALITY AS o (id, place)
        JOIN ticket AS t ON t.service_id = \(search.filter.service) AND t.id = o.id
      ORDER BY o.place
      """
  }

  private var way: Query { order.isDescending ? "DESC" : "ASC" }
  private var beyond: Query { order.isDescending ? "<" : ">" }
  private var start: Int64 { order.isDescending ? .max : .min }
  private var cut: Int64 { end?.id.rawValue ?? start }
  /// The cut of a run that is gone through from its beginning to its end; nil: the page is the first one.
  private var wholeCut: Query? { end.map { "\($0.id)" } }

  /// The sizes that interfaces ask for, with the one row more that tells whether there is another page.
  private static let usualLimits: Set<Int> = [21, 26, 51, 101, 201]

  /// How many rows are read. A usual number stands in the text: PostgreSQL takes one that it does not know for a tenth
  /// of all rows, finds a plan for all values dear, and plans each call anew, which takes longer than the page.
  private var count: Query {
    Self.usualLimits.contains(limit) ? Query(unescaped: String(limit)) : "\(limit)"
  }

  private func behind(_ cut: Query?) -> Query {
    cut.map { "AND t.id \(fragment: beyond) \(fragment: $0)" } ?? ""
  }
  private var conditions: Query { TicketStore.conditions(search) }

  /// The values of a column from the page's first on, in order, each with the id behind which its tickets are shown.
  private func remaining<Value>(_ values: [Value], behind isBehind: (Value) -> Bool?) -> [(value: Value, cut: Int64)] {
    (order.isDescending ? values.reversed() : values).compactMap { value in
      guard end != nil else { return (value, start) }
      return switch isBehind(value) {
      case .some(true): (value, start)
      case .none: (value, cut)
      case .some(false): nil
      }
    }
  }

  /// The values of a column with few of them; nil is returned by `isBehind` for the value where the page before ended.
  private var words: [(value: String, cut: Int64)] {
    let all: [String] =
      switch order.column {
      case .priority: TicketPriority.allCases.map(\.rawValue)
      case .channel: TicketChannel.allCases.map(\.rawValue)
      case .state: states.map(\.rawValue)
      case .received, .title, .agent: []
      }
    let last = all.firstIndex(of: end?.key ?? "") ?? 0
    return remaining(all) { value in
      let index = all.firstIndex(of: value) ?? 0
      return index == last ? nil : (index > last) != order.isDescending
    }
  }

  /// The holders from the page's first on; those whom nobody is behind.
  private var agents: [(value: AgentID, cut: Int64)] {
    var wanted = holders
    if case .agent(let id) = search.filter.holder { wanted = holders.filter { $0.id == id } }
    if case .nobody = search.filter.holder { wanted = [] }
    if !search.agents.isEmpty { wanted = wanted.filter { search.agents.contains($0.id) } }
    return remaining(wanted) { holder in
      guard let agent = end?.agent, let name = end?.key else { return order.isDescending }
      if holder.id == agent { return nil }
      let last = Holder(id: agent, name: name)
      return order.isDescending ? holder < last : last < holder
    }.map { ($0.value.id, $0.cut) }
  }

  /// Which tickets' indexes the page is read from.
  private enum Family {
    case everyone
    case agents([AgentID])
    case nobody
    case groups([GroupID])
    case escalated([EscalatedTo])
    case spam
  }

  /// Ordered runs of an index, to be merged: a list of what tells them apart, and the condition for each.
  private struct Runs {
    var lists: Query?
    var condition: Query?
    /// Whether nobody holds the tickets and the index is that of all holders; the planner then has to be told that the
    /// holder is in order, too.
    var isNobodys = false

    mutating func add(_ list: Query, _ condition: Query) {
      lists = lists.map { "\(fragment: $0) CROSS JOIN \(fragment: list)" } ?? list
      meet(condition)
    }

    mutating func meet(_ condition: Query) {
      self.condition = self.condition.map { "\(fragment: $0) AND \(fragment: condition)" } ?? condition
    }
  }

  private var wantedStates: [TicketState]? {
    if !search.filter.states.isEmpty { return search.filter.states }
    return search.states.isEmpty ? nil : search.states
  }

  /// The states in which there may be tickets; what is in the spam box is resolved (`ticket_spam_is_resolved`).
  private var states: [TicketState] {
    let all = search.filter.isSpam ? [TicketState.resolved] : TicketState.allCases
    return all.filter { wantedStates?.contains($0) ?? true }
  }

  /// The states as a list. Those of a menu stand in the text; what a search asks for may be any of a thousand lists.
  private var stateList: Query {
    search.filter.states.isEmpty && !search.states.isEmpty ? "\(states)" : .list(states)
  }

  private var family: Family {
    if search.filter.isSpam { return .spam }
    if !search.filter.escalatedTo.isEmpty { return .escalated(search.filter.escalatedTo) }
    if let groups = search.filter.groups ?? (search.groups.isEmpty ? nil : search.groups) { return .groups(groups) }
    switch search.filter.holder {
    case .agent(let id): return .agents([id])
    case .nobody: return .nobody
    case .anyone: return search.agents.isEmpty ? .everyone : .agents(search.agents)
    }
  }

  /// Whether all tickets stand in one run of an index already.
  private var isOneRun: Bool {
    if case .agent = search.filter.holder, search.filter.states.count == 1, case .agents = family { return true }
    return runs(nil).isEmpty
  }

  /// So few tickets that they are looked at one by one and sorted.
  private var isFew: Bool {
    search.filter.isStarred || search.filter.hasCallBack || search.ticketID != nil || search.customer != nil
      || search.userCode != nil || search.email != nil || search.phone != nil
  }

  /// The runs to merge within one value of the column.
  ///
  /// - Parameter segment: In the order by holders, whether of the agents (true) or of nobody (false).
  private func runs(_ segment: Bool?) -> [Runs] {
    var first = Runs()
    switch family {
    case .spam: break
    case .escalated(let places):
      first.add("unnest(\(fragment: .list(places))) AS e (escalated_to)", "t.escalated_to = e.escalated_to")
    case .groups(let groups): first.add("unnest(\(fragment: .ids(groups))) AS g (group_id)", "t.group_id = g.group_id")
    case .nobody, .agents, .everyone: return holderRuns(segment)
    }
    if segment == false {
      meetNobody(&first)
      first.isNobodys = true
    }
    addOther(&first)
    return first.condition == nil ? [] : [first]
  }

  private func holderRuns(_ segment: Bool?) -> [Runs] {
    let each = stateList
    func of(_ agents: [AgentID]?, isNobodys: Bool) -> Runs {
      var runs = Runs()
      if let agents { runs.add("unnest(\(fragment: .ids(agents))) AS a (agent_id)", "t.agent_id = a.agent_id") }
      if isNobodys { meetNobody(&runs) }
      if isNobodys, [.title, .priority, .channel].contains(order.column) {
        // Has indexes of its own, without the state: nearly all are UNASSIGNED, so that to look for these is to read in
        // order, worded so that the planner sees it, and to look for others is to find few.
        if let wantedStates {
          runs.meet(
            wantedStates.contains(.unassigned)
              ? "array_position(\(fragment: each), t.state) IS NOT NULL" : "t.state = ANY(\(fragment: each))")
        }
      } else {
        if order.column != .state { runs.add("unnest(\(fragment: each)) AS s (state)", "t.state = s.state") }
        runs.isNobodys = isNobodys
      }
      addOther(&runs)
      return runs
    }
    if let segment { return [of(nil, isNobodys: !segment)] }
    switch family {
    case .agents(let agents): return [of(agents, isNobodys: false)]
    case .nobody: return order.column == .received && wantedStates == nil ? [] : [of(nil, isNobodys: true)]
    default: break
    }
    switch order.column {
    case .received: return receivedRuns()
    case .state: return []
    case .title, .priority, .channel, .agent:
      if wantedStates != nil { return [of(holders.map(\.id), isNobodys: false), of(nil, isNobodys: true)] }
      var runs = Runs()
      addOther(&runs)
      return runs.condition == nil ? [] : [runs]
    }
  }

  /// Said twice, the planner would believe that hardly a ticket meets it.
  private func meetNobody(_ runs: inout Runs) {
    if search.filter.holder != .nobody { runs.meet("t.agent_id IS NULL") }
  }

  /// Of everyone's tickets, in the order of time.
  private func receivedRuns() -> [Runs] {
    var runs = Runs()
    if !search.submissionTypes.isEmpty {
      runs.add("unnest(\(search.submissionTypes)) AS y (type_id)", "t.submission_type_id = y.type_id")
    } else if !search.processingTypes.isEmpty {
      runs.add("unnest(\(search.processingTypes)) AS y (type_id)", "t.processing_type_id = y.type_id")
    } else if wantedStates != nil {
      runs.add("unnest(\(fragment: stateList)) AS s (state)", "t.state = s.state")
    } else {
      return []
    }
    return [runs]
  }

  /// Priority and channel share an index; either is gone through in order, the other merged.
  private func addOther(_ runs: inout Runs) {
    if order.column == .priority {
      runs.add("unnest(\(fragment: .list(TicketChannel.allCases))) AS c (channel)", "t.channel = c.channel")
    } else if order.column == .channel {
      runs.add("unnest(\(fragment: .list(TicketPriority.allCases))) AS p (priority)", "t.priority = p.priority")
    }
  }

  private var hits: Query {
    let word: Query? =
      switch order.column {
      case .priority: "t.priority = v.value"
      case .channel: "t.channel = v.value"
      case .state: "t.state = v.value"
      case .received, .title, .agent: nil
      }
    if let word { return stepped(.rows(words), word, runs(nil)) }
    guard order.column == .agent else { return merged(runs(nil), beyond: wholeCut) }
    let agents = agents
    let held = stepped(.rows(agents), "t.agent_id = v.value", runs(true))
    // Nobody comes last; going down from nobody, all agents are still to come.
    let isBehind = end != nil && end?.agent == nil
    if end?.agent != nil, order.isDescending { return held }
    switch search.filter.holder {
    case .agent: return held
    case .anyone where !search.agents.isEmpty: return held
    case .anyone, .nobody: break
    }
    let nobodys = merged(runs(false), beyond: isBehind ? wholeCut : nil)
    if isBehind, !order.isDescending { return nobodys }
    return order.isDescending
      ? """
      SELECT b.id FROM ((\(fragment: nobodys)) UNION ALL (\(fragment: held))) AS b LIMIT \(fragment: count)
      """
      : """
      SELECT b.id FROM ((\(fragment: held)) UNION ALL (\(fragment: nobodys))) AS b LIMIT \(fragment: count)
      """
  }

  /// Goes through the values of a column in order, until the page is full.
  private func stepped(_ values: Query, _ condition: Query, _ runs: [Runs]) -> Query {
    """
    SELECT h.id FROM \(fragment: values) AS v (value, cut)
      CROSS JOIN LATERAL (\(fragment: merged(runs, beyond: "v.cut", condition))) AS h LIMIT \(fragment: count)
    """
  }

  private func merged(_ runs: [Runs], beyond cut: Query?, _ condition: Query? = nil) -> Query {
    guard let first = runs.first else { return leaf(Runs(), cut, condition) }
    if runs.count == 1, first.lists == nil { return leaf(first, cut, condition) }
    let keyed = order.column == .title
    func part(_ runs: Runs) -> Query {
      let leaf = leaf(runs, cut, condition)
      guard let lists = runs.lists else { return "(\(fragment: leaf))" }
      return "SELECT l.* FROM \(fragment: lists) CROSS JOIN LATERAL (\(fragment: leaf)) AS l"
    }
    var parts = part(first)
    for runs in runs.dropFirst() { parts = "\(fragment: parts) UNION ALL \(fragment: part(runs))" }
    let key: Query = keyed ? "r.key \(fragment: way), " : ""
    return """
      SELECT \(fragment: keyed ? "r.id, r.key" : "r.id") FROM (\(fragment: parts)) AS r
      ORDER BY \(fragment: key)r.id \(fragment: way) LIMIT \(fragment: count)
      """
  }

  /// One ordered run.
  private func leaf(_ runs: Runs, _ cut: Query?, _ value: Query?) -> Query {
    var all = conditions
    for condition in [runs.condition, value] {
      if let condition { all = "\(fragment: all) AND \(fragment: condition)" }
    }
    // The index of titles has ids in ascending order, the others in descending order; any way is right for no holder.
    let isForward = order.column == .title ? !order.isDescending : order.isDescending
    let lead: Query = runs.isNobodys ? (isForward ? "t.agent_id ASC, " : "t.agent_id DESC, ") : ""
    guard order.column == .title else {
      return """
        SELECT t.id FROM ticket AS t WHERE \(fragment: all) \(fragment: behind(cut))
        ORDER BY \(fragment: lead)t.id \(fragment: way) LIMIT \(fragment: count)
        """
    }
    let place: Query =
      end.map { "AND (\(fragment: Self.titleKey), t.id) \(fragment: beyond) (\($0.key), \($0.id))" } ?? ""
    return """
      SELECT t.id, \(fragment: Self.titleKey) AS key FROM ticket AS t WHERE \(fragment: all) \(fragment: place)
      ORDER BY \(fragment: lead)\(fragment: Self.titleKey) \(fragment: way), t.id \(fragment: way)
      LIMIT \(fragment: count)
      """
  }

  private func few(_ columns: Query) -> Query {
    let isStarred = search.filter.isStarred
    let tables: Query =
      isStarred
      ? "ticket_star AS x JOIN ticket AS t ON t.service_id = x.service_id AND t.id = x.ticket_id" : "ticket AS t"
    let stars: Query =
      isStarred ? "AND x.service_id = \(search.filter.service) AND x.agent_id = \(search.filter.viewer)" : ""
    let id: Query = isStarred ? "x.ticket_id" : "t.id"
    let rank = rank
    let place: Query =
      rank.map { rank in
        rank.after.map { "AND (\(fragment: rank.key), \(fragment: id)) \(fragment: beyond) (\(fragment: $0))" } ?? ""
      } ?? "AND \(fragment: id) \(fragment: beyond) \(cut)"
    let key: Query = rank.map { "\(fragment: $0.key) \(fragment: way), " } ?? ""
    return """
      SELECT \(fragment: columns) FROM \(fragment: tables)
      WHERE \(fragment: conditions) \(fragment: stars) \(fragment: place)
      ORDER BY \(fragment: key)\(fragment: id) \(fragment: way) LIMIT \(fragment: count)
      """
  }

  /// What few tickets are sorted by, and where the page before ended.
  private var rank: (key: Query, after: Query?)? {
    switch order.column {
    case .received: return nil
    case .title: return (Self.titleKey, end.map { "\($0.key), \($0.id)" })
    case .priority: return ranked(TicketPriority.allCases.map(\.rawValue), "t.priority")
    case .channel: return ranked(TicketChannel.allCases.map(\.rawValue), "t.channel")
    case .state: return ranked(TicketState.allCases.map(\.rawValue), "t.state")
    case .agent:
      let key: Query = "coalesce(array_position(\(holders.map(\.id)), t.agent_id), \(Int32(holders.count + 1)))"
      guard let end else { return (key, nil) }
      guard let agent = end.agent else { return (key, "\(Int32(holders.count + 1)), \(end.id)") }
      if let index = holders.firstIndex(where: { $0.id == agent }) { return (key, "\(Int32(index + 1)), \(end.id)") }
      // Whoever held it last holds nothing any more: on from where they stood, between two others.
      let below = holders.count { $0 < Holder(id: agent, name: end.key) }
      return (key, order.isDescending ? "\(Int32(below + 1)), \(Int64.min)" : "\(Int32(below)), \(Int64.max)")
    }
  }

  private func ranked(_ values: [String], _ column: Query) -> (key: Query, after: Query?) {
    let place = Int32((values.firstIndex(of: end?.key ?? "") ?? 0) + 1)
    return ("array_position(\(values), \(fragment: column))", end.map { "\(place), \($0.id)" })
  }
}
