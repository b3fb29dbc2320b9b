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
  /// The value of the event that is to hold them, too; nil: none.
  var eventValue: String?
}

/// The values of free text that a new ticket has in its fields.
struct ArrivingValues: Sendable {
  private let places: [(index: Int, value: FieldValueChange)]
  /// The same, to be looked at.
  let texts: [ArrivingText]

  /// None.
  init() { (places, texts) = ([], []) }

  init(_ draft: TicketDraft, _ catalog: FieldCatalog) {
    places = draft.event.fieldValues.enumerated().filter { _, value in
      let kind = catalog.field(value.fieldID)?.kind
      return kind == .text || kind == .textarea
    }.map { ($0, $1) }
    texts = places.map { _, value in
      ArrivingText(
        column: "ticket_field_value.value", row: value.fieldID.description, text: value.after ?? "",
        eventValue: "1/field.\(value.code)")
    }
  }

  /// Puts the texts into the ticket as they may be stored.
  func say(_ texts: some Sequence<String>, in draft: inout TicketDraft) {
    for ((index, value), text) in zip(places, texts) where value.after != nil && value.after != text {
      draft.event.fieldValues[index] = FieldValueChange(
        value.fieldID, code: value.code, before: value.before, after: text)
      // Where nobody can bring a text back, its asterisks are all that there was.
      draft.event.fieldValues[index].original = draft.service.hasSecurity ? value.after : nil
    }
  }
}

/// What of somebody's words is masked before they are stored.
struct ArrivalRules: Sendable {
  /// The service whose settings say whether personal data is looked for; nil: it is not, as in an agent's words.
  var policy: ServiceRecord?
  /// The ticket whose masked words must not come back with them; nil: there are none.
  var ticket: TicketName?

  /// - Parameter ticket: the one beside which the words are stored, as it was read by itself.
  init(policy: ServiceRecord?, beside ticket: TicketRecord? = nil, of service: ServiceRecord? = nil) {
    self.policy = policy
    if let ticket, let service, ticket.hasMasks { self.ticket = TicketName(service: service.code, id: ticket.id) }
  }
}

