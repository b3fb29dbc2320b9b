import TicketLedger

/// What a report says about a mail of ours, and by what it names it.
struct BounceReading: Sendable {
  /// Message-IDs in it, the likeliest first; none of them need be ours.
  private(set) var messageIDs: [String] = []
  /// Addresses that replies to the mail were to go to, and to which the report went.
  private(set) var replyAddresses: [String] = []
  /// What it says about recipients. One without an address is about whom the mail went to.
  private(set) var recipients: [DeliveryReport.Recipient] = []
  /// The report's words in lower case, when they are all there is.
  private var words = ""

  private static let messageIDsMax = 40

  /// Reads a mail that was recognised as a bounce.
  init(_ mail: IncomingMail) {
    if let report = mail.report {
      messageIDs.append(report.originalMessageID)
      replyAddresses.append(report.originalReplyTo)
    }
    for file in mail.files where file.kind == .message {
      if let id = MessageIdentity.messageID(of: file.bytes) { messageIDs.append(id) }
    }
    messageIDs += BounceText.messageIDs(in: mail.text) + mail.inReplyTo + mail.references.reversed()
    messageIDs = Array(messageIDs.filter { !$0.isEmpty }.prefix(Self.messageIDsMax))
    replyAddresses += BounceText.values(of: "reply-to:", in: mail.text).map { Self.address(String($0)) }
    replyAddresses += (mail.to + mail.cc).map(\.address)
    if let report = mail.report, !report.recipients.isEmpty {
      recipients = report.recipients
    } else if mail.contentType != "multipart/report" {
      readWords(of: mail)
    }
  }

  /// What there is to note of a mail that went to these people.
  ///
  /// A report about somebody else's address, to which the mail was forwarded, is one about the mail, and not about the
  /// address that it was sent to.
  ///
  /// - Parameter sent: in lower case.
  func drafts(of sent: [String]) -> [MailStore.BounceDraft] {
    var drafts: [MailStore.BounceDraft] = []
    for recipient in recipients {
      guard
        var kind = BounceTable.kind(
          action: recipient.action, status: recipient.status, words: recipient.diagnostic)
      else { continue }
      var about = sent.filter { $0 == recipient.address }
      if about.isEmpty, recipient.address.isEmpty {
        about = sent.count == 1 ? sent : sent.filter { words.contains($0) }
      }
      if about.isEmpty, let first = sent.first {
        about = [first]
        if kind == .addressFailed { kind = .failed }
      }
      for address in about where !drafts.contains(where: { $0.recipient == address }) {
        drafts.append(
          MailStore.BounceDraft(
            kind: kind, recipient: address,
            status: BounceTable.status(recipient.status, words: recipient.diagnostic),
            words: Self.withoutAddresses(recipient.diagnostic)))
      }
    }
    return drafts
  }

  private mutating func readWords(of mail: IncomingMail) {
    // A person who is away writes numbers, too.
    guard SuppressionTable.isMailServer(mail.header("from") ?? "") || mail.header("x-failed-recipients") != nil,
      let reading = BounceText.reading(mail.text)
    else { return }
    words = reading.report
    let failed = mail.headers.filter { $0.name == "x-failed-recipients" }.flatMap { $0.value.split(separator: ",") }
      .map { Self.address(String($0)) }
    for address in failed.isEmpty ? [""] : failed {
      recipients.append(
        DeliveryReport.Recipient(
          address: address, action: reading.action, status: reading.status, diagnostic: reading.words))
    }
  }

  /// The address in `Care <care@shop.example>`, in lower case.
  private static func address(_ value: String) -> String {
    let inner = value.firstIndex(of: "<").map { value[value.index(after: $0)...].prefix { $0 != ">" } } ?? value[...]
    return inner.filter { $0 != " " && $0 != "\t" && $0 != "\r" }.lowercased()
  }

  /// A server's words without the addresses, which they often repeat.
  static func withoutAddresses(_ words: String) -> String {
    var text = ""
    var word = ""
    func end() {
      text += word.contains("@") ? "the recipient" : word
      word = ""
    }
    for character in words {
      if " \t\n<>()[]{}\"',;:".contains(character) {
        end()
        text.append(character)
      } else {
        word.append(character)
      }
    }
    end()
    return text
  }
}
