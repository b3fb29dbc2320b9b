import Postgres
import ServiceKit
import TicketLedger

/// A ticket as conditions see it, by the names of the API.
struct TriggerFacts {
  let service: ServiceRecord
  let set: TriggerSet

  /// The facts of a ticket.
  ///
  /// - Parameters:
  ///   - content: the text of the first inquiry; empty when no condition looks at it.
  ///   - fields: the values of the fields that conditions look at.
  ///   - changes: what the event of the pass has changed; none for a creation.
  func facts(
    of ticket: TicketRecord, content: String, fields: [Int64: [String]], cause: TriggerCause, changes: [CodeChange]
  ) -> TicketFacts {
    var facts = TicketFacts()
    facts[.cause] = [cause.rawValue]
    facts[.channel] = [ticket.channel.rawValue]
    facts[.language] = [ticket.language]
    facts[.title] = [ticket.title]
    facts[.content] = [content]
    facts[.customerName] = [ticket.customerName]
    facts[.customerEmail] = [ticket.customerEmail]
    facts[.customerPhone] = [ticket.customerPhone]
    facts[.customerUserCode] = [ticket.customerUserCode]
    let source = ticket.source.flatMap { set.services[$0.serviceID] }
    facts[.sourceService] = source.map { [ServiceName(code: $0).description] } ?? []
    for (field, values) in fields { facts[TriggerSubject(.field, field: field)] = values }
    facts.createTime = ticket.createTime.microsecondsSinceEpoch
    for (target, values) in changeable(ticket) { facts[target] = values }
    guard cause != .created else { return facts }
    for change in changes {
      guard let target = Self.targets[change.field] else { continue }
      facts.changes[target] = TicketFacts.Change(
        before: values(of: target, code: change.before), after: values(of: target, code: change.after))
    }
    return facts
  }

  /// The targets that triggers change, with a ticket's values.
  func changeable(_ ticket: TicketRecord) -> [(TriggerTarget, [String])] {
    [
      (.state, [ticket.state.rawValue]), (.priority, [ticket.priority.rawValue]),
      (.agent, values(of: .agent, code: ticket.agentID?.description ?? "")),
      (.group, values(of: .group, code: ticket.groupID?.description ?? "")),
      (.submissionType, values(of: .submissionType, code: ticket.submissionTypeID?.description ?? "")),
      (.processingType, values(of: .processingType, code: ticket.processingTypeID?.description ?? "")),
    ]
  }

  /// The fields of events whose change can be looked at.
  private static let targets: [String: TriggerTarget] = [
    "state": .state, "priority": .priority, "agent": .agent, "group": .group, "submission_type": .submissionType,
    "processing_type": .processingType,
  ]

  /// The values of a target, from its code or id as events write it.
  private func values(of target: TriggerTarget, code: String) -> [String] {
    guard !code.isEmpty else { return [] }
    guard let id = Int64(code) else { return [code] }
    switch target {
    case .agent: return [AgentName(id: AgentID(id)).description]
    case .group: return [GroupName(service: service.code, id: GroupID(id)).description]
    case .submissionType:
      return set.lineage(of: SubmissionTypeID(id)).map {
        SubmissionTypeName(service: service.code, id: $0).description
      }
    case .processingType: return [ProcessingTypeName(service: service.code, id: ProcessingTypeID(id)).description]
    default: return [code]
    }
  }
}
