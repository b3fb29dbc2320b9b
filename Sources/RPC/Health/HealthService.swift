package import RPCProtos
import Synchronization

/// `grpc.health.v1.Health`: whether this process, and each of its services, takes calls.
///
/// The empty name stands for the whole process. Statuses may be set from any thread.
package final class HealthService: HealthProvider {
  /// `List` refuses to name more services than this.
  package static let listedMax = 100

  private struct State {
    var statuses: [String: HealthCheckResponse.ServingStatus] = [:]
    var watchers: [UInt64: Watcher] = [:]
    var nextWatcher: UInt64 = 0
    var isShutDown = false
  }

  private struct Watcher {
    let service: String
    let changes: AsyncStream<HealthCheckResponse.ServingStatus>.Continuation
  }

  private let state = Mutex(State())

  /// Knows no service yet, not even the empty name.
  package init() {}

  /// Sets the status of a service and tells those who watch it; without effect after ``shutDown()``.
  package func set(_ service: String, _ status: HealthCheckResponse.ServingStatus) {
    state.withLock { state in
      guard !state.isShutDown, state.statuses[service] != status else { return }
      state.statuses[service] = status
      for watcher in state.watchers.values where watcher.service == service { watcher.changes.yield(status) }
    }
  }

  /// Sets every service to NOT_SERVING for good and ends the watches after telling them, so that a drain need not wait.
  package func shutDown() {
    state.withLock { state in
      guard !state.isShutDown else { return }
      state.isShutDown = true
      for service in state.statuses.keys { state.statuses[service] = .notServing }
      for watcher in state.watchers.values {
        watcher.changes.yield(.notServing)
        watcher.changes.finish()
      }
    }
  }

  /// The status of a service, or NOT_FOUND.
  package func check(_ request: HealthCheckRequest, _ call: CallContext) async throws -> HealthCheckResponse {
    guard let status = state.withLock({ $0.statuses[request.service] }) else {
      throw RPCError(.notFound, "unknown service")
    }
    return HealthCheckResponse(status: status)
  }

  /// The status of all services, or RESOURCE_EXHAUSTED when there are more than ``listedMax``.
  package func list(_ request: HealthListRequest, _ call: CallContext) async throws -> HealthListResponse {
    let statuses = state.withLock { $0.statuses }
    guard statuses.count <= Self.listedMax else {
      throw RPCError(.resourceExhausted, "more than \(Self.listedMax) services")
    }
    let entries = statuses.sorted { $0.key < $1.key }.map { service, status in
      HealthListResponse.StatusesEntry(key: service, value: HealthCheckResponse(status: status))
    }
    return HealthListResponse(statuses: entries)
  }

  /// The status of a service now and after every change; a service that is not known yet is SERVICE_UNKNOWN.
  ///
  /// - Throws: UNAVAILABLE after ``shutDown()``.
  package func watch(
    _ request: HealthCheckRequest, _ responses: ResponseWriter<HealthCheckResponse>, _ call: CallContext
  ) async throws {
    // Only the newest status matters to a slow watcher.
    let (changes, continuation) = AsyncStream.makeStream(
      of: HealthCheckResponse.ServingStatus.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.nextWatcher += 1
      continuation.yield(state.statuses[request.service] ?? .serviceUnknown)
      if state.isShutDown { continuation.finish() }
      state.watchers[state.nextWatcher] = Watcher(service: request.service, changes: continuation)
      return state.nextWatcher
    }
    defer { state.withLock { _ = $0.watchers.removeValue(forKey: id) } }
    for await status in changes { try await responses.send(HealthCheckResponse(status: status)) }
    throw RPCError(.unavailable, "the server is shutting down")
  }
}
