/// Where a mail belongs, judged by the marks in it and by who wrote it.
package enum Threading {
  /// How a ticket was found, the surest way first.
  package enum Way: Int, Sendable, CaseIterable, Comparable {
    /// The signed mark in an address that the mail was sent to.
    case replyAddress
    /// A signed Message-ID of ours that the mail refers to.
    case signedMessageID
    /// A Message-ID in `References` that belongs to a ticket.
    case references
    /// The same in `In-Reply-To`.
    case inReplyTo
    /// The ticket's number in the subject.
    case subjectTag

    /// Whether only somebody who got a mail of the ticket can know it.
    package var isProof: Bool { self == .replyAddress || self == .signedMessageID }

    /// Orders by sureness.
    package static func < (left: Way, right: Way) -> Bool { left.rawValue < right.rawValue }
  }

  /// A ticket that a mail points to.
  package struct Pointer<Ticket: Sendable & Equatable>: Sendable, Equatable {
    /// How it was found.
    package let way: Way
    /// The ticket.
    package let ticket: Ticket
    /// Whether the sender takes part in it: the customer, or somebody whom the customer wrote to as well.
    package let knowsSender: Bool

    /// Describes a pointer.
    package init(way: Way, ticket: Ticket, knowsSender: Bool) {
      self.way = way
      self.ticket = ticket
      self.knowsSender = knowsSender
    }
  }

  /// What follows.
  package enum Verdict<Ticket: Sendable & Equatable>: Sendable, Equatable {
    /// It is a reply to this ticket.
    case reply(Ticket)
    /// It is an inquiry of its own.
    case inquiry
    /// An agent decides, who is told which ticket it points to, if any.
    case quarantine(QuarantineReason, Ticket?)
  }

  /// Decides.
  ///
  /// A mail joins a ticket, and can open it again, only with proof or from somebody who takes part in it. One that
  /// points to a ticket without either, or carries a mark that is not ours, waits for an agent: it may come from a
  /// colleague of the customer's, or from somebody who guesses numbers.
  ///
  /// - Parameters:
  ///   - pointers: what was found, in any order.
  ///   - hasForgedMark: a mark looks like ours and is not.
  ///   - isSenderDenied: the receiving mail server says that the sender's address is not the sender's (DMARC).
  package static func verdict<Ticket>(
    _ pointers: [Pointer<Ticket>], hasForgedMark: Bool, isSenderDenied: Bool
  ) -> Verdict<Ticket> {
    let pointers = pointers.sorted { $0.way < $1.way }
    if let sure = pointers.first(where: { $0.way.isProof }) { return .reply(sure.ticket) }
    if hasForgedMark { return .quarantine(.forgedMark, pointers.first?.ticket) }
    guard let first = pointers.first else { return isSenderDenied ? .quarantine(.senderDenied, nil) : .inquiry }
    guard let known = pointers.first(where: { $0.knowsSender }) else {
      return .quarantine(.unknownSender, first.ticket)
    }
    return isSenderDenied ? .quarantine(.senderDenied, known.ticket) : .reply(known.ticket)
  }

  /// The ticket's number in a subject: `[#4711]`, as `[##{ticketId}]` of a layout writes it; nil when there is none.
  package static func subjectTag(in subject: String) -> Int64? {
    var rest = subject[...]
    while let start = rest.firstIndex(of: "[") {
      rest = rest[rest.index(after: start)...]
      guard rest.first == "#", let end = rest.prefix(21).firstIndex(of: "]") else { continue }
      let digits = rest[rest.index(after: rest.startIndex)..<end]
      if !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int64(digits) {
        return number
      }
    }
    return nil
  }

  /// Whether the mail server that took a mail says that its sender's address is made up (RFC 8601). Only a refusal
  /// counts: anybody can write `dmarc=pass` into a mail.
  package static func deniesSender(_ authenticationResults: [String]) -> Bool {
    authenticationResults.contains { result in
      let text = result.lowercased().filter { $0 != " " && $0 != "\t" }
      return text.contains("dmarc=fail") || text.contains("compauth=fail")
    }
  }
}

/// Why a mail waits for an agent; raw values as in the API. Those of `ParseFailure` stand beside these.
package enum QuarantineReason: String, Sendable, CaseIterable {
  /// It points to a ticket in which its sender takes no part.
  case unknownSender = "UNKNOWN_SENDER"
  /// It carries a mark of ours that we did not make.
  case forgedMark = "FORGED_MARK"
  /// The receiving mail server says that the sender's address is not the sender's.
  case senderDenied = "SENDER_DENIED"
  /// It has the Message-ID of a mail that came in before and another body.
  case repeatedMessageID = "REPEATED_MESSAGE_ID"
  /// It has no address to answer to.
  case noSender = "NO_SENDER"
  /// It is addressed to more people than an inquiry is.
  case tooManyRecipients = "TOO_MANY_RECIPIENTS"
  /// Its sender, or the ticket, got more mails in a short time than people write.
  case tooManyMails = "TOO_MANY_MAILS"
  /// The ticket is gone.
  case ticketGone = "TICKET_GONE"
  /// The ticket or the service does not take it.
  case refused = "REFUSED"
  /// The daemon died over it again and again.
  case poisonous = "POISONOUS"
  /// What it needs could not be reached for long.
  case unreachable = "UNREACHABLE"
  /// The server of its mailbox does not hand it out.
  case unfetchable = "UNFETCHABLE"
}

/// How many mails of one sender, and for one ticket, are taken for a person's. Two programs that answer each other's
/// mails end here.
package enum MailBudget {
  /// A row of the table.
  package struct Row: Sendable {
    /// What is counted.
    package enum Scope: Sendable {
      /// New tickets of one sender.
      case inquiriesOfSender
      /// Replies to one ticket.
      case repliesToTicket
    }

    /// What is counted.
    package let scope: Scope
    /// The most within the window.
    package let count: Int
    /// In seconds.
    package let windowSeconds: Int64
  }

  /// All of them hold.
  package static let rows = [
    Row(scope: .inquiriesOfSender, count: 5, windowSeconds: 600),
    Row(scope: .inquiriesOfSender, count: 50, windowSeconds: 86_400),
    Row(scope: .repliesToTicket, count: 5, windowSeconds: 600),
    Row(scope: .repliesToTicket, count: 50, windowSeconds: 86_400),
  ]
}
