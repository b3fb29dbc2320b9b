/// How a connection to a mail server is encrypted.
package enum ConnectionSecurity: String, Sendable {
  /// Not at all; for a server on the same machine.
  case none
  /// By STARTTLS (RFC 3207, RFC 3501 §6.2.1); a server that does not offer it gets nothing.
  case startTLS
  /// From the first byte (RFC 8314 §3).
  case implicit
}
