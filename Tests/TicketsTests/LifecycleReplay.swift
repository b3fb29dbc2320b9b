import HandoffAPI
import HandoffTestKit
import Postgres
import Testing
import TicketLedger

/// A ticket as the database has it, deleted ones too.
struct StoredTicket: Sendable {
  let record: TicketRecord
  let events: [Event]
  /// The versions that the events made, by sequence.
  let versions: [Int32: Int64]
  /// By id.
  let texts: [String: String]
  /// In the order in which people read them.
  let entries: [ModelEntry]

  /// Every ticket of a world by name.
  static func all(_ world: TicketWorld) async throws -> [String: StoredTicket] {
    var all: [String: StoredTicket] = [:]
    let records = try await world.rows("SELECT \(fragment: TicketRecord.columns) FROM ticket AS t").map {
      try TicketRecord($0)
    }
    for record in records {
      let versions = try await world.rows(
        "SELECT sequence, version FROM ticket_event WHERE ticket_id = \(record.id)"
      ).map { (try $0.value(0, as: Int32.self), try $0.int64(1)) }
      let entries = try await world.ledger.entries(of: record, limit: 100_000, deadline: TestDatabase.deadline)
      all[world.name(record)] = StoredTicket(
        record: record,
        events: try await world.ledger.events(of: record, limit: 100_000, deadline: TestDatabase.deadline),
        versions: Dictionary(versions, uniquingKeysWith: { first, _ in first }),
        texts: Dictionary(entries.map { ($0.id.description, $0.body) }, uniquingKeysWith: { first, _ in first }),
        entries: entries.map { ModelEntry(kind: $0.kind, act: $0.act, author: $0.actor.name, text: $0.body) })
    }
    return all
  }

  /// The text of an event's entry; empty: it has none.
  func text(of event: Event) -> String {
    texts[event.after("entry")?.split(separator: "/").last.map(String.init) ?? ""] ?? ""
  }
}

/// Holds what is stored against what was done: every event comes from an act that somebody was told had succeeded, and
/// every such act has its event, once.
struct LifecycleReplay {
  private let began: [String: StoredTicket]
  private let after: [String: StoredTicket]
  /// What made a ticket, by its name.
  private let makers: [String: DoneAct]
  /// Acts by ticket that no event has been found for.
  private(set) var left: [String: [DoneAct]]
  /// What issue tickets answered, and how much of that the consultation tickets were told.
  private var answers: [String: [DoneAct]] = [:]
  private var told: [String: Int] = [:]
  /// A customer's words to the consultation ticket, by the issue ticket: those that it has, and those it must have.
  private var copies: [String: [String]] = [:]
  private var owed: [String: [String]] = [:]

  /// - Parameter began: the tickets before the run, which are taken as they were.
  init(from began: [String: StoredTicket], to after: [String: StoredTicket], by done: [String: [DoneAct]]) {
    self.began = began
    self.after = after
    left = done
    makers = Dictionary(
      done.values.joined().filter { !$0.made.isEmpty }.map { ($0.made, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What must have become of every ticket by now.
  mutating func run() -> [String: LifecycleModel] {
    var models: [String: LifecycleModel] = [:]
    // Consultation tickets are told what issue tickets answered.
    let names = after.keys.sorted { $0.hasPrefix("services/bugs/") && !$1.hasPrefix("services/bugs/") }
    for name in names { models[name] = model(of: name) }
    for (name, ticket) in after where ticket.record.source != nil {
      #expect(copies[name] ?? [] == owed[name] ?? [], "\(name) \(TestScale.place(0))")
      let count = answers[name]?.count ?? 0
      let source = after.values.first { $0.record.link == ticket.record.source }
      // What was deleted is told nothing more.
      if source?.record.deleteTime == nil { #expect(told[name] ?? 0 == count, "\(name) \(TestScale.place(0))") }
    }
    return models
  }

  private mutating func model(of name: String) -> LifecycleModel {
    guard let ticket = after[name] else { return LifecycleModel() }
    var model = began[name].map { LifecycleModel($0) } ?? LifecycleModel()
    for event in ticket.events.dropFirst(began[name]?.events.count ?? 0) {
      let place = "\(name) event \(event.sequence) \(event.code) \(TestScale.place(0))"
      guard let code = EventCode(rawValue: event.code) else {
        Issue.record("an unknown code: \(place)")
        continue
      }
      let act = act(behind: event, code, on: (name, ticket), model)
      let wrong = model.take(event, code, from: act)
      #expect(wrong == nil, "\(wrong ?? ""): \(place)")
      if let state = event.after("state") { #expect(state == model.state.rawValue, "\(place)") }
    }
    return model
  }

  /// The act that an event comes from; a failure when it must have one and has none.
  private mutating func act(
    behind event: Event, _ code: EventCode, on ticket: (name: String, stored: StoredTicket), _ model: LifecycleModel
  ) -> DoneAct? {
    let (name, text) = (ticket.name, ticket.stored.text(of: event))
    switch code {
    case .created:
      left[name]?.removeAll { $0.code == .created }
      return makers[name]
    case .spamMoved, .mailSkipped: return nil
    case .escalationAnswered:
      let issue = event.after("answer.ticket") ?? ""
      let index = told[issue] ?? 0
      told[issue] = index + 1
      guard let all = answers[issue], all.indices.contains(index) else { return nil }
      return all[index]
    case .customerReplied where model.isEscalated:
      copies[name, default: []].append(text)
      return DoneAct(code: code, by: "mail", text: text)
    default: break
    }
    let version = ticket.stored.versions[event.sequence] ?? 0
    let fitting = (left[name] ?? []).indices.filter { index in
      left[name]?[index].fits(event, version: version, text: text, holder: model.holder) ?? false
    }
    guard let index = fitting.first(where: { left[name]?[$0].version != 0 }) ?? fitting.first,
      let act = left[name]?.remove(at: index)
    else {
      Issue.record("nobody did \(event.code) of event \(event.sequence) on \(name) \(TestScale.place(0))")
      return nil
    }
    if model.isEscalated, act.answer != nil { answers[name, default: []].append(act) }
    // What a customer adds goes to the issue ticket, too, until that has ended; but for spam.
    if code == .customerReplied, !model.target.isEmpty, !model.isSpam {
      let last = answers[model.target]?.prefix(told[model.target] ?? 0).last
      if last == nil || last?.code == .held { owed[model.target, default: []].append(act.text) }
    }
    return act
  }
}

extension LifecycleModel {
  /// A ticket that is taken as it is.
  init(_ stored: StoredTicket) {
    state = stored.record.state
    holder = Self.holder(of: stored.record)
    isSpam = stored.record.isSpam
    stateBeforeSpam = stored.record.stateBeforeSpam
    entries = stored.entries
  }

  /// Who holds a ticket.
  static func holder(of ticket: TicketRecord) -> String {
    ticket.agentID.map { AgentName(id: $0).description } ?? ""
  }
}
