import Crypto
package import Postgres

/// The chat or the call that a new ticket comes from, as it is stored beside the ticket.
package struct StoredConversation: Sendable {
  /// A line of a chat.
  package struct Line: Sendable {
    /// CUSTOMER, AGENT or SYSTEM.
    package var speaker: String
    /// The speaker's name; may be empty.
    package var speakerName: String
    /// What was said; masked spans are asterisks.
    package var body: String
    /// The text before parts of it were masked on arrival: not stored, but what the chain covers. Nil: ``body``.
    package var original: String?
    /// When it was said.
    package var time: Instant

    /// Describes a line.
    package init(speaker: String, speakerName: String, body: String, original: String? = nil, time: Instant) {
      self.speaker = speaker
      self.speakerName = speakerName
      self.body = body
      self.original = original
      self.time = time
    }
  }

  /// A call.
  package struct Call: Sendable {
    /// INBOUND or OUTBOUND.
    package var direction: String
    /// The other side's number.
    package var phone: String
    /// When it began.
    package var startTime: Instant
    /// How long it took.
    package var durationSeconds: Int32

    /// Describes a call.
    package init(direction: String, phone: String, startTime: Instant, durationSeconds: Int32) {
      self.direction = direction
      self.phone = phone
      self.startTime = startTime
      self.durationSeconds = durationSeconds
    }
  }

  /// The lines of the chat, in their order.
  package var lines: [Line]
  /// The call.
  package var call: Call?

  /// Describes a conversation.
  package init(lines: [Line] = [], call: Call? = nil) { (self.lines, self.call) = (lines, call) }
}

extension TicketLedger {
  /// What stores a conversation beside a ticket: statements that go in the transaction of a change, and what that
  /// change's event has to say of it, so that ``verify(_:of:deadline:)`` knows what it was.
  package func storing(
    _ conversation: StoredConversation, on ticket: TicketLink
  ) -> (statements: [Query], notes: [CodeChange]) {
    var (statements, notes) = ([Query](), [CodeChange]())
    let lines = conversation.lines
    if !lines.isEmpty {
      let hashes = lines.enumerated().map { index, line in
        key.hash(of: line.speakerName, at: ConversationDigest.nameOfSpeaker(inLine: index + 1), of: ticket)
          + key.hash(of: line.original ?? line.body, at: ConversationDigest.textOfLine(index + 1), of: ticket)
      }
      statements.append(
        """
        INSERT INTO transcript_line (service_id, ticket_id, number, speaker, speaker_name, body, line_time, hashes)
        SELECT \(ticket.serviceID), \(ticket.ticketID), l.number, l.speaker, l.speaker_name, l.body, l.line_time,
          l.hashes
        FROM unnest(\(lines.map(\.speaker)), \(lines.map(\.speakerName)), \(lines.map(\.body)), \(lines.map(\.time)),
          \(hashes)) WITH ORDINALITY AS l (speaker, speaker_name, body, line_time, hashes, number)
        """)
      var digest = ConversationDigest()
      for (line, hashes) in zip(lines, hashes) { digest.add(line.speaker, line.time, hashes) }
      notes.append(CodeChange(ConversationDigest.transcriptField, "", digest.text))
    }
    if let call = conversation.call {
      let hash = key.hash(of: call.phone, at: ConversationDigest.phoneOfCall, of: ticket)
      statements.append(
        """
        INSERT INTO call_record (service_id, ticket_id, direction, phone, start_time, duration_seconds, hash)
        VALUES (\(ticket.serviceID), \(ticket.ticketID), \(call.direction), \(call.phone), \(call.startTime),
          \(call.durationSeconds), \(hash))
        """)
      var digest = ConversationDigest()
      digest.add(call.direction, call.startTime, hash, durationSeconds: call.durationSeconds)
      notes.append(CodeChange(ConversationDigest.callField, "", digest.text))
    }
    return (statements, notes)
  }
}

/// What an event says of a chat or a call: a digest over rows that hold the keyed hashes of their words, so that a row
/// that is edited, removed or added is found, also under a mask.
struct ConversationDigest {
  /// The event's field for a chat.
  static let transcriptField = "transcript"
  /// The event's field for a call.
  static let callField = "call_record"
  /// The place of a call's number.
  static let phoneOfCall = "call_record.phone/"
  /// The place of a speaker's name, for its hash; lines are numbered from 1.
  static func nameOfSpeaker(inLine number: Int) -> String { "transcript_line.speaker_name/\(number)" }
  /// The place of a line's text.
  static func textOfLine(_ number: Int) -> String { "transcript_line.body/\(number)" }

  private var encoder = ChainEncoder()

  /// In hexadecimal digits.
  var text: String { Hex.encode(SHA256.hash(encoder.bytes)) }

  /// Takes up a row, in the order of the rows.
  ///
  /// - Parameters:
  ///   - word: who spoke, or who called whom.
  ///   - hashes: of the row's words, one behind the other.
  mutating func add(_ word: String, _ time: Instant, _ hashes: [UInt8], durationSeconds: Int32 = 0) {
    encoder.append(word)
    encoder.append(time.microsecondsSinceEpoch)
    encoder.append(Int64(durationSeconds))
    encoder.append(hashes)
  }
}
