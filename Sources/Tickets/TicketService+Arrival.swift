import EventLoop
import HandoffAPI
import PersonalData
import Postgres
import RPC
import ServiceKit
import TicketLedger

/// A customer's words besides a title and an inquiry: a line of a chat, a value of a field.
struct ArrivingText: Sendable {
  /// The column that is to hold them (``TextCopy/name``).
  let column: String
  /// Their row among the ticket's rows.
  let row: String
  let text: String
}

/// A customer's words as they may be stored: masked, with what belongs to the masks.
struct ArrivedTexts: Sendable {
  var title: String
  var body: String
  /// What else came with them, in the order given.
  var others: [String] = []
  /// The body before it was masked, which the event chain covers; nil when nothing was masked.
  var originalBody: String?
  /// Stores the masks; attachments of what stores the texts.
  var maskStatements: [Query] = []
  /// For the event: which masks were made.
  var notes: [CodeChange] = []
  /// The entry that is to hold the body, when masks or files are to be put on it.
  var entryID: EntryID?

  /// The body as an entry of the history.
  func entry(_ kind: EntryKind, _ act: EntryAct, by actor: LedgerActor?) -> EntryDraft {
    var entry = EntryDraft(kind, act, body: body, actor: actor, id: entryID)
    entry.original = originalBody
    return entry
  }
}

extension TicketService {
  /// Masks personal data in a customer's words before they are stored, where the service wants that.
  ///
  /// The words are searched here, so that an inquiry without personal data costs no call; only what was found goes to
  /// masking to be sealed. When masking is out of reach then, the inquiry is refused: rather late than in clear.
  ///
  /// - Parameters:
  ///   - service: the service of the ticket that is to hold the words. Without the security service there, what is
  ///     found is asterisks without masks.
  ///   - policy: the service whose settings hold; nil: the ticket's own.
  ///   - time: when the words come in.
  ///   - others: what else comes in with them.
  ///   - title: nil when a text is added to a ticket that has its title.
  ///   - ids: the ticket and the entry that are to hold the words; called only when something was found.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func masked(
    title: String?, body: String, others: [ArrivingText] = [], of service: ServiceRecord,
    as policy: ServiceRecord? = nil, at time: Instant, _ call: CallContext, ids: () async throws -> (TicketID, EntryID)
  ) async throws -> (texts: ArrivedTexts, ids: (TicketID, EntryID)?) {
    let plain = ArrivedTexts(title: title ?? "", body: body, others: others.map(\.text))
    let policy = policy ?? service
    guard policy.hasSecurity else { return (plain, nil) }
    let settings = try await ledger.directory.masking(of: policy.id, deadline: call.deadline)
    guard settings.detection == .automatic else { return (plain, nil) }
    let found = ([plain.title, body] + plain.others).map { ($0, settings.findings(in: $0).map(\.span)) }
    guard found.contains(where: { !$0.1.isEmpty }) else { return (plain, nil) }
    let masked = try found.map { text, spans in try Self.masking(text, spans) }
    var texts = ArrivedTexts(title: masked[0].text, body: masked[1].text, others: masked[2...].map(\.text))
    // Where nobody could bring a copy back, its asterisks are all that is kept of it.
    guard service.hasSecurity else { return (texts, nil) }
    let (ticket, entry) = try await ids()
    let places = [("ticket.title", ""), ("ticket_entry.body", entry.description)] + others.map { ($0.column, $0.row) }
    let pieces = zip(places, masked).map { MaskedArrival(column: $0.0, row: $0.1, masked: $1) }
    let masks = try await sealed(pieces, TicketName(service: service.code, id: ticket), call)
    texts.originalBody = masked[1].pieces.isEmpty ? nil : body
    texts.maskStatements = ArrivalMask.insert(
      masks, on: TicketLink(serviceID: service.id, ticketID: ticket), at: time, ledger.maskSeals)
    texts.entryID = entry
    texts.notes = ArrivalMask.notes(masks)
    return (texts, (ticket, entry))
  }

  /// A finding never ends inside a character, whatever combines with its last digit.
  private static func masking(_ text: String, _ spans: [ScalarSpan]) throws(MaskRefusal) -> MaskedText.Masked {
    let bounds = CharacterBounds(text)
    var whole: [ScalarSpan] = []
    for span in spans.map(bounds.covering) where whole.last.map({ $0.end <= span.start }) ?? true { whole.append(span) }
    return try MaskedText.masking(text, whole, earlier: [], bounds)
  }

  /// Most originals that masking seals in one call.
  private static let originalsMax = 2_000

  private func sealed(
    _ texts: [MaskedArrival], _ ticket: TicketName, _ call: CallContext
  ) async throws -> [ArrivalMask] {
    guard let masking else { throw ServiceError(.backendUnavailable) }
    let originals = texts.flatMap { text in
      text.masked.pieces.map { piece in
        ArrivingOriginal(
          textColumn: text.column, rowKey: text.row, length: Int32(piece.asterisks.length), original: piece.original)
      }
    }
    var seals: [SealedMask] = []
    while seals.count < originals.count {
      // A list of numbers, which a mail may well be, holds more than one call takes.
      let portion = Array(originals[seals.count...].prefix(Self.originalsMax))
      let answer: SealMasksResponse
      do {
        answer = try await masking.sealMasks(
          SealMasksRequest(parent: ticket.description, originals: portion), call.onward())
      } catch let error as RPCError {
        throw ServiceError(error, from: "masking")
      }
      guard answer.masks.count == portion.count else { throw ServiceError(.backendUnavailable) }
      seals += answer.masks
    }
    let spans = texts.flatMap { text in text.masked.pieces.map { (text, $0.asterisks) } }
    return zip(spans, seals).map { span, mask in
      ArrivalMask(
        id: MaskID(mask.id), column: span.0.column, row: span.0.row, text: span.0.masked.text, span: span.1,
        sealedOriginal: mask.sealedOriginal, keyID: mask.keyId)
    }
  }
}

/// One of the texts, masked but not yet sealed.
private struct MaskedArrival: Sendable {
  let column: String
  let row: String
  let masked: MaskedText.Masked
}
