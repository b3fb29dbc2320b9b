import Outbound
package import ServiceKit

/// Where the API of Dooray! is: `https://api.dooray.com`, or another installation's.
package struct DoorayAddress: Sendable, Equatable {
  /// Scheme, host and port, without a slash at the end.
  package let text: String
  private let host: String
  private let isPlain: Bool
  private static let loopback = ["localhost", "127.0.0.1", "::1"]

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
    guard !isPlain || Self.loopback.contains(url.host) else {
      throw ConfigProblem("would send tokens unencrypted; it needs \(DoorayKeys.expectation)")
    }
    self.text = base
    self.isPlain = isPlain
    host = url.host
  }

  /// Whether what is sent here may go on to another address, with its token: to this host, or to one beside it, such as
  /// `file-api.dooray.com` for `api.dooray.com`.
  func mayForward(to url: String) -> Bool {
    if isPlain {
      guard url.hasPrefix("http://"), let target = HTTPSURL("https://" + url.dropFirst("http://".count)) else {
        return false
      }
      return Self.loopback.contains(target.host)
    }
    guard let target = HTTPSURL(url) else { return false }
    guard target.host != host else { return true }
    // Nothing is beside an address; a name of two parts, such as dooray.com, is beside all others.
    guard !Self.isAddress(host), let dot = host.firstIndex(of: "."), host[dot...].dropFirst().contains(".") else {
      return false
    }
    return target.host.hasSuffix(host[dot...]) && target.port == 443
  }

  /// Whether a host is an address and no name: no name of a host ends with a part of digits.
  private static func isAddress(_ host: String) -> Bool {
    host.contains(":") || host.split(separator: ".").last?.allSatisfy { $0.isASCII && $0.isNumber } ?? true
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

  /// How long a change at Dooray! can go unnoticed whose hook was lost.
  package static let pollInterval = ConfigKey<Duration>.duration(
    "HANDOFF_DOORAY_POLL_INTERVAL", default: "5m", range: .seconds(10) ... .seconds(86_400),
    doc: "After how long a task at Dooray! that a ticket waits for is looked at though no hook came.")

  /// Authorities of its servers.
  package static let authoritiesFile = ConfigKey<String>.text(
    "HANDOFF_DOORAY_CA_FILE", default: nil, expectation: "the path of a file",
    doc: "Certificates, in PEM, of the authorities that Dooray! is checked against in the place of the system's."
  ).optional()

  /// The key table's rows.
  package static let all: [any AnyConfigKey] = [url, pollInterval, authoritiesFile]
}
