package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

/// What holds for all triggers of a service, and what their conditions can look at.
extension AssignmentService {
  /// Returns what holds for all triggers of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED.
  package func getTriggerSettings(
    _ request: GetTriggerSettingsRequest, _ call: CallContext
  ) async throws -> TriggerSettings {
    let name = try TriggerSettingsName(request.name, field: "name")
    let service = try await settings(of: name.service, call)
    return Self.message(try await triggers.mode(of: service, deadline: call.deadline), name)
  }

  /// Changes what holds for all triggers of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID, PERMISSION_DENIED.
  package func updateTriggerSettings(
    _ request: UpdateTriggerSettingsRequest, _ call: CallContext
  ) async throws -> TriggerSettings {
    let wanted = request.triggerSettings ?? TriggerSettings()
    let name = try TriggerSettingsName(wanted.name, field: "trigger_settings.name")
    let service = try await settings(of: name.service, call)
    guard let mode = TriggerMode(number: wanted.mode.rawValue) else {
      throw ServiceError.invalid("trigger_settings.mode", "must be ALL_MATCHES or FIRST_MATCH")
    }
    try await triggers.setMode(mode, of: service, deadline: call.deadline)
    return Self.message(mode, name)
  }

  /// Returns what conditions of a service's triggers can look at: the table that validation and evaluation read, too.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED.
  package func getTriggerVocabulary(
    _ request: GetTriggerVocabularyRequest, _ call: CallContext
  ) async throws -> TriggerVocabulary {
    let name = try TriggerVocabularyName(request.name, field: "name")
    let service = try await settings(of: name.service, call)
    let rules = TriggerTargetRule.all.filter { service.kind == .issue || !$0.isForIssuesOnly }
    return TriggerVocabulary(
      targets: rules.map { TriggerVocabulary.TargetRule($0) }, conditionsMax: Int32(TriggerReader.conditionsMax),
      depthMax: Int32(TriggerReader.depthMax), resultsMax: Int32(TriggerReader.resultsMax))
  }

  private static func message(_ mode: TriggerMode, _ name: TriggerSettingsName) -> TriggerSettings {
    TriggerSettings(name: name.description, mode: TriggerSettings.Mode(rawValue: mode.number))
  }
}

extension TriggerVocabulary.TargetRule {
  /// A row of the table as the API shows it.
  fileprivate init(_ rule: TriggerTargetRule) {
    self.init(
      target: TriggerCondition.Target(rawValue: rule.target.number),
      operators: rule.operators.map { TriggerCondition.Operator(rawValue: $0.number) }, words: rule.target.words)
    switch rule.valueKind {
    case .word: valueKind = .word
    case .resource(let collection):
      valueKind = .resource
      self.collection = collection
    case .text: valueKind = .text
    case .time: valueKind = .time
    }
  }
}
