package import EventLoop
import Postgres
package import ServiceKit
package import TicketLedger

/// Seals what older keys sealed under the current one, in the background and in small batches.
///
/// Where it stands is in the rows themselves, so it goes on after a restart, and any number of daemons may do it. What
/// does not open is left as it is, and counted.
package struct VaultRotation: Sendable {
  /// Rows that one transaction seals anew.
  static let batchMax = 200
  /// How long counting may take: a time of its own, so that work that used up its own is counted, too.
  private static let countTimeout: Duration = .seconds(60)
  /// How often the keys' directory is looked at.
  private static let interval: Duration = .seconds(30)

  private let keys: VaultKeys
  private let pool: PostgresPool
  private let waiting: OldSealCount
  private let lost = LostSeals()
  private let unsealed: UnsealedPlaces
  private let resealed: Counter
  private let log: Logger

  /// Works on the vault through the ledger's pool.
  package init(keys: VaultKeys, ledger: TicketLedger, metrics: Metrics, log: Logger) {
    self.keys = keys
    pool = ledger.pool
    unsealed = UnsealedPlaces(keys: keys, seals: ledger.maskSeals, pool: ledger.pool)
    self.log = log
    waiting = OldSealCount(
      metrics, daemon: "masking", "Sealed originals and reasons that another key than the current one seals.")
    resealed = metrics.counter("handoff_masking_resealed_total", "Originals and reasons sealed anew.").with()
  }

  /// Looks for new keys and works until the returned closure is called.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          try keys.reload()
          _ = try await run(deadline: .after(.seconds(300)))
        } catch {
          if !Task.isCancelled { log.warning("vault.rotation_failed", ["cause": .string(String(describing: error))]) }
        }
        do { try await loop.sleep(for: Self.interval) } catch { return }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }

  /// Seals anew until nothing of older keys is left that opens.
  ///
  /// - Returns: how many rows were sealed anew.
  /// - Throws: the database's errors as `ServiceError`.
  package func run(deadline: Deadline) async throws -> Int {
    // First of all, so that no number from before a new key stands beside work that goes on for minutes.
    waiting.set(try await leftOver(.after(Self.countTimeout)))
    var total = 0
    for table in [VaultTable.places, .reasons] {
      var position = VaultTable.Position()
      while !deadline.hasPassed, !Task.isCancelled {
        let (count, next) = try await batch(table, after: position, deadline: deadline)
        total += count
        guard let next else { break }
        position = next
      }
    }
    try await sealPlaces(deadline: deadline)
    if total > 0 { waiting.set(try await leftOver(.after(Self.countTimeout))) }
    return total
  }

  private func sealPlaces(deadline: Deadline) async throws {
    var position: VaultTable.Position? = VaultTable.Position()
    while let next = position, !deadline.hasPassed, !Task.isCancelled {
      position = try await ServiceError.translating {
        try await unsealed.batch(after: next, limit: Self.batchMax, deadline: deadline)
      }
    }
  }

  private func leftOver(_ deadline: Deadline) async throws -> Int64 {
    let current = keys.currentID
    return try await ServiceError.translating {
      try await pool.query(
        """
        SELECT (SELECT count(*) FROM mask_place WHERE is_on AND key_id <> \(current))
          + (SELECT count(*) FROM mask_act WHERE sealed_reason IS NOT NULL AND key_id <> \(current))
        """, deadline: deadline)[0].int64(0)
    }
  }

  /// One transaction; nil in place of the next position when nothing is left behind this one.
  private func batch(
    _ table: VaultTable, after position: VaultTable.Position, deadline: Deadline
  ) async throws -> (Int, VaultTable.Position?) {
    let current = keys.currentID
    return try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(table.older(than: current, after: position, limit: Self.batchMax))
        guard let last = rows.last else { return (0, nil) }
        var sealed: [(VaultTable.Position, VaultKeys.Sealed)] = []
        for row in rows {
          let old = try table.sealed(row)
          guard lost.mayTry(old) else { continue }
          guard let new = try? table.reseal(row, with: keys) else {
            lost.failed(old)
            continue
          }
          sealed.append((try table.position(row), new))
        }
        if !sealed.isEmpty { try await transaction.query(table.update(sealed)) }
        resealed.add(UInt64(sealed.count))
        return (sealed.count, rows.count == Self.batchMax ? try table.position(last) : nil)
      }
    }
  }
}

