import Outbound
package import ServiceKit

/// The configuration of the daemon that is about callbacks.
package enum CallbackKeys {
  /// Addresses beside public ones.
  static let allowedAddresses = ConfigKey<String>.text(
    "HANDOFF_CALLBACK_ALLOWED_ADDRESSES", default: nil, expectation: "ranges of addresses separated by commas",
    doc: "Addresses that triggers' callbacks may go to beside public ones, for example 10.1.0.0/16,fd12::/48."
  ).optional()

  /// Authorities of receivers.
  static let authoritiesFile = ConfigKey<String>.text(
    "HANDOFF_CALLBACK_CA_FILE", default: nil, expectation: "the path of a file",
    doc: "Certificates, in PEM, of the authorities that receivers of callbacks are checked against in the place of the"
      + " system's."
  ).optional()

  /// The key table's rows.
  package static let all: [any AnyConfigKey] = [allowedAddresses, authoritiesFile]
}

extension Config {
  /// Whom callbacks may go to.
  ///
  /// - Throws: `StartupError` when a range of addresses cannot be read.
  package func callbackRules() throws -> CallbackRules {
    do {
      return CallbackRules(
        policy: try AddressPolicy(allowing: self[CallbackKeys.allowedAddresses] ?? ""),
        authoritiesFile: self[CallbackKeys.authoritiesFile])
    } catch {
      throw StartupError(.usage, "\(CallbackKeys.allowedAddresses.name): \(error)")
    }
  }
}
