package import ServiceKit

/// Configuration keys of the gateway alone.
package enum GatewayKeys {
  /// How long a session lasts.
  package static let sessionLifetime = ConfigKey<Duration>.duration(
    "HANDOFF_SESSION_LIFETIME", default: "12h", range: .seconds(60) ... .seconds(30 * 86_400),
    doc: "How long a sign-in lasts; using a session does not prolong it.")

  /// Which pages of other origins may call the API.
  package static let crossOrigins = ConfigKey<String>.text(
    "HANDOFF_CORS_ORIGINS", default: "", bytesMax: 4096,
    expectation: "origins separated by commas, such as https://desk.example.com",
    doc: "The origins whose web pages may call the API from a browser, separated by commas; unset: no other origin."
  ).mapped { text throws(ConfigProblem) in
    let origins = text.split(separator: ",").map { $0.filter { $0 != " " } }
    if let wrong = origins.first(where: { !CrossOriginPolicy.isOrigin($0) }) {
      throw ConfigProblem("holds \"\(wrong)\"; it needs origins such as https://desk.example.com, without a path")
    }
    return CrossOriginPolicy(origins: origins)
  }

  /// Calls a second with one session or key.
  package static let credentialCalls = ConfigKey<Int>.integer(
    "HANDOFF_CALLS_PER_SECOND", default: 1_000, range: 0...1_000_000,
    doc: "Calls a second that one session or API key may make, with five seconds' worth at once; 0: any number.")

  /// Calls a second from one address.
  package static let addressCalls = ConfigKey<Int>.integer(
    "HANDOFF_CALLS_PER_SECOND_AND_ADDRESS", default: 5_000, range: 0...1_000_000,
    doc: "Calls a second that may come from one address, with five seconds' worth at once; 0: any number.")
}
