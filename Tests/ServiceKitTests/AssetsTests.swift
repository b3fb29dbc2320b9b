import CAssets
import Foundation
import Testing

@testable import ServiceKit

@Suite("embedded files")
struct AssetsTests {
  static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources")

  static func migrationFiles() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: sources.path).filter {
      $0.contains("/Migrations/") && $0.hasSuffix(".sql")
    }
  }

  @Test("every migration file of the tree is embedded, byte for byte, and nothing else is")
  func everyMigrationIsEmbedded() throws {
    let embedded = Dictionary(
      uniqueKeysWithValues: Assets.migrations.map { migration -> (String, [UInt8]) in
        let digits = String(migration.number)
        let number = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        return ("\(migration.owner)/Migrations/\(number)_\(migration.name).sql", migration.bytes)
      })
    let files = try Self.migrationFiles()
    #expect(
      Set(embedded.keys) == Set(files),
      "add the missing rows to the table in Sources/CAssets/assets.c (or take out those without a file)")
    for file in files {
      let onDisk = try Data(contentsOf: Self.sources.appending(path: file))
      let isSame = embedded[file] == Array(onDisk)
      #expect(isSame, "\(file) differs from what was built in; build again")
    }
  }

  @Test("migration numbers are unique over all owners, and the table lists them in ascending order")
  func numbersAreUnique() {
    let numbers = Assets.migrations.map(\.number)
    #expect(Set(numbers).count == numbers.count)
    let table = (0..<handoff_asset_count()).compactMap { handoff_asset_at($0) }
      .compactMap { MigrationAsset($0.pointee) }.map(\.number)
    #expect(table == numbers)
  }
}
