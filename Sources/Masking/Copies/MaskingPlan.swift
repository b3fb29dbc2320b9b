import PersonalData
import TicketLedger

/// A span that a request masks.
struct RequestedSpan: Sendable {
  /// Its place in the request.
  let index: Int
  let address: TextAddress
  /// The text's name in the API, as events use it too.
  let name: String
  let span: ScalarSpan
  /// The words to be masked.
  let words: String
  /// The whole text in which it was asked for.
  let text: String

  var field: String { address.field ?? "" }
}

/// Works out what masking changes in every copy. Pure: no SQL, no keys.
///
/// The way of a span: in the text where it was asked for it is masked as asked. A text that is equal to that one (a
/// former title in the event log, the customer's name on the other ticket of an escalation) is masked in the same
/// spans.
/// In all texts that masks of its field reach, its words are masked wherever they stand, and so is personal data among
/// them: who masks a sentence wants the number in it gone. A customer's record that holds the words loses its value
/// whole.
struct MaskingPlan: Sendable {
  /// Most places that one request may mask.
  static let placesMax = 5_000

  /// A span of a text that is to be asterisks.
  struct NewPlace: Sendable {
    /// Index of the requested span.
    let index: Int
    let address: TextAddress
    let asterisks: ScalarSpan
    let original: String
    /// Whether it is the span that was asked for.
    let isAsked: Bool
  }

  /// A text and what becomes of it.
  struct Change: Sendable {
    let before: StoredText
    let after: String
  }

  /// A place of another mask in a text that changes.
  struct Moved: Sendable {
    let place: MaskPlace
    /// Where its asterisks stand afterwards.
    let start: Int
    let change: Change

    /// Nil when it stays where it is in a text that its seal does not cover.
    init?(_ place: MaskPlace, to start: Int, in change: Change) {
      guard start != place.span.start || place.address.copy.isFixed else { return nil }
      self.place = place
      self.start = start
      self.change = change
    }

    /// Its new seal. A place whose seal did not fit before must not get one that does.
    func seal(_ seals: MaskSeals) -> [UInt8] {
      guard seals.isValid(place.seal, of: place.masked, in: change.before.text) else { return place.seal }
      var moved = place.masked
      moved.span.start = start
      return seals.seal(moved, in: change.after)
    }
  }

  private(set) var changes: [Change] = []
  private(set) var newPlaces: [NewPlace] = []
  /// Earlier masks in the texts that change.
  private(set) var moved: [Moved] = []

  private let requested: [RequestedSpan]
  private let words: [(index: Int, field: String, words: SpanWords)]

  /// - Parameter requested: spans whose words were read from their texts.
  init(_ requested: [RequestedSpan]) {
    self.requested = requested
    words = requested.flatMap { span in
      ([span.words] + Self.personalData(in: span.words)).compactMap(SpanWords.init).map { (span.index, span.field, $0) }
    }.sorted { ($0.words.length, $1.index) > ($1.words.length, $0.index) }
  }

  /// The personal data among the words; none when it is all that they are.
  private static func personalData(in words: String) -> [String] {
    PersonalDataScanner.findings(in: words).filter { finding in
      finding.confidencePercent >= PersonalDataScanner.confidentPercent
    }.map { String(String.UnicodeScalarView(words.unicodeScalars.dropFirst($0.start).prefix($0.length))) }
      .filter { $0 != words }
  }

  /// Adds a text.
  ///
  /// - Parameter earlier: the masks that lie on it.
  /// - Throws: ``MaskRefusal`` with the index of the requested span.
  mutating func add(_ stored: StoredText, earlier: [MaskPlace]) throws(MaskRefusal) {
    let asked = requested.filter { $0.address == stored.address }
    if stored.address.copy.relation == .record {
      takeAway(stored)
      return
    }
    if asked.isEmpty, stored.text.isEmpty { return }
    let scalars = [Unicode.Scalar](scalarsOf: stored.text)
    lazy var bounds = CharacterBounds(stored.text, scalars)
    var chosen = asked.map { (index: $0.index, span: $0.span) }
    if asked.isEmpty { chosen = sameSpans(stored) }
    // Checks what was asked for, before copies of the words are looked for beside it.
    if !chosen.isEmpty {
      do throws(MaskRefusal) {
        try MaskedText.check(chosen.map(\.span), earlier: earlier.map(\.span), bounds)
      } catch {
        guard asked.isEmpty else { throw error.with(chosen.map(\.index)) }
        chosen = []
      }
    }
    chosen += occurrences(in: scalars, of: stored, beside: chosen.map(\.span) + earlier.map(\.span)) {
      bounds.covering($0)
    }
    guard !chosen.isEmpty else { return }
    let masked = try MaskedText.masking(stored.text, chosen.map(\.span), earlier: earlier.map(\.span), bounds)
    let change = Change(before: stored, after: masked.text)
    changes.append(change)
    newPlaces += masked.pieces.map { piece in
      NewPlace(
        index: chosen[piece.index].index, address: stored.address, asterisks: piece.asterisks,
        original: piece.original, isAsked: piece.index < asked.count)
    }
    moved += zip(earlier, masked.earlier).compactMap { Moved($0, to: $1.start, in: change) }
  }

  /// The spans of an equal text of the same field.
  private func sameSpans(_ stored: StoredText) -> [(index: Int, span: ScalarSpan)] {
    requested.filter { $0.name == stored.address.field && $0.text == stored.text }.map { ($0.index, $0.span) }
  }

  /// The places of the words, grown to whole characters by `covering`, beside those that are taken.
  private func occurrences(
    in scalars: [Unicode.Scalar], of stored: StoredText, beside taken: [ScalarSpan],
    covering: (ScalarSpan) -> ScalarSpan
  ) -> [(index: Int, span: ScalarSpan)] {
    // Nearly all texts hold the words once or not at all, so nothing is laid out before there is something to compare.
    var isTaken: [Bool] = []
    var found: [(index: Int, span: ScalarSpan)] = []
    let folded = FoldedText(scalars)
    for (index, field, words) in words where stored.address.isReached(byMasksOf: field) {
      for occurrence in words.occurrences(in: folded) {
        if isTaken.isEmpty {
          isTaken = [Bool](repeating: false, count: scalars.count)
          for span in taken { for position in span.start..<span.end { isTaken[position] = true } }
        }
        let span = covering(occurrence)
        guard !isTaken[span.start..<span.end].contains(true) else { continue }
        for position in span.start..<span.end { isTaken[position] = true }
        found.append((index, span))
      }
    }
    return found
  }

  private mutating func takeAway(_ stored: StoredText) {
    let folded = FoldedText(stored.text)
    let reaching = requested.first { span in
      guard stored.address.isReached(byMasksOf: span.field) else { return false }
      return span.text == stored.text || SpanWords(span.words)?.occurrences(in: folded).isEmpty == false
    }
    guard let reaching else { return }
    changes.append(Change(before: stored, after: ""))
    newPlaces.append(
      NewPlace(
        index: reaching.index, address: stored.address, asterisks: ScalarSpan(start: 0, length: 0),
        original: stored.text, isAsked: false))
  }
}

extension MaskRefusal {
  /// The same refusal with the request's index in place of the list's.
  fileprivate func with(_ indices: [Int]) -> MaskRefusal {
    switch self {
    case .outsideText(let index): .outsideText(index: indices[index])
    case .splitsCharacter(let index): .splitsCharacter(index: indices[index])
    case .overlaps(let index): .overlaps(index: indices[index])
    }
  }
}
