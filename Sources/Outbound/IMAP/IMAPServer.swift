/// A mailbox of a mail server, and who we are to it.
package struct IMAPServer: Sendable {
  /// A name or literal address, without brackets.
  package let host: String
  /// 1 … 65535.
  package let port: UInt16
  /// Whether and when the connection is encrypted.
  package let security: ConnectionSecurity
  /// Who signs in.
  package let user: String
  let password: String
  /// The mailbox's name, as people write it.
  package let mailbox: String

  /// Describes a mailbox; nil for a host that is neither a name nor an address, and for control characters.
  package init?(
    host: String, port: UInt16, security: ConnectionSecurity, user: String, password: String, mailbox: String
  ) {
    guard Self.isHost(host), port > 0, [user, password, mailbox].allSatisfy({ !$0.isEmpty && isOneLine($0) }) else {
      return nil
    }
    self.host = host
    self.port = port
    self.security = security
    self.user = user
    self.password = password
    self.mailbox = mailbox
  }

  /// Whether a text can be a host: a name, or an address without brackets.
  package static func isHost(_ text: String) -> Bool {
    (1...253).contains(text.utf8.count)
      && (text.utf8.allSatisfy(isHostByte) || AddressPolicy.bytes(text)?.count == 16)
  }

  /// What libcurl calls (RFC 5092): without a mailbox to sign in, with one to open it, with a UID to fetch a mail.
  func url(inMailbox: Bool, uidValidity: UInt32? = nil, uid: UInt32? = nil, section: String = "") -> String {
    let literal = host.contains(":") ? "[\(host)]" : host
    var url = "\(security == .implicit ? "imaps" : "imap")://\(literal):\(port)/"
    if inMailbox { url += Self.percentEncoded(ModifiedUTF7.encoded(mailbox)) }
    if let uidValidity { url += ";UIDVALIDITY=\(uidValidity)" }
    if let uid { url += "/;UID=\(uid)" + section }
    return url
  }

  private static func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      let isPlain = isHostByte(byte)
      result += isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return result
  }
}

extension IMAPServer: CustomStringConvertible, CustomReflectable {
  /// Host and port; never the password.
  package var description: String { "\(host):\(port)" }
  /// What `dump` and debuggers show: not the password.
  package var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port, "security": security]) }
}
