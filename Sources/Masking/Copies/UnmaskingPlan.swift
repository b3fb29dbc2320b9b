import PersonalData
import TicketLedger

/// Works out what taking one mask off changes in every place where its asterisks stand. Pure: no SQL, no keys.
///
/// A text may have been changed since by other means, for example a queued mail that was written anew. Where the
/// asterisks do not stand any more there is nothing to restore, and nothing is.
struct UnmaskingPlan: Sendable {
  private(set) var changes: [MaskingPlan.Change] = []
  /// Records of customers that get their value back.
  private(set) var restored: [(address: TextAddress, text: String)] = []
  /// Masks that stay on in the texts that change.
  private(set) var moved: [MaskingPlan.Moved] = []
  /// Places whose asterisks were gone.
  private(set) var gone: [TextAddress] = []

  /// - Parameters:
  ///   - places: the mask's places with their originals.
  ///   - texts: the texts as they stand.
  ///   - earlier: every mask that lies on those texts.
  init(_ places: [(place: MaskPlace, original: String)], texts: [StoredText], earlier: [MaskPlace]) {
    let known = Dictionary(texts.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
    let all = Dictionary(grouping: earlier, by: \.address)
    for (address, places) in Dictionary(grouping: places, by: \.place.address) {
      if address.copy.relation == .record {
        restored += places.map { (address, $0.original) }
      } else if let stored = known[address] {
        restore(stored, places, all[address] ?? [])
      } else {
        gone += places.map(\.place.address)
      }
    }
  }

  private mutating func restore(
    _ stored: StoredText, _ places: [(place: MaskPlace, original: String)], _ all: [MaskPlace]
  ) {
    var others = all.filter { other in
      !places.contains { $0.place.mask == other.mask && $0.place.owner == other.owner }
    }
    var rest = places
    var text = stored.text
    while let next = rest.popLast() {
      let spans = others.map(\.span) + rest.map(\.place.span)
      guard let whole = MaskedText.unmasking(text, next.place.span, original: next.original, others: spans) else {
        gone.append(stored.address)
        continue
      }
      text = whole.text
      for index in others.indices { others[index].span = whole.others[index] }
      for index in rest.indices { rest[index].place.span = whole.others[others.count + index] }
    }
    guard !text.utf8.elementsEqual(stored.text.utf8) else { return }
    let change = MaskingPlan.Change(before: stored, after: text)
    changes.append(change)
    for other in others {
      let before = all.first { $0.mask == other.mask && $0.owner == other.owner && $0.number == other.number }
      if let before, let move = MaskingPlan.Moved(before, to: other.span.start, in: change) { moved.append(move) }
    }
  }
}
