import ServiceKit
import TicketLedger

/// What follows when several triggers match; raw values and order as in the database and the API.
enum TriggerMode: String, CaseIterable, Sendable {
  case allMatches = "ALL_MATCHES"
  case firstMatch = "FIRST_MATCH"
}

/// The active triggers of a service as they were at one moment, compiled.
final class TriggerProgram: Sendable {
  /// What the database counts up with every change.
  let generation: Int64
  let mode: TriggerMode
  /// In the order in which they run.
  let triggers: [ActiveTrigger]
  let compiled: CompiledTriggers

  init(generation: Int64, mode: TriggerMode, triggers: [ActiveTrigger]) {
    self.generation = generation
    self.mode = mode
    self.triggers = triggers
    compiled = CompiledTriggers(triggers.map(\.conditions))
  }
}

/// Everything that a pass over a service's tickets needs to know, as it was at one moment.
struct TriggerSet: Sendable {
  /// A member of the service.
  struct Person: Sendable {
    let isActive: Bool
    let mayWorkOnTickets: Bool
    let isAssignable: Bool
    let groups: Set<GroupID>
  }

  var program: TriggerProgram
  var members: [AgentID: Person] = [:]
  /// The groups that can be chosen.
  var groups: Set<GroupID> = []
  /// Each submission type's parent.
  var parents: [SubmissionTypeID: SubmissionTypeID?] = [:]
  /// The codes of the organization's services.
  var services: [ServiceID: String] = [:]

  var triggers: [ActiveTrigger] { program.triggers }

  /// Why an agent cannot be given a ticket of a group now; nil: can.
  func obstacle(_ agent: AgentID, in group: GroupID) -> AssignmentObstacle? {
    guard let person = members[agent] else { return .notAMember }
    return AssignmentStanding(
      isActive: person.isActive, mayWorkOnTickets: person.mayWorkOnTickets, isAssignable: person.isAssignable,
      isInGroup: person.groups.contains(group)
    ).obstacle
  }

  /// A submission type with its ancestors, itself first.
  func lineage(of type: SubmissionTypeID?) -> [SubmissionTypeID] {
    var line: [SubmissionTypeID] = []
    var next = type
    while let current = next, !line.contains(current) {
      line.append(current)
      next = parents[current] ?? nil
    }
    return line
  }
}