/// Somebody's words as they may be stored: masked, with what belongs to the masks.
struct ArrivedTexts: Sendable {
  var title: String
  var body: String
  /// What else came with them, in the order given.
  var others: [String] = []
  /// The title and the body before they were masked, which the event chain covers; nil when nothing was masked.
  var originalTitle: String?
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
  /// Masks words before they are stored: personal data, where the service wants that, and what is masked already on the
  /// ticket beside which they are stored.
  ///
  /// Personal data is looked for here, so that an inquiry without any costs no call; only what was found goes to
  /// masking to be sealed. Words that are masked are known to masking alone, which is asked when there are any. When it
  /// is out of reach then, the words are refused: rather late than in clear.
  ///
  /// - Parameters:
  ///   - service: the service of the ticket that is to hold the words. Without the security service there, what is
  ///     found is asterisks without masks.
  ///   - time: when the words come in.
  ///   - others: what else comes in with them.
  ///   - title: nil when a text is added to a ticket that has its title.
  ///   - rules: what is masked.
  ///   - ids: the ticket and the entry that are to hold the words; called only when something was found.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func masked(
    title: String?, body: String, others: [ArrivingText] = [], of service: ServiceRecord, _ rules: ArrivalRules,
    at time: Instant, _ options: CallOptions, ids: () async throws -> (TicketID, EntryID)
  ) async throws -> (texts: ArrivedTexts, ids: (TicketID, EntryID)?) {
    let plain = ArrivedTexts(title: title ?? "", body: body, others: others.map(\.text))
    let all = [plain.title, body] + plain.others
    var found = try await detected(in: all, by: rules.policy, options.deadline)
    if let ticket = rules.ticket {
      found = zip(found, try await MaskedWords(masking).spans(in: all, on: ticket, options)).map { $0 + $1 }
    }
    guard found.contains(where: { !$0.isEmpty }) else { return (plain, nil) }
    let masked = try zip(all, found).map { text, spans in try MaskedWords.masking(text, spans) }
    var texts = ArrivedTexts(title: masked[0].text, body: masked[1].text, others: masked[2...].map(\.text))
    // Where nobody could bring a copy back, its asterisks are all that is kept of it.
    guard service.hasSecurity else { return (texts, nil) }
    let (ticket, entry) = try await ids()
    let places =
      [("ticket.title", "", nil), ("ticket_entry.body", entry.description, nil)]
      + others.map { ($0.column, $0.row, $0.eventValue) }
    let pieces = zip(places, masked).map { MaskedArrival(column: $0.0, row: $0.1, eventValue: $0.2, masked: $1) }
    let masks = try await sealed(pieces, TicketName(service: service.code, id: ticket), options)
    texts.originalTitle = masked[0].pieces.isEmpty ? nil : title
    texts.originalBody = masked[1].pieces.isEmpty ? nil : body
    texts.maskStatements = ArrivalMask.insert(
      masks, on: TicketLink(serviceID: service.id, ticketID: ticket), at: time, ledger.maskSeals)
    texts.entryID = entry
    texts.notes = ArrivalMask.notes(masks)
    return (texts, (ticket, entry))
  }

  /// What is to be looked at of a new ticket's fields.
  func arrivingValues(of draft: TicketDraft, _ deadline: Deadline) async throws -> ArrivingValues {
    guard !draft.event.fieldValues.isEmpty else { return ArrivingValues() }
    return ArrivingValues(draft, try await fields.catalog(of: draft.service.id, deadline: deadline))
  }

  /// Masks for a ticket to be that takes over title, customer or promised call of another with their asterisks, so that
  /// they can be brought back there, too.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func takeOverMasks(
    of ticket: TicketRecord, in service: ServiceRecord, to draft: inout TicketDraft, _ id: TicketID,
    _ options: CallOptions
  ) async throws {
    let texts = [
      // Who escalates writes a title of their own.
      "ticket.title": draft.title == ticket.title ? draft.title : "", "ticket.customer_name": draft.customer.name,
      "ticket.customer_email": draft.customer.email, "ticket.customer_phone": draft.customer.phone,
      "ticket.customer_user_code": draft.customer.userCode, "ticket.call_back_phone": draft.callBack?.phone ?? "",
    ]
    guard ticket.hasMasks, draft.service.hasSecurity, texts.values.contains(where: { $0.contains("*") }) else { return }
    guard let masking else { throw ServiceError(.backendUnavailable) }
    let answer: CopyMasksResponse
    do {
      answer = try await masking.copyMasks(
        CopyMasksRequest(
          parent: TicketName(service: service.code, id: ticket.id).description,
          target: TicketName(service: draft.service.code, id: id).description), options)
    } catch let error as RPCError {
      throw ServiceError(error, from: "masking")
    }
    let masks = answer.masks.compactMap { copied -> ArrivalMask? in
      let span = ScalarSpan(start: Int(copied.start), length: Int(copied.length))
      guard let text = texts[copied.textColumn], let mask = copied.mask, MaskedText.stands(span, in: text) else {
        return nil
      }
      return ArrivalMask(
        id: MaskID(mask.id), column: copied.textColumn, row: "", text: text, span: span,
        sealedOriginal: mask.sealedOriginal, keyID: mask.keyId)
    }
    for text in TicketText.allCases where masks.contains(where: { $0.column == text.column }) {
      draft.originals[text] = .some(nil)
    }
    draft.event.notes += ArrivalMask.notes(masks)
    draft.attachments += ArrivalMask.insert(
      masks, on: TicketLink(serviceID: draft.service.id, ticketID: id), at: ticket.readTime, ledger.maskSeals)
  }

  /// Personal data in texts, where a service has it masked on arrival.
  private func detected(
    in texts: [String], by policy: ServiceRecord?, _ deadline: Deadline
  ) async throws -> [[ScalarSpan]] {
    guard let policy, policy.hasSecurity else { return texts.map { _ in [] } }
    let settings = try await ledger.directory.masking(of: policy.id, deadline: deadline)
    guard settings.detection == .automatic else { return texts.map { _ in [] } }
    return texts.map { settings.findings(in: $0).map(\.span) }
  }

  /// Most originals that masking seals in one call.
  private static let originalsMax = 2_000

  private func sealed(
    _ texts: [MaskedArrival], _ ticket: TicketName, _ options: CallOptions
  ) async throws -> [ArrivalMask] {
    guard let masking else { throw ServiceError(.backendUnavailable) }
    let pieces = texts.flatMap { text in text.masked.pieces.flatMap { piece in text.places.map { ($0, text, piece) } } }
    let originals = pieces.map { place, _, piece in
      ArrivingOriginal(
        textColumn: place.column, rowKey: place.row, length: Int32(piece.asterisks.length), original: piece.original)
    }
    var seals: [SealedMask] = []
    while seals.count < originals.count {
      // A list of numbers, which a mail may well be, holds more than one call takes. A copy goes with its original.
      let rest = pieces[seals.count...]
      let cut = rest.dropFirst(Self.originalsMax).first.map { $0.0.number > 0 } ?? false
      let portion = Array(originals[seals.count...].prefix(cut ? Self.originalsMax - 1 : Self.originalsMax))
      let answer: SealMasksResponse
      do {
        answer = try await masking.sealMasks(
          SealMasksRequest(parent: ticket.description, originals: portion), options)
      } catch let error as RPCError {
        throw ServiceError(error, from: "masking")
      }
      guard answer.masks.count == portion.count else { throw ServiceError(.backendUnavailable) }
      seals += answer.masks
    }
    return zip(pieces, seals).map { piece, seal in
      let (place, text) = (piece.0, piece.1)
      var mask = ArrivalMask(
        id: MaskID(seal.id), column: place.column, row: place.row, text: text.masked.text, span: piece.2.asterisks,
        sealedOriginal: seal.sealedOriginal, keyID: seal.keyId)
      mask.number = place.number
      mask.placeCount = Int32(text.places.count)
      return mask
    }
  }
}

/// One of the texts, masked but not yet sealed.
private struct MaskedArrival: Sendable {
  let column: String
  let row: String
  /// The value of the event that is to hold it, too; nil: none.
  let eventValue: String?
  let masked: MaskedText.Masked

  /// Where it is to stand.
  var places: [(column: String, row: String, number: Int32)] {
    [(column, row, 0)] + (eventValue.map { [("ticket_event_value.after_text", $0, 1)] } ?? [])
  }
}
