import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// Who spoke in a chat; raw values and order as in the API.
enum TranscriptSpeaker: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
  case customer = "CUSTOMER"
  case agent = "AGENT"
  case system = "SYSTEM"
}

/// Who called whom; raw values and order as in the API.
enum CallDirection: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
  case inbound = "INBOUND"
  case outbound = "OUTBOUND"
}

/// The chat or the call that a new ticket comes from, in canonical form.
struct Conversation: Sendable {
  /// Most lines of a chat.
  static let linesMax = 1_000
  private static let bodyCharactersMax = 2_000
  private static let secondsMax: Int64 = 86_400

  struct Line: Sendable {
    let speaker: TranscriptSpeaker
    let speakerName: String
    fileprivate(set) var body: String
    let time: Instant
    /// The text before parts of it were masked on arrival: not stored, but what the chain of events covers.
    fileprivate(set) var original: String?
  }

  struct Call: Sendable {
    let direction: CallDirection
    let phone: String
    let startTime: Instant
    let durationSeconds: Int32
  }

  /// Whether there is nothing to store.
  var isEmpty: Bool { lines.isEmpty && call == nil }

  private(set) var lines: [Line]
  let call: Call?

  /// Reads the conversation of a request, and notes everything that is wrong with it.
  init(_ request: CreateTicketRequest, _ channel: TicketChannel, _ check: inout RequestCheck) {
    let transcript = request.transcript
    check.require(transcript.isEmpty || channel == .chat, "transcript", "goes with tickets of the channel CHAT")
    check.require(transcript.count <= Self.linesMax, "transcript", "must be at most \(Self.linesMax) lines")
    lines = transcript.prefix(Self.linesMax).enumerated().map { index, line in
      let field = "transcript[\(index)]"
      check.require(line.speaker.rawValue != 0, "\(field).speaker", "is required")
      let speaker: TranscriptSpeaker? = check.choice(line.speaker.rawValue, "\(field).speaker", unspecified: nil)
      check.require(!CanonicalText.isBlank(line.text), "\(field).text", "must not be empty")
      return Line(
        speaker: speaker ?? .system,
        speakerName: check.line(
          line.speakerName, "\(field).speaker_name", charactersMax: FieldLimits.customerNameCharactersMax,
          mayBeBlank: true),
        body: check.text(line.text, "\(field).text", charactersMax: Self.bodyCharactersMax),
        time: check.time(line.time, "\(field).time"))
    }
    check.require(
      request.callRecord == nil || channel == .phone, "call_record", "goes with tickets of the channel PHONE")
    call = request.callRecord.map { Self.call($0, &check) }
  }

  private static func call(_ record: CallRecord, _ check: inout RequestCheck) -> Call {
    check.require(record.direction.rawValue != 0, "call_record.direction", "is required")
    let direction: CallDirection? = check.choice(record.direction.rawValue, "call_record.direction", unspecified: nil)
    check.require(!record.phone.isEmpty, "call_record.phone", "is required")
    let seconds = record.duration?.seconds ?? 0
    check.require((0...secondsMax).contains(seconds), "call_record.duration", "must be 0 seconds to 24 hours")
    return Call(
      direction: direction ?? .inbound, phone: check.phone(record.phone, "call_record.phone"),
      startTime: check.time(record.startTime, "call_record.start_time"),
      durationSeconds: Int32(clamping: seconds))
  }

  /// Puts other words in the place of what was said, line by line.
  mutating func say(_ bodies: some Sequence<String>) {
    for (index, body) in zip(lines.indices, bodies) where body != lines[index].body {
      lines[index].original = lines[index].body
      lines[index].body = body
    }
  }

  /// As the ledger stores it.
  var stored: StoredConversation {
    StoredConversation(
      lines: lines.map {
        .init(
          speaker: $0.speaker.rawValue, speakerName: $0.speakerName, body: $0.body, original: $0.original,
          time: $0.time)
      },
      call: call.map {
        .init(
          direction: $0.direction.rawValue, phone: $0.phone, startTime: $0.startTime,
          durationSeconds: $0.durationSeconds)
      })
  }
}
