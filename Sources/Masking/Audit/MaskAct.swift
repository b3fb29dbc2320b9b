import Postgres

/// What was done with masks; raw values and order as in the API.
enum MaskAct: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
  /// Spans were masked by an agent.
  case mask = "MASK"
  /// Handoff masked what came in.
  case maskOnArrival = "MASK_ON_ARRIVAL"
  /// An original was put back.
  case unmask = "UNMASK"
  /// An original was shown once.
  case reveal = "REVEAL"
}
