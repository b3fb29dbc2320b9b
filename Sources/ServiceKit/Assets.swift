import CAssets

/// Files of the source tree that travel inside the executables, so that a binary needs no path to its resources.
package enum Assets {
  /// Every SQL migration of every owner, by ascending number.
  package static let migrations: [MigrationAsset] = (0..<handoff_asset_count())
    .compactMap { handoff_asset_at($0) }
    .compactMap { MigrationAsset($0.pointee) }
    .sorted { $0.number < $1.number }
}

/// One forward-only SQL migration, `Sources/<owner>/Migrations/<number>_<name>.sql`.
package struct MigrationAsset: Sendable, Equatable {
  /// Position in the one order that all owners share; from the first four digits of the file name.
  package let number: Int
  /// The target that owns the tables: `Tickets`, `TicketLedger`.
  package let owner: String
  /// What the migration does, as its file says it: `create_directory`.
  package let name: String
  /// The SQL text, UTF-8.
  package let bytes: [UInt8]

  /// The SQL text.
  package var sql: String { String(decoding: bytes, as: UTF8.self) }

  /// Nil when the path is not that of a migration.
  init?(_ asset: handoff_asset) {
    let parts = String(cString: asset.path).split(separator: "/")
    guard parts.count == 4, parts[2] == "Migrations", parts[3].hasSuffix(".sql") else { return nil }
    let file = parts[3].dropLast(4)
    guard let separator = file.firstIndex(of: "_"), let number = Int(file[..<separator]) else { return nil }
    self.number = number
    self.owner = String(parts[1])
    self.name = String(file[file.index(after: separator)...])
    self.bytes = Array(UnsafeBufferPointer(start: asset.bytes, count: asset.length))
  }
}
