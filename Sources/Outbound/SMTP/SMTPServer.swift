/// The relay that takes our mail: where it is, how the connection is protected, and who we are to it.
package struct SMTPServer: Sendable {
  /// A name or literal address, without brackets.
  package let host: String
  /// 587 for `smtp://` and 465 for `smtps://` unless the URL names another.
  package let port: UInt16
  /// Whether and when the connection is encrypted.
  package let security: ConnectionSecurity
  /// Nil when the relay asks for no sign-in.
  package let user: String?
  /// The name we greet the server by; nil means this machine's name.
  package let clientName: String?
  let password: String?
  let certificatesFile: String?

  /// Reads `smtp://[user@]host[:port][?starttls=required|off]` or `smtps://[user@]host[:port]`.
  ///
  /// Ports default to 587 and 465. `smtp://` means STARTTLS, required, unless the host is this machine's loopback or
  /// `starttls=off` is given. `user` is percent-encoded. `certificatesFile` is a PEM file of authorities to trust
  /// instead of the system's.
  ///
  /// - Throws: `SMTPServerError` that says what is wrong; it never repeats the password.
  package init(
    url: String, password: String? = nil, clientName: String? = nil, certificatesFile: String? = nil
  ) throws(SMTPServerError) {
    let parts = try Self.parts(url)
    let isLoopback = ["localhost", "127.0.0.1", "::1"].contains(parts.host)
    switch (parts.scheme, parts.query) {
    case ("smtps", ""): security = .implicit
    case ("smtp", "starttls=required"): security = .startTLS
    case ("smtp", "starttls=off"): security = .none
    case ("smtp", ""): security = isLoopback ? .none : .startTLS
    default: throw SMTPServerError("the SMTP URL begins with smtp:// or smtps://, and may end in ?starttls=required")
    }
    guard (parts.user == nil) == (password == nil) else {
      throw SMTPServerError("an SMTP URL with a user needs a password, and a password needs a user in the URL")
    }
    guard password == nil || security != .none || isLoopback else {
      throw SMTPServerError("a password is not sent over an unencrypted connection; take ?starttls=off away")
    }
    for text in [parts.user, password, clientName].compactMap({ $0 }) where !isOneLine(text) {
      throw SMTPServerError("the user, the password and the client's name of SMTP must not hold control characters")
    }
    if let clientName, !clientName.utf8.allSatisfy(isHostByte) {
      throw SMTPServerError("the client's name of SMTP must be a host name")
    }
    host = parts.host
    port = parts.port ?? (security == .implicit ? 465 : 587)
    user = parts.user
    self.password = password
    self.clientName = clientName
    self.certificatesFile = certificatesFile
  }

  /// What libcurl calls; the path is the name we greet by.
  var curlURL: String {
    let literal = host.contains(":") ? "[\(host)]" : host
    return "\(security == .implicit ? "smtps" : "smtp")://\(literal):\(port)/\(clientName ?? "")"
  }

  private struct Parts {
    var scheme: String
    var user: String?
    var host: String
    var port: UInt16?
    var query: String
  }

  private static func parts(_ url: String) throws(SMTPServerError) -> Parts {
    let malformed = SMTPServerError("the SMTP URL has the form smtp://user@host:port?starttls=required")
    guard let separator = url.firstRange(of: "://"), isOneLine(url) else { throw malformed }
    let afterScheme = url[separator.upperBound...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var authority = afterScheme[0]
    if authority.hasSuffix("/") { authority = authority.dropLast() }
    var user: String?
    if let at = authority.lastIndex(of: "@") {
      guard let decoded = percentDecoded(authority[..<at]), !decoded.isEmpty else { throw malformed }
      if authority[..<at].contains(":") { throw SMTPServerError("the SMTP password belongs into a file, not the URL") }
      user = decoded
      authority = authority[authority.index(after: at)...]
    }
    var port: UInt16?
    if let colon = authority.lastIndex(of: ":"), authority.last != "]" {
      guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { throw malformed }
      port = number
      authority = authority[..<colon]
    }
    if authority.hasPrefix("["), authority.hasSuffix("]") {
      authority = authority.dropFirst().dropLast()
      guard authority.utf8.allSatisfy({ isHostByte($0) || $0 == UInt8(ascii: ":") }) else { throw malformed }
    } else {
      guard authority.utf8.allSatisfy(isHostByte) else { throw malformed }
    }
    guard !authority.isEmpty else { throw malformed }
    return Parts(
      scheme: String(url[..<separator.lowerBound]), user: user, host: String(authority), port: port,
      query: afterScheme.count > 1 ? String(afterScheme[1]) : "")
  }
}

extension SMTPServer: CustomStringConvertible, CustomReflectable {
  /// Host and port; never the password.
  package var description: String { "\(host):\(port)" }
  /// What `dump` and debuggers show: not the password.
  package var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port, "security": security]) }
}

/// What is wrong with the description of a relay.
package struct SMTPServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// For the operator: what is wrong and what would be right; never the password.
  package let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// No control characters: nothing that could end a line of the protocol.
func isOneLine(_ text: String) -> Bool {
  !text.utf8.contains { $0 < 0x20 || $0 == 0x7f }
}

/// What a host's name consists of.
func isHostByte(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
  default: false
  }
}

private func percentDecoded(_ text: Substring) -> String? {
  var bytes: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      bytes.append(byte)
      continue
    }
    guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
      return nil
    }
    bytes.append(value)
    rest = rest.dropFirst(2)
  }
  return String(validating: bytes, as: UTF8.self)
}
