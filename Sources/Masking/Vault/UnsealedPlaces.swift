import EventLoop
import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// Places of masks that were made before places were sealed: they get their seal in the background.
///
/// Only where the original opens and its asterisks stand, so nobody gets a place sealed by writing a row by hand.
struct UnsealedPlaces: Sendable {
  let keys: VaultKeys
  let seals: MaskSeals
  let pool: PostgresPool

  /// Seals those that lie behind a position, in one transaction.
  ///
  /// - Returns: the next position; nil when nothing is left behind this one.
  func batch(
    after position: VaultTable.Position, limit: Int, deadline: Deadline
  ) async throws -> VaultTable.Position? {
    try await pool.transaction(deadline: deadline) { transaction in
      let rows = try await transaction.query(Self.query(after: position, limit: limit))
      guard let last = rows.last else { return nil }
      let places = try rows.compactMap(MaskPlace.init).filter { (try? keys.open($0)) != nil }
      let fixed = Set(places.map(\.address)).filter(\.copy.isFixed)
      let found = try await transaction.batch(CopyStore.texts(at: Array(fixed)))
      let texts = Dictionary(
        try found.joined().compactMap(CopyStore.storedText).map { ($0.address, $0.text) },
        uniquingKeysWith: { first, _ in first })
      let sealed = places.compactMap { place -> (place: MaskPlace, seal: [UInt8])? in
        let text = place.address.copy.isFixed ? texts[place.address] : ""
        guard let text, !place.address.copy.isFixed || MaskedText.stands(place.span, in: text) else { return nil }
        return (place, seals.seal(place.masked, in: text))
      }
      if !sealed.isEmpty { try await transaction.query(Self.update(sealed)) }
      return rows.count == limit ? try VaultTable.places.position(last) : nil
    }
  }

  private static func query(after position: VaultTable.Position, limit: Int) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns) FROM mask_place AS p
    WHERE p.is_on AND p.seal IS NULL
      AND (p.service_id, p.mask_id, p.number) > (\(position.service), \(position.id), \(position.number))
    ORDER BY p.service_id, p.mask_id, p.number LIMIT \(Int64(limit)) FOR UPDATE OF p SKIP LOCKED
    """
  }

  private static func update(_ sealed: [(place: MaskPlace, seal: [UInt8])]) -> Query {
    """
    UPDATE mask_place AS p SET seal = v.seal
    FROM unnest(\(sealed.map(\.place.owner.serviceID)), \(sealed.map(\.place.mask)), \(sealed.map(\.place.number)),
      \(sealed.map(\.seal))) AS v (service_id, mask_id, number, seal)
    WHERE p.service_id = v.service_id AND p.mask_id = v.mask_id AND p.number = v.number AND p.is_on
    """
  }
}
