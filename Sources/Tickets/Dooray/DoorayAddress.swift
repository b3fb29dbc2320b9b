import Outbound
package import ServiceKit

/// Where the API of Dooray! is: `https://api.dooray.com`, or another installation's.
package struct DoorayAddress: Sendable, Equatable {
  /// Scheme, host and port, without a slash at the end.
  package let text: String

  /// Reads an `https` URL without a path; `http` is for this machine's loopback only, since tokens travel there.
  ///
  /// - Throws: `ConfigProblem` in words for the operator.
  package init(_ text: String) throws(ConfigProblem) {
    let base = text.hasSuffix("/") ? String(text.dropLast()) : text
    let isPlain = base.hasPrefix("http://")
    let rest = String(base.dropFirst(isPlain ? "http://".count : "https://".count))
    guard let url = HTTPSURL(isPlain ? "https://" + rest : base), !rest.contains("/"), !rest.contains("?") else {
      throw ConfigProblem("is no address of an API; it needs \(DoorayKeys.expectation)")
    }
    guard !isPlain || ["localhost", "127.0.0.1", "::1"].contains(url.host) else {
      throw ConfigProblem("would send tokens unencrypted; it needs \(DoorayKeys.expectation)")
    }
    self.text = base
  }
}

/// The configuration of the daemon that is about Dooray!.
package enum DoorayKeys {
  static let expectation = "an https URL without a path, such as https://api.dooray.com"

  /// Where the API is.
  package static let url = ConfigKey<String>.text(
    "HANDOFF_DOORAY_URL", default: "https://api.dooray.com", expectation: expectation,
    doc: "Where the API of Dooray! is, for example https://api.gov-dooray.com; http: loopback only."
  ).mapped { text throws(ConfigProblem) in try DoorayAddress(text) }

  /// The key table's rows.
  package static let all: [any AnyConfigKey] = [url]
}
