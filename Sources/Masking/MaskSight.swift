import Postgres
import ServiceKit
import TicketLedger

/// Which masks a caller knows of: for an agent, one in a field that is for administrators only is not there.
///
/// A mask is where its first place is, wherever else its asterisks stand. That is a text as it is now: a former value
/// of a field, in an event, is masked as a copy only. A mask that was made in another text is everybody's, though its
/// words may stand in such a field, too: it shows nothing of the field.
///
/// What the field is now counts, whatever it was when the mask was made, and one that was deleted stays what it was.
/// Of the fields that every ticket has, those that can be for administrators only hold no words that could be masked.
struct MaskSight: Sendable {
  private let seesAll: Bool

  init(_ access: Access) { seesAll = access.member?.role != .agent }

  /// SQL: whether a place `p` lies in a field that is for administrators only.
  static let isForAdministrators = TicketLedger.isForAdministrators("p")

  /// SQL condition on the first place `p` of a mask.
  var condition: Query { "(\(seesAll) OR NOT \(fragment: Self.isForAdministrators))" }

  /// Refuses a mask that is not there for the caller.
  ///
  /// - Parameter places: those of the mask, the span that was masked first.
  /// - Throws: MASK_NOT_FOUND.
  func require(_ places: [MaskPlace]) throws(ServiceError) {
    guard !seesAll, places.first?.isForAdministrators == true else { return }
    throw ServiceError(.maskNotFound)
  }
}
