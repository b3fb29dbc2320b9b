import CCurl

/// What a mail server answered: its code and words (RFC 5321 §4.2).
package struct SMTPReply: Sendable, Equatable, CustomStringConvertible {
  /// 200 … 599.
  package let code: Int
  /// The words of all lines of the reply, without the code and without control characters.
  package let text: String

  /// `550 5.1.1 no such user`.
  package var description: String { "\(code) \(text)" }

  /// The replies in what the server sent, in order; lines that are no replies are skipped.
  static func all(in lines: [String]) -> [SMTPReply] {
    var replies: [SMTPReply] = []
    var words: [Substring] = []
    for line in lines {
      guard let code = Int(line.prefix(3)), (200...599).contains(code) else { continue }
      words.append(line.dropFirst(4))
      // A hyphen after the code says that more lines follow.
      if line.dropFirst(3).first == "-" { continue }
      replies.append(SMTPReply(code: code, text: words.joined(separator: " ")))
      words = []
    }
    return replies
  }
}

extension SMTPReply {
  /// How many recipients a server accepted, by its replies up to there.
  ///
  /// A run of 25x ends with them; before them it has that to MAIL. That to EHLO stands at its beginning unless there
  /// was none, on a kept connection, or a sign-in came after it, which ends with 235.
  static func recipientsAccepted(in replies: some BidirectionalCollection<SMTPReply>) -> Int {
    let run = replies.reversed().prefix { (250...259).contains($0.code) }.count
    let before = replies.dropLast(run).last
    let others = before == nil || before?.code == 235 ? 1 : 2
    return max(0, run - others)
  }
}

/// Why a mail was not taken.
package enum SMTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The server refuses this mail (5xx to MAIL or the content): trying again is of no use.
  case permanent(SMTPReply)
  /// The server refuses one of the recipients, for good (5xx) or for now (4xx), so nobody got the mail. `index` is the
  /// recipient's place in the message. Without it the others may get theirs at once.
  case recipientRefused(index: Int, SMTPReply)
  /// The same mail may be taken later: the server says so (4xx), cannot be reached, is too slow, or refuses our
  /// sign-in or certificates, which is the operator's to mend. `reason` is for logs and operators.
  ///
  /// After a time-out the server may have taken the mail all the same, so a second try can deliver it twice.
  case transient(reason: String, reply: SMTPReply?)

  /// For logs and operators: the reason and the server's reply, which may repeat an address of the envelope.
  package var description: String {
    switch self {
    case .permanent(let reply): "refused: \(reply)"
    case .recipientRefused(let index, let reply): "recipient \(index + 1) refused: \(reply)"
    case .transient(let reason, let reply): reply.map { "\(reason): \($0)" } ?? reason
    }
  }

  /// Reads the outcome of a failed transfer.
  init(_ code: CURLcode, words: String, exchange: CurlExchange) {
    // 221 is the answer to the QUIT by which libcurl takes leave after the failure.
    let replies = SMTPReply.all(in: exchange.lines).filter { $0.code != 221 }
    let refusal = replies.last.flatMap { $0.code >= 400 ? $0 : nil }
    // libcurl 7.88 ends with these two when MAIL, RCPT or DATA, or the content, was refused.
    let concernsMail = code == CURLE_SEND_ERROR || (code == CURLE_WEIRD_SERVER_REPLY && exchange.hasBegunUpload)
    if let refusal, concernsMail, !Self.concernsSignIn(refusal) {
      if words.hasPrefix(Self.recipientRefusedWords), refusal.code != 421 {
        self = .recipientRefused(index: SMTPReply.recipientsAccepted(in: replies.dropLast()), refusal)
        return
      }
      if refusal.code >= 500 {
        self = .permanent(refusal)
        return
      }
    }
    switch code {
    case CURLE_OPERATION_TIMEDOUT: self = .transient(reason: "the server did not answer in time", reply: nil)
    case CURLE_LOGIN_DENIED:
      self = .transient(reason: "the server refuses our sign-in; check user and password", reply: refusal)
    case CURLE_USE_SSL_FAILED:
      let advice = "if that is intended, say ?starttls=off in the URL"
      self = .transient(reason: "the server does not offer STARTTLS; \(advice)", reply: refusal)
    case CURLE_PEER_FAILED_VERIFICATION:
      self = .transient(reason: "the server's certificate is not trusted: \(words)", reply: nil)
    default: self = .transient(reason: words, reply: refusal)
    }
  }

  /// How libcurl begins when RCPT was refused.
  private static let recipientRefusedWords = "RCPT failed"

  /// 530, 534, 535 and 538 speak of the sign-in (RFC 4954 §6), whatever command they answer.
  private static func concernsSignIn(_ reply: SMTPReply) -> Bool {
    [530, 534, 535, 538].contains(reply.code)
  }
}
