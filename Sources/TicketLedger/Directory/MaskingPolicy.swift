package import PersonalData
import Postgres
import ServiceKit

/// How a service handles personal data.
package struct MaskingPolicy: Sendable {
  /// When personal data is looked for; raw values and order as in the API.
  package enum Detection: String, CaseIterable, Sendable, PostgresDecodable, PostgresBindable {
    /// Never.
    case off = "OFF"
    /// When somebody asks.
    case suggest = "SUGGEST"
    /// Before a customer's words are stored, too.
    case automatic = "AUTOMATIC"
  }

  /// Who may bring originals back, of those who have the unmask right; raw values and order as in the API.
  package enum UnmaskRight: String, CaseIterable, Sendable, PostgresDecodable, PostgresBindable {
    /// Every ticket agent with the right.
    case ticketAgents = "TICKET_AGENTS"
    /// Administrators with the right.
    case administrators = "ADMINISTRATORS"
  }

  /// When personal data is looked for.
  package var detection = Detection.suggest
  /// Which kinds; all when empty.
  package var kinds: [PersonalDataKind] = []
  /// Less sure findings are neither told nor masked.
  package var confidencePercent: Int32 = PersonalDataScanner.confidentPercent
  /// Who may bring originals back.
  package var unmaskRight = UnmaskRight.ticketAgents
  /// The service's own patterns with their names.
  package var patterns: [(name: String, pattern: String)] = []
  /// Grows with every change; 0 as long as nothing was set.
  package var version: Int64 = 0
  private var scanner = PersonalDataScanner()

  /// What holds where nothing was set.
  package init() {}

  static let columns: Query =
    "m.detection, m.kinds, m.confidence_percent, m.unmask_right, m.patterns, m.pattern_names, m.version"

  init(_ row: Row) throws(PostgresError) {
    detection = try row.value(0)
    kinds = try row.strings(1).compactMap { PersonalDataKind(rawValue: $0) }
    confidencePercent = try row.int32(2)
    unmaskRight = try row.value(3)
    patterns = Array(zip(try row.strings(5), try row.strings(4))).map { (name: $0.0, pattern: $0.1) }
    version = try row.int64(6)
    scanner = PersonalDataScanner(patterns: patterns.compactMap { try? TextPattern($0.pattern) })
  }

  /// What the service wants to know of a text, in its order.
  package func findings(in text: String) -> [PersonalDataFinding] {
    scanner.findings(in: text).filter { finding in
      finding.confidencePercent >= confidencePercent && (kinds.isEmpty || kinds.contains(finding.kind))
    }
  }
}
