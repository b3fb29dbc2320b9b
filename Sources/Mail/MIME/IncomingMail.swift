import TicketLedger

/// A mail that came in, as values: what its bytes say, less their form.
///
/// All texts are in canonical form (``CanonicalText``), whatever they were encoded in.
package struct IncomingMail: Sendable, Equatable {
  /// A header field of the message itself, decoded, in one line.
  package struct Header: Sendable, Equatable {
    /// In lower case.
    package let name: String
    /// Cut after ``valueBytesMax`` bytes.
    package let value: String

    static let valueBytesMax = 8_192
  }

  /// A person in an address header. The address is as it was written, so it need not be one that mails can be sent to.
  package struct Mailbox: Sendable, Hashable {
    /// May be empty.
    package let displayName: String
    /// In lower case.
    package let address: String
  }

  /// A part that is not shown as text.
  package struct File: Sendable, Equatable {
    /// What it is.
    package enum Kind: String, Sendable {
      /// Attached by the sender.
      case attached
      /// Shown inside the text, such as a picture of a signature.
      case inline
      /// An invitation.
      case calendar
      /// Encrypted or signed text, or a signature, that only the recipient's keys can read.
      case sealed
      /// A whole message.
      case message
    }

    /// What it is.
    package let kind: Kind
    /// One line without `/` and `\`; never empty, made up when the mail names none.
    package let name: String
    /// `type/subtype`, in lower case.
    package let contentType: String
    /// The content, decoded.
    package let bytes: [UInt8]
  }

  /// Header fields in their order; at most ``ParseLimits/headersMax``.
  package internal(set) var headers: [Header] = []
  /// Who wrote it.
  package internal(set) var from: [Mailbox] = []
  /// Who it is to.
  package internal(set) var to: [Mailbox] = []
  /// Who gets a copy.
  package internal(set) var cc: [Mailbox] = []
  /// One line; may be empty.
  package internal(set) var subject = ""
  /// Without angle brackets; empty when there is none.
  package internal(set) var messageID = ""
  /// Without angle brackets, as written.
  package internal(set) var inReplyTo: [String] = []
  /// Without angle brackets, oldest first.
  package internal(set) var references: [String] = []
  /// What there is to read, quotations and signature included.
  package internal(set) var text = ""
  /// Attachments and what else is not text.
  package internal(set) var files: [File] = []
  /// `type/subtype` of the whole, in lower case.
  package internal(set) var contentType = ""
  /// What became of mails of ours, when this is a report about that.
  package internal(set) var report: DeliveryReport?
  /// How many people it is addressed to, those beyond ``ParseLimits/addressesMax`` included.
  package internal(set) var recipientCount = 0

  /// Where the quotation or signature at the end of ``text`` begins, in scalars; nil when there is none.
  package var foldStart: Int? { QuoteFold.start(in: text) }

  /// The first field of a name in lower case.
  package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// What a mail server says about a mail that it could not deliver, or about one that it could (RFC 3464).
package struct DeliveryReport: Sendable, Equatable {
  /// What is said about one recipient.
  package struct Recipient: Sendable, Equatable {
    /// In lower case.
    package internal(set) var address = ""
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
    package internal(set) var action = ""
    /// Such as `5.1.1`.
    package internal(set) var status = ""
    /// The server's words.
    package internal(set) var diagnostic = ""

    /// Whether the address will not take mails later either.
    package var isPermanentFailure: Bool { action == "failed" && status.hasPrefix("5") }
  }

  /// At most ``ParseLimits/addressesMax``.
  package internal(set) var recipients: [Recipient] = []
  /// The Message-ID of the mail that the report is about; empty when it does not say.
  package internal(set) var originalMessageID = ""
  /// Where replies to that mail were to go, in lower case; empty when it does not say.
  package internal(set) var originalReplyTo = ""
}

/// How much of a mail is read; what has more is refused as a whole, so nothing is half-read.
package struct ParseLimits: Sendable {
  /// Bytes of a whole message: 25 MB of files and their encoding.
  package var messageBytesMax = 36 << 20
  /// Bytes of the message's own header.
  package var headerBytesMax = 256 << 10
  /// Header fields of the message itself.
  package var headersMax = 500
  /// Parts, those that only hold others included.
  package var partsMax = 400
  /// How deep parts are nested.
  package var depthMax = 30
  /// Addresses kept of one header.
  package var addressesMax = 200
  /// Scalars of the text; the rest is cut off and kept as a file.
  package var textScalarsMax = 400_000
  /// Bytes of HTML that are turned into text.
  package var htmlBytesMax = 4 << 20

  /// The limits that the daemon works with.
  package init() {}
}

/// Why a mail cannot be read; raw values are reasons of quarantine.
package enum ParseFailure: String, Error, Sendable, CaseIterable {
  /// More bytes than are taken.
  case tooLarge = "TOO_LARGE"
  /// More header than is taken, or too many fields.
  case headerTooLarge = "HEADER_TOO_LARGE"
  /// Too many parts.
  case tooManyParts = "TOO_MANY_PARTS"
  /// Parts within parts, too deep.
  case tooDeep = "TOO_DEEP"
  /// It took too long.
  case tooSlow = "TOO_SLOW"
  /// It is no message at all.
  case notAMessage = "NOT_A_MESSAGE"
}
