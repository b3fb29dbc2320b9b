/// What a report about a mail that we sent means; raw values and order as in the API.
package enum BounceKind: String, CaseIterable, Sendable {
  /// The recipient has no such address, or it takes mails no more: no further mail is sent there.
  case addressFailed = "ADDRESS_FAILED"
  /// It was not delivered, for a reason that is not the address's or may pass.
  case failed = "FAILED"
  /// It is not delivered yet, and still tried.
  case delayed = "DELAYED"
}

/// Which reports speak of an address that will not take mails later either. No other code decides it.
///
/// The status codes are those of RFC 3463 and its registry. Where a report has none that says anything (`5.0.0`, as
/// Exim writes it always), the code in the server's words counts, then their meaning.
package enum BounceTable {
  /// A row of the table.
  package struct Row: Sendable {
    /// What the status begins with, up to a dot or its end.
    package let status: String
    /// What follows.
    package let kind: BounceKind
    /// What the registry calls it.
    package let meaning: String
  }

  /// The first row that fits decides.
  package static let rows: [Row] = [
    row("5.1.1", .addressFailed, "bad destination mailbox address"),
    row("5.1.2", .addressFailed, "bad destination system address"),
    row("5.1.3", .addressFailed, "bad destination mailbox address syntax"),
    row("5.1.6", .addressFailed, "destination mailbox has moved, no forwarding address"),
    row("5.1.10", .addressFailed, "recipient address has null MX"),
    row("5.1", .failed, "about the sender's address, an ambiguous one, or one that is not told (5.1.0)"),
    row("5.2.1", .addressFailed, "mailbox disabled, not accepting messages"),
    row("5.2", .failed, "mailbox full, or the mail too long for it"),
    row("5.4.4", .addressFailed, "unable to route: the domain does not exist"),
    row("5", .failed, "system, network, protocol, content or policy"),
    row("4", .failed, "given up after a trouble that may pass"),
  ]

  /// What servers write of an address that does not exist, in lower case. They count where no code says it.
  package static let addressWords = [
    "user unknown", "unknown user", "no such user", "user not found", "user doesn't exist", "user does not exist",
    "no such mailbox", "mailbox not found", "mailbox does not exist", "no mailbox here",
    "no such recipient", "recipient not found", "recipient unknown", "unknown recipient", "invalid recipient",
    "no such address", "address not found", "account does not exist", "account has been disabled",
    "account that you tried to reach does not exist", "couldn't find any host named", "host not found",
    "host or domain name not found", "unrouteable address", "unrouteable mail domain", "존재하지 않는", "없는 사용자",
    "없는 메일", "휴면 계정", "휴면계정", "수신자를 찾을 수 없", "宛先が見つかりません",
  ]

  /// What servers write of a mail that they still try to deliver, in lower case.
  package static let delayWords = [
    "will be retried", "will continue", "delayed", "still being retried", "do not need to resend", "지연",
    "delivery is pending", "will keep trying", "warning: message",
  ]

  /// What a report about one recipient means; nil when the mail arrived, as far as it says.
  ///
  /// - Parameters:
  ///   - action: of RFC 3464, in lower case; empty: not told, which counts as failed.
  ///   - status: of RFC 3463; empty: not told.
  ///   - words: the server's.
  package static func kind(action: String, status: String, words: String) -> BounceKind? {
    switch action {
    case "delayed": return .delayed
    case "failed", "": break
    default: return nil
    }
    let status = self.status(status, words: words)
    let found = rows.first { status == $0.status || status.hasPrefix($0.status + ".") }?.kind ?? .failed
    guard found == .failed, saysNothing(status), !status.hasPrefix("4") else { return found }
    let words = words.lowercased()
    return addressWords.contains { words.contains($0) } ? .addressFailed : .failed
  }

  /// The status code that says most: the report's own, or the one in the server's words where the own says nothing;
  /// with `x.0.0` for a bare reply code. Empty when there is none.
  package static func status(_ status: String, words: String) -> String {
    let own = statusCodes(in: status).first ?? ""
    guard saysNothing(own) else { return own }
    let codes = statusCodes(in: words)
    if let code = codes.first(where: { !saysNothing($0) && (own.isEmpty || $0.first == own.first) }) { return code }
    if !own.isEmpty { return own }
    return codes.first ?? replyCode(in: words).map { "\($0 / 100).0.0" } ?? ""
  }

  /// `5.0.0` and `5.5.0` say no more than that it failed.
  private static func saysNothing(_ status: String) -> Bool {
    status.isEmpty || status.hasSuffix(".0.0") || status.hasSuffix(".5.0")
  }

  /// Every `5.1.1` in a text that is no part of a longer number, such as an address of the Internet.
  package static func statusCodes(in text: String) -> [String] {
    numbers(in: text).compactMap { run in
      let parts = run.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "4" || parts[0] == "5",
        parts[1...].allSatisfy({ (1...3).contains($0.utf8.count) })
      else { return nil }
      return String(run)
    }
  }

  /// The first reply code of SMTP that refuses (RFC 5321, 4.2.1).
  private static func replyCode(in text: String) -> Int? {
    numbers(in: text).lazy.compactMap { $0.utf8.count == 3 ? Int($0) : nil }.first { (400...599).contains($0) }
  }

  /// Runs of digits and inner dots.
  private static func numbers(in text: String) -> [Substring] {
    text.utf8.split { !(($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2E) }.map { run in
      var run = run
      while run.last == 0x2E { run.removeLast() }
      return Substring(run)
    }
  }

  private static func row(_ status: String, _ kind: BounceKind, _ meaning: String) -> Row {
    Row(status: status, kind: kind, meaning: meaning)
  }
}
