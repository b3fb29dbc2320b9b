import CCurl

/// Why a mailbox, or a mail in it, could not be read. Words are for administrators and hold no password.
package enum IMAPFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The host has an address that must not be called; its kind.
  case address(String)
  /// The host is not found, or does not answer.
  case host(String)
  /// The connection cannot be encrypted, or the certificate is not trusted.
  case encryption(String)
  /// The server refuses user and password.
  case signIn(String)
  /// The server does not open the mailbox.
  case mailbox(String)
  /// The mailbox has another UIDVALIDITY: UIDs name other mails than before.
  case mailboxChanged
  /// There is no such mail any more.
  case messageGone
  /// The mail is longer than allowed.
  case messageTooLong
  /// The server did not answer in time.
  case timeout
  /// The server refused a command, said something else than an answer, or hung up.
  case server(String)

  /// For administrators and logs.
  package var description: String {
    switch self {
    case .address(let range): "the host has an address that must not be called: \(range)"
    case .host(let words), .encryption(let words), .signIn(let words), .mailbox(let words), .server(let words): words
    case .mailboxChanged: "the mailbox was replaced by another one while it was read"
    case .messageGone: "the mail is not in the mailbox any more"
    case .messageTooLong: "the mail is longer than the server said"
    case .timeout: "the server did not answer in time"
    }
  }

  /// Reads the outcome of a failed transfer.
  ///
  /// - Parameter opensMailbox: whether we were signed in already, so that a refusal concerns the mailbox.
  init(_ code: CURLcode, words: String, exchange: CurlExchange, opensMailbox: Bool) {
    let reply = Self.refusal(in: exchange.lines)
    let told = reply.map { "the server says: \($0)" }
    switch code {
    case _ where exchange.addressRefusal != nil: self = .address(exchange.addressRefusal ?? "")
    case _ where exchange.isBodyTooLong: self = .messageTooLong
    case CURLE_COULDNT_RESOLVE_HOST: self = .host("the host is not found")
    case CURLE_COULDNT_CONNECT: self = .host("the host does not answer: \(words)")
    case CURLE_USE_SSL_FAILED: self = .encryption("the server does not offer STARTTLS")
    case CURLE_PEER_FAILED_VERIFICATION: self = .encryption("the server's certificate is not trusted: \(words)")
    case CURLE_SSL_CONNECT_ERROR: self = .encryption("the connection cannot be encrypted: \(words)")
    case CURLE_LOGIN_DENIED where opensMailbox: self = .mailbox(told ?? words)
    case CURLE_LOGIN_DENIED: self = .signIn(told ?? words)
    case CURLE_REMOTE_FILE_NOT_FOUND where words.contains("UIDVALIDITY"): self = .mailboxChanged
    // libcurl says this of every answer without the mail, also when the server refuses to hand it out.
    case CURLE_REMOTE_FILE_NOT_FOUND: self = Self.isRefused(exchange.lines) ? .server(told ?? words) : .messageGone
    case CURLE_OPERATION_TIMEDOUT: self = .timeout
    default: self = .server(told ?? words)
    }
  }

  /// Whether the last command was refused: its tagged answer is no `OK`.
  static func isRefused(_ lines: [String]) -> Bool {
    guard let last = lines.last(where: { !$0.hasPrefix("*") && !$0.hasPrefix("+") }) else { return true }
    let parts = last.split(separator: " ", maxSplits: 2)
    return parts.count < 2 || parts[1].uppercased() != "OK"
  }

  /// The words of the last answer that is a refusal: `A003 NO [NONEXISTENT] …`, or a `BYE`.
  private static func refusal(in lines: [String]) -> String? {
    for line in lines.reversed() {
      let parts = line.split(separator: " ", maxSplits: 2)
      guard parts.count == 3 else { continue }
      let kind = parts[1].uppercased()
      if kind == "NO" || kind == "BAD" || (kind == "BYE" && parts[0] == "*") { return String(parts[2].prefix(300)) }
    }
    return nil
  }
}
