package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension AssignmentService {
  /// Says why a ticket is held by whom it is held.
  ///
  /// - Throws: TICKET_NOT_FOUND, REQUEST_INVALID, PERMISSION_DENIED.
  package func explainAssignment(
    _ request: ExplainAssignmentRequest, _ call: CallContext
  ) async throws -> AssignmentExplanation {
    let name = try TicketName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let language = try Self.language(request.language, of: access.service)
    let ticket = try await ledger.ticket(name, access: access, deadline: call.deadline)
    guard let decision = try await records.last(of: ticket, deadline: call.deadline) else {
      return AssignmentExplanation(
        ticket: name.description, text: AssignmentWords.text(.nothing, actor: "", agent: "", in: language))
    }
    let text =
      if let record = decision.record {
        try await words(record, language, access.service, call)
      } else {
        try await words(decision, language, access.service, call)
      }
    return AssignmentExplanation(
      ticket: name.description, eventSequence: decision.sequence, record: decision.record, text: text)
  }

  private static func language(
    _ text: String, of service: ServiceRecord
  ) throws(ServiceError) -> AssignmentWords.Language {
    guard !text.isEmpty else { return AssignmentWords.Language(rawValue: service.language) ?? .english }
    guard let language = AssignmentWords.Language(rawValue: text) else {
      throw .invalid("language", "must be ko or en")
    }
    return language
  }

  private func words(
    _ record: AssignmentRecord, _ language: AssignmentWords.Language, _ service: ServiceRecord, _ call: CallContext
  ) async throws -> String {
    let agents = record.candidates.compactMap { AgentName($0.agent)?.id }
    let names = try await records.names(
      groups: [GroupName(record.group)?.id].compactMap(\.self), agents: agents, in: service, deadline: call.deadline)
    let skipped = record.candidates.compactMap { candidate -> AssignmentWords.Decision.Skipped? in
      AssignmentObstacle(number: candidate.obstacle.rawValue).map {
        (names[candidate.agent] ?? candidate.agent, $0)
      }
    }
    let decision = AssignmentWords.Decision(
      trigger: record.triggerDisplayName, version: record.triggerVersion,
      group: names[record.group] ?? record.group,
      agent: record.agent.isEmpty ? nil : names[record.agent] ?? record.agent,
      mode: AssignmentWords.Mode(AssignmentMode(number: record.mode.rawValue)), turn: record.turn + 1,
      candidateCount: record.candidates.count, skipped: skipped, hasWaited: record.waited,
      heldBack: record.heldBack.map(\.triggerDisplayName), heldBackCount: Int(record.heldBackCount))
    return AssignmentWords.text(decision, in: language)
  }

  private func words(
    _ decision: AssignmentRecords.Decision, _ language: AssignmentWords.Language, _ service: ServiceRecord,
    _ call: CallContext
  ) async throws -> String {
    let people = [decision.actor.agentID, decision.agent].compactMap(\.self)
    let names = try await records.names(groups: [], agents: people, in: service, deadline: call.deadline)
    let name = { (agent: AgentID?) in
      agent.map { AgentName(id: $0).description }.map { names[$0] ?? $0 }
    }
    let act: AssignmentWords.Act =
      switch decision.code {
      case .kept: .kept
      case .created: .created
      case .released: .released
      default: decision.agent == nil ? .released : .forwarded
      }
    return AssignmentWords.text(
      act, actor: name(decision.actor.agentID) ?? decision.actor.name, agent: name(decision.agent) ?? "",
      in: language)
  }
}

extension AssignmentWords.Mode {
  fileprivate init(_ mode: AssignmentMode?) {
    switch mode {
    case .random: self = .random
    case .sequential: self = .sequential
    case .specific, nil: self = .specific
    }
  }
}