/// The two tables of the vault that hold seals.
enum VaultTable {
  case places, reasons

  /// Where a row stands in its table's order.
  struct Position: Sendable {
    var service = ServiceID(0)
    /// The mask's id, or the act's.
    var id: Int64 = 0
    /// The place's number.
    var number: Int32 = -1
  }

  func older(than key: String, after position: Position, limit: Int) -> Query {
    switch self {
    case .places:
      """
      SELECT \(fragment: MaskPlace.columns) FROM mask_place AS p
      WHERE p.is_on AND p.key_id <> \(key)
        AND (p.service_id, p.mask_id, p.number) > (\(position.service), \(position.id), \(position.number))
      ORDER BY p.service_id, p.mask_id, p.number LIMIT \(Int64(limit)) FOR UPDATE OF p SKIP LOCKED
      """
    case .reasons:
      """
      SELECT service_id, id, act, mask_ids, sealed_reason, key_id FROM mask_act
      WHERE sealed_reason IS NOT NULL AND key_id <> \(key) AND (service_id, id) > (\(position.service), \(position.id))
      ORDER BY service_id, id LIMIT \(Int64(limit)) FOR UPDATE SKIP LOCKED
      """
    }
  }

  func position(_ row: Row) throws(PostgresError) -> Position {
    switch self {
    case .places: Position(service: try row.value(0), id: try row.int64(2), number: try row.int32(3))
    case .reasons: Position(service: try row.value(0), id: try row.int64(1), number: 0)
    }
  }

  /// The seal of a row.
  func sealed(_ row: Row) throws -> [UInt8] {
    switch self {
    case .places: try MaskPlace(row)?.sealedOriginal ?? []
    case .reasons: try row.bytes(4)
    }
  }

  /// Opens under the row's key and seals under the current one; nil for a row that cannot be read.
  func reseal(_ row: Row, with keys: VaultKeys) throws -> VaultKeys.Sealed? {
    switch self {
    case .places:
      guard let place = try MaskPlace(row) else { return nil }
      return try keys.seal(try keys.open(place), for: place.vaultPlace)
    case .reasons:
      guard let mask = try row.int64s(3).first.map({ MaskID($0) }) else { return nil }
      let act: MaskAct = try row.value(2)
      let reason = try keys.open(reason: try row.bytes(4), keyID: try row.string(5), of: mask, act)
      return try keys.seal(reason: reason, of: mask, act)
    }
  }

  func update(_ sealed: [(Position, VaultKeys.Sealed)]) -> Query {
    let services = sealed.map(\.0.service)
    let ids = sealed.map(\.0.id)
    let bytes = sealed.map(\.1.bytes)
    let keys = sealed.map(\.1.keyID)
    switch self {
    case .places:
      return """
        UPDATE mask_place AS p SET sealed_original = v.sealed, key_id = v.key_id
        FROM unnest(\(services), \(ids), \(sealed.map(\.0.number)), \(bytes), \(keys))
          AS v (service_id, mask_id, number, sealed, key_id)
        WHERE p.service_id = v.service_id AND p.mask_id = v.mask_id AND p.number = v.number AND p.is_on
        """
    case .reasons:
      return """
        UPDATE mask_act AS a SET sealed_reason = v.sealed, key_id = v.key_id
        FROM unnest(\(services), \(ids), \(bytes), \(keys)) AS v (service_id, id, sealed, key_id)
        WHERE a.service_id = v.service_id AND a.id = v.id
        """
    }
  }
}
