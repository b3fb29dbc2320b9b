import Synchronization
import TicketLedger

/// How much is done for each organization at Dooray! at a time, so that a slow one holds up no other.
///
/// What finds no room is put off, and waits in the database.
final class DoorayLanes: Sendable {
  private struct Key: Hashable {
    let service: ServiceID
    let organization: DoorayOrganizationID
  }

  private let placesMax: Int
  private let taken = Mutex<[Key: Int]>([:])

  /// - Parameter placesMax: pieces of work for one organization at a time.
  init(placesMax: Int) { self.placesMax = placesMax }

  /// Does something for an organization if there is room.
  ///
  /// - Returns: nil when there was none, and nothing was done.
  /// - Throws: what `work` throws.
  func run<Value>(
    _ organization: DoorayOrganizationID, of service: ServiceID, _ work: () async throws -> Value
  ) async throws -> Value? {
    let key = Key(service: service, organization: organization)
    let hasRoom = taken.withLock { taken in
      guard taken[key, default: 0] < placesMax else { return false }
      taken[key, default: 0] += 1
      return true
    }
    guard hasRoom else { return nil }
    defer {
      taken.withLock { taken in
        let left = (taken[key] ?? 1) - 1
        taken[key] = left > 0 ? left : nil
      }
    }
    return try await work()
  }
}
