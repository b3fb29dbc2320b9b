/// Why a ticket is held by whom it is held, in words for agents.
package enum AssignmentWords {
  /// The languages there are words in.
  package enum Language: String, CaseIterable, Sendable {
    case korean = "ko"
    case english = "en"
  }

  /// What a trigger decided.
  package struct Decision: Sendable {
    /// An agent who could not be chosen, and why.
    package typealias Skipped = (name: String, obstacle: AssignmentObstacle)

    /// The trigger's name at that time.
    package var trigger: String
    /// Its version.
    package var version: Int64
    /// The group's name.
    package var group: String
    /// Who was chosen; nil: nobody could be.
    package var agent: String?
    /// Whether the trigger names the agent, picks one at random, or takes turns.
    package var mode: Mode
    /// The place of the turn, counted from 1; for turns only.
    package var turn: Int64
    /// How many agents the trigger lists.
    package var candidateCount: Int
    /// Those who could not be chosen.
    package var skipped: [Skipped]
    /// Whether the ticket had waited in the group.
    package var hasWaited: Bool
    /// Names of triggers that what this one's pass changed would have set off, some of them if they are many.
    package var heldBack: [String]
    /// How many those are.
    package var heldBackCount: Int

    /// Describes a decision.
    package init(
      trigger: String, version: Int64, group: String, agent: String?, mode: Mode, turn: Int64, candidateCount: Int,
      skipped: [Skipped], hasWaited: Bool, heldBack: [String] = [], heldBackCount: Int = 0
    ) {
      self.trigger = trigger
      self.version = version
      self.group = group
      self.agent = agent
      self.mode = mode
      self.turn = turn
      self.candidateCount = candidateCount
      self.skipped = skipped
      self.hasWaited = hasWaited
      self.heldBack = heldBack
      self.heldBackCount = heldBackCount
    }
  }

  /// How an agent is found.
  package enum Mode: Sendable {
    case specific
    case random
    case sequential
  }

  /// What somebody else decided.
  package enum Act: Sendable {
    /// The agent took the ticket.
    case kept
    /// Somebody gave it to the agent.
    case forwarded
    /// It was created with the agent.
    case created
    /// Its holder left.
    case released
    /// Nobody has decided anything.
    case nothing
  }

  /// A trigger's decision in words.
  package static func text(_ decision: Decision, in language: Language) -> String {
    let parts =
      switch language {
      case .korean: [korean(decision)] + koreanSkipped(decision) + koreanHeldBack(decision)
      case .english: [english(decision)] + englishSkipped(decision) + englishHeldBack(decision)
      }
    return parts.joined(separator: " ")
  }

  /// Somebody's act in words.
  ///
  /// - Parameters:
  ///   - actor: who did it.
  ///   - agent: who holds the ticket since; empty: nobody.
  package static func text(_ act: Act, actor: String, agent: String, in language: Language) -> String {
    switch (language, act) {
    case (.korean, .kept): "\(actor) 님이 직접 가져왔습니다."
    case (.korean, .forwarded): "\(actor) 님이 \(agent) 님에게 전달했습니다."
    case (.korean, .created): "\(actor) 님이 \(agent) 님을 담당자로 지정하여 생성했습니다."
    case (.korean, .released): "담당자가 서비스를 떠나 미할당 상태가 되었습니다."
    case (.korean, .nothing): "아직 아무도 담당하지 않았고, 할당을 시도한 트리거도 없습니다."
    case (.english, .kept): "\(actor) kept it."
    case (.english, .forwarded): "\(actor) forwarded it to \(agent)."
    case (.english, .created): "\(actor) created it with \(agent) as its holder."
    case (.english, .released): "Its holder left the service, so nobody holds it."
    case (.english, .nothing): "Nobody has held it yet, and no trigger has tried to assign it."
    }
  }

  private static func korean(_ decision: Decision) -> String {
    let trigger = "트리거 '\(decision.trigger)'(버전 \(decision.version))"
    guard let agent = decision.agent else {
      return "\(trigger): 할당할 수 있는 상담원이 없어 '\(decision.group)' 그룹에서 대기합니다."
    }
    let way =
      switch decision.mode {
      case .specific: "지정된 상담원"
      case .random: "임의 배분"
      case .sequential: "순차 배분 \(decision.turn)번째 순번"
      }
    let waited = decision.hasWaited ? " 할당할 수 있는 상담원이 생길 때까지 대기했습니다." : ""
    return "\(trigger): '\(decision.group)' 그룹의 \(agent) 님에게 할당했습니다(\(way)).\(waited)"
  }

  private static func koreanSkipped(_ decision: Decision) -> [String] {
    guard !decision.skipped.isEmpty else { return [] }
    let names = decision.skipped.map { "\($0.name)(\(korean($0.obstacle)))" }.joined(separator: ", ")
    return ["후보 \(decision.candidateCount)명 중 제외: \(names)."]
  }

  private static func koreanHeldBack(_ decision: Decision) -> [String] {
    guard !decision.heldBack.isEmpty else { return [] }
    let names = decision.heldBack.map { "'\($0)'" }.joined(separator: ", ")
    let others = decision.heldBackCount - decision.heldBack.count
    let more = others > 0 ? " 외 \(others)개" : ""
    return ["트리거가 바꾼 내용은 트리거를 다시 실행하지 않으므로 실행을 보류한 트리거: \(names)\(more)."]
  }

  private static func korean(_ obstacle: AssignmentObstacle) -> String {
    switch obstacle {
    case .inactive: "비활성 계정"
    case .notAMember: "서비스 구성원 아님"
    case .noTicketRight: "티켓 권한 없음"
    case .switchedOff: "티켓 할당 꺼짐"
    case .notInGroup: "그룹 구성원 아님"
    }
  }

  private static func english(_ decision: Decision) -> String {
    let trigger = "Trigger “\(decision.trigger)” (version \(decision.version))"
    guard let agent = decision.agent else {
      return "\(trigger) found nobody who can be given tickets; it waits in the group \(decision.group)."
    }
    let way =
      switch decision.mode {
      case .specific: "the agent it names"
      case .random: "picked at random"
      case .sequential: "turn \(decision.turn) of its list"
      }
    let waited = decision.hasWaited ? " It had waited until somebody could be given tickets." : ""
    return "\(trigger) gave it to \(agent) in the group \(decision.group): \(way).\(waited)"
  }

  private static func englishSkipped(_ decision: Decision) -> [String] {
    guard !decision.skipped.isEmpty else { return [] }
    let names = decision.skipped.map { "\($0.name) (\(english($0.obstacle)))" }.joined(separator: ", ")
    return ["Of \(decision.candidateCount) agents, passed over: \(names)."]
  }

  private static func englishHeldBack(_ decision: Decision) -> [String] {
    guard !decision.heldBack.isEmpty else { return [] }
    let names = decision.heldBack.map { "“\($0)”" }.joined(separator: ", ")
    let others = decision.heldBackCount - decision.heldBack.count
    let more = others > 0 ? " and \(others) more" : ""
    return ["What triggers change starts no further triggers; held back: \(names)\(more)."]
  }

  private static func english(_ obstacle: AssignmentObstacle) -> String {
    switch obstacle {
    case .inactive: "account deactivated"
    case .notAMember: "no member of the service"
    case .noTicketRight: "no ticket right"
    case .switchedOff: "assign switch off"
    case .notInGroup: "not in the group"
    }
  }
}
