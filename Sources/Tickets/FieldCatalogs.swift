import EventLoop
import ServiceKit
import TicketLedger

/// Cached reading of the services' field catalogs.
///
/// An entry lives 500 ms at most, so that a changed form holds for everybody within a second; the daemon that changes
/// it forgets its own entry at once.
final class FieldCatalogs: Sendable {
  private let store: TicketStore
  private let cache: ExpiringCache<ServiceID, FieldCatalog>

  init(store: TicketStore) {
    self.store = store
    cache = ExpiringCache(
      lifetime: Directory.lifetime, entriesMax: 10_000,
      clock: { EventLoop.current?.now ?? MonotonicTime.current })
  }

  /// The fields of a service.
  func catalog(of service: ServiceID, deadline: Deadline) async throws -> FieldCatalog {
    try await cache.value(service) { try await self.store.catalog(of: service, deadline: deadline) }
  }

  /// Has the catalog read anew.
  func forget(_ service: ServiceID) { cache.forget(service) }
}
