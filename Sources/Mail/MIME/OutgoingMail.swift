/// A mail before it is bytes.
package struct OutgoingMail: Sendable {
  /// Whom it is from.
  package var from: MailAddress
  /// Where a reply goes.
  package var replyTo: MailAddress
  /// The customer.
  package var to: MailAddress
  /// Other people of the conversation.
  package var cc: [MailAddress] = []
  /// One line.
  package var subject: String
  /// The plain text part; lines end with `\n`.
  package var text: String
  /// The HTML part; lines end with `\n`.
  package var html: String
  /// Without angle brackets; the same one makes the same bytes of the same mail.
  package var messageID: String
  /// Files that go with it, in their order.
  package var files: [File] = []
  /// Message-IDs of the earlier mails of the conversation, oldest first, without angle brackets.
  package var references: [String] = []
  /// When the answer was written, in seconds since 1970.
  package var dateSeconds: Int64
  /// The ticket's resource name. Marks the mail as ours, so that a copy that comes back is known for what it is.
  package var ticket: String
  /// Whether no person wrote it, such as a trigger's mail: programs that answer mails leave it alone (RFC 3834, 5).
  package var isAutomatic = false

  /// A file that goes with a mail.
  package struct File: Sendable {
    /// One line, in any script.
    package let name: String
    /// The media type, with its parameters.
    package let contentType: String
    /// The content.
    package let bytes: [UInt8]

    /// Describes a file.
    package init(name: String, contentType: String, bytes: [UInt8]) {
      self.name = name
      self.contentType = contentType
      self.bytes = bytes
    }
  }

  /// Name of the header that holds ``ticket``.
  package static let ticketHeader = "X-Handoff-Ticket"
  /// Message-IDs in `References`: the first and the last ones, as RFC 5322 (3.6.4) lets long threads be shortened.
  package static let referencesMax = 20

  /// The Message-IDs that go into `References`.
  var shortenedReferences: [String] {
    guard references.count > Self.referencesMax else { return references }
    return references.prefix(1) + references.suffix(Self.referencesMax - 1)
  }
}
