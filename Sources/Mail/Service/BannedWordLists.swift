import EventLoop
import ServiceKit
import Synchronization
import TicketLedger

/// The banned words of services, ready to be looked for.
///
/// A list is read again when it is older than half a second, so a word that an administrator adds counts within a
/// second; the search is prepared again only when the list has changed.
final class BannedWordLists: Sendable {
  private struct Prepared {
    let list: [String]
    let words: BannedWords
  }

  private let store: MailStore
  private let lists: ExpiringCache<ServiceID, [String]>
  private let prepared = Mutex<[ServiceID: Prepared]>([:])
  private static let servicesMax = 1000

  /// Reads through a store.
  init(store: MailStore) {
    self.store = store
    lists = ExpiringCache(lifetime: Directory.lifetime, entriesMax: Self.servicesMax) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// Has a list read again by whoever asks next: this process has changed it.
  func forget(_ service: ServiceID) { lists.forget(service) }

  /// The words that may not leave a service.
  ///
  /// - Throws: the database's errors as `ServiceError`.
  func words(of service: ServiceID, deadline: Deadline) async throws -> BannedWords {
    let list = try await lists.value(service) { try await self.store.bannedWords(of: service, deadline: deadline) }
    if let known = prepared.withLock({ $0[service] }), known.list == list { return known.words }
    let words = BannedWords(list)
    prepared.withLock { prepared in
      if prepared.count >= Self.servicesMax { prepared = [:] }
      prepared[service] = Prepared(list: list, words: words)
    }
    return words
  }
}
