import EventLoop
package import HandoffAPI
import PersonalData
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Most patterns of a service: each is a walk over every text that comes in.
  static let patternsMax = 20
  private static let patternCharactersMax = 200
  private static let patternNameCharactersMax = 100
  private static let settable = ["detection", "kinds", "confidence_percent", "unmask_right", "patterns"]

  /// Returns how a service handles personal data.
  ///
  /// - Throws: SERVICE_NOT_FOUND, SECURITY_SERVICE_OFF.
  package func getMaskingSettings(
    _ request: GetMaskingSettingsRequest, _ call: CallContext
  ) async throws -> MaskingSettings {
    let access = try await settingsAccess(request.name, call)
    let settings = try await ledger.directory.currentMasking(of: access.service.id, deadline: call.deadline)
    return Self.message(settings, access.service.name)
  }

  /// Changes how a service handles personal data; for its administrators. In force within a second.
  ///
  /// - Throws: SERVICE_NOT_FOUND, SECURITY_SERVICE_OFF, PERMISSION_DENIED, STALE_VERSION, REQUEST_INVALID, which says
  ///   what is wrong with a pattern.
  package func updateMaskingSettings(
    _ request: UpdateMaskingSettingsRequest, _ call: CallContext
  ) async throws -> MaskingSettings {
    let wanted = request.maskingSettings ?? MaskingSettings()
    let access = try await settingsAccess(wanted.name, call)
    try access.require(.administrator)
    let paths = request.updateMask?.paths ?? []
    for path in paths where !Self.settable.contains(path) {
      throw ServiceError.invalid("update_mask", "may name \(Self.settable.joined(separator: ", "))")
    }
    let before = try await ledger.directory.currentMasking(of: access.service.id, deadline: call.deadline)
    guard request.version == 0 || request.version == before.version else { throw ServiceError(.staleVersion) }
    let isSet = { (path: String) in paths.isEmpty || paths.contains(path) }
    let settings = try Self.changed(before, to: wanted, isSet)
    let isSaved = try await MaskingPolicyStore(pool: store.pool).save(
      settings, over: before.version, of: access.service.id, deadline: call.deadline)
    guard isSaved else { throw ServiceError(.staleVersion) }
    var saved = settings
    saved.version = before.version + 1
    return Self.message(saved, access.service.name)
  }

  /// Who may bring originals back is the service's to restrict further.
  func requireUnmask(_ access: Access, deadline: Deadline) async throws {
    try access.require(.unmask)
    let settings = try await ledger.directory.masking(of: access.service.id, deadline: deadline)
    if settings.unmaskRight == .administrators { try access.require(.administrator) }
  }

  private func settingsAccess(_ name: String, _ call: CallContext) async throws -> Access {
    let suffix = "/maskingSettings"
    guard name.hasSuffix(suffix), let service = ServiceName(String(name.dropLast(suffix.count))) else {
      throw ServiceError.invalid("name", "must be services/{service}/maskingSettings")
    }
    let access = try await ledger.access(call, serviceCode: service.code)
    try Self.requireSecurity(access)
    return access
  }

  private static func changed(
    _ before: MaskingPolicy, to wanted: MaskingSettings, _ isSet: (String) -> Bool
  ) throws(ServiceError) -> MaskingPolicy {
    var settings = before
    if isSet("detection") {
      guard let detection = MaskingPolicy.Detection(number: wanted.detection.rawValue) else {
        throw .invalid("masking_settings.detection", "must be OFF, SUGGEST or AUTOMATIC")
      }
      settings.detection = detection
    }
    if isSet("unmask_right") {
      guard let right = MaskingPolicy.UnmaskRight(number: wanted.unmaskRight.rawValue) else {
        throw .invalid("masking_settings.unmask_right", "must be TICKET_AGENTS or ADMINISTRATORS")
      }
      settings.unmaskRight = right
    }
    if isSet("kinds") {
      settings.kinds = []
      for (index, kind) in wanted.kinds.enumerated() {
        guard let known = PersonalDataKind(number: kind.rawValue) else {
          throw .invalid("masking_settings.kinds[\(index)]", "is not a known kind")
        }
        if !settings.kinds.contains(known) { settings.kinds.append(known) }
      }
    }
    if isSet("confidence_percent") {
      guard (1...100).contains(wanted.confidencePercent) else {
        throw .invalid("masking_settings.confidence_percent", "must be 1 to 100")
      }
      settings.confidencePercent = wanted.confidencePercent
    }
    if isSet("patterns") { settings.patterns = try patterns(wanted.patterns) }
    return settings
  }

  private static func patterns(_ wanted: [OwnPattern]) throws(ServiceError) -> [(name: String, pattern: String)] {
    guard wanted.count <= patternsMax else {
      throw .invalid("masking_settings.patterns", "must hold at most \(patternsMax) patterns")
    }
    var patterns: [(name: String, pattern: String)] = []
    for (index, own) in wanted.enumerated() {
      let field = "masking_settings.patterns[\(index)]"
      let name = try CanonicalText.line(
        own.displayName, field: "\(field).display_name", charactersMax: patternNameCharactersMax)
      let pattern = try CanonicalText.line(
        own.pattern, field: "\(field).pattern", charactersMax: patternCharactersMax)
      do throws(TextPattern.Problem) {
        _ = try TextPattern(pattern)
      } catch {
        throw .invalid("\(field).pattern", error.words)
      }
      patterns.append((name, pattern))
    }
    return patterns
  }

  private static func message(_ settings: MaskingPolicy, _ service: ServiceName) -> MaskingSettings {
    MaskingSettings(
      name: "\(service)/maskingSettings",
      detection: MaskingSettings.Detection(rawValue: settings.detection.number),
      kinds: settings.kinds.map { Finding.Kind(rawValue: $0.number) }, confidencePercent: settings.confidencePercent,
      unmaskRight: MaskingSettings.UnmaskRight(rawValue: settings.unmaskRight.number),
      patterns: settings.patterns.map { OwnPattern(displayName: $0.name, pattern: $0.pattern) },
      version: settings.version)
  }
}

extension TextPattern.Problem {
  /// What to do about it.
  fileprivate var words: String {
    switch self {
    case .length: "must describe 1 to \(TextPattern.charactersMax) characters"
    case .repetition(let index): "has a repetition at character \(index) that is not like {2} or {2,5}"
    case .vague: "must describe at least 4 characters; shorter ones would be found everywhere"
    }
  }
}
