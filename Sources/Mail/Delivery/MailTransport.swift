package import EventLoop

/// A mail ready to leave.
package struct EnvelopedMail: Sendable {
  /// Without angle brackets.
  package let messageID: String
  /// Where bounces go.
  package let sender: String
  /// Everybody who gets it.
  package var recipients: [String]
  /// Header and body, lines ended by CRLF.
  package let content: [UInt8]

  /// Puts a mail's bytes into their envelope.
  package init(messageID: String, sender: String, recipients: [String], content: [UInt8]) {
    self.messageID = messageID
    self.sender = sender
    self.recipients = recipients
    self.content = content
  }
}

/// How mails leave this machine.
package protocol MailTransport: Sendable {
  /// Hands a mail on and returns the taker's words once the taker answers for it.
  ///
  /// A mail handed on twice under one Message-ID must do no more harm than arriving twice.
  ///
  /// - Throws: ``DeliveryFailure``, or `CancellationError`.
  func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String
}

/// Why a mail did not leave.
package struct DeliveryFailure: Error, Sendable, Equatable {
  /// Whether another attempt is of no use.
  package let isPermanent: Bool
  /// The reply code of the mail server (RFC 5321, 4.2.1); 0 when it did not reply.
  package let replyCode: Int
  /// The server's words, or what kept us from hearing any.
  package let words: String
  /// Of the envelope's recipients the one that was refused, so that nobody got the mail; nil: it is not about one.
  package let recipient: String?

  /// Characters of ``words``; more are cut off.
  package static let wordsMax = 500

  /// Makes a failure, its words cut to their limit.
  package init(isPermanent: Bool, replyCode: Int, words: String, recipient: String? = nil) {
    self.isPermanent = isPermanent
    self.replyCode = replyCode
    self.words = String(words.prefix(Self.wordsMax))
    self.recipient = recipient
  }
}
