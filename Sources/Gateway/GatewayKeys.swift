package import ServiceKit

/// Configuration keys of the gateway alone.
package enum GatewayKeys {
  /// How long a session lasts.
  package static let sessionLifetime = ConfigKey<Duration>.duration(
    "HANDOFF_SESSION_LIFETIME", default: "12h", range: .seconds(60) ... .seconds(30 * 86_400),
    doc: "How long a sign-in lasts; using a session does not prolong it.")
}
