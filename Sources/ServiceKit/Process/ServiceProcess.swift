package import EventLoop
package import RPC
import Synchronization

/// What the parts of a daemon are built from: its configuration, loops, logger and metrics.
package final class ServiceProcess: Sendable {
  /// The short name: `tickets`. It is the process's caller name, too.
  package let name: String
  /// The checked configuration, complete: every key of the daemon's table has a value.
  package let config: Config
  /// Writes to standard error; every line names the daemon.
  package let log: Logger
  /// What the admin port shows under `/metrics`.
  package let metrics: Metrics
  /// The loops on which everything of the process runs; they are stopped last.
  package let group: EventLoopGroup

  private struct Parts {
    var probes: [ReadinessProbe] = []
    var shutdown: [(name: String, action: @Sendable () async -> Void)] = []
    var drain: [@Sendable () async -> Void] = []
  }
  private let parts = Mutex(Parts())

  /// By which this process and others know one another.
  let tls: ServiceTLS

  init(name: String, config: Config, log: Logger, metrics: Metrics, group: EventLoopGroup, tls: ServiceTLS) {
    self.tls = tls
    self.name = name
    self.config = config
    self.log = log
    self.metrics = metrics
    self.group = group
  }

  /// Makes readiness depend on a condition: nil when it holds, else what is missing. `problem` must not block.
  package func readyWhen(_ name: String, problem: @escaping @Sendable () -> String?) {
    parts.withLock { $0.probes.append(ReadinessProbe(name, problem: problem)) }
  }

  /// Has `action` run when the process ends, after the calls are drained; the last one added runs first.
  package func onShutdown(_ name: String, _ action: @escaping @Sendable () async -> Void) {
    parts.withLock { $0.shutdown.append((name, action)) }
  }

  /// Has `action` run when the process is told to end, before it waits for its calls: to end those that would go on.
  package func onDrain(_ action: @escaping @Sendable () async -> Void) {
    parts.withLock { $0.drain.append(action) }
  }

  /// Tries `action` until it succeeds, with pauses of 0.1 to 5 seconds, and logs progress.
  ///
  /// For what a daemon needs before it serves, such as the database, which may start after it. A `StartupError` thrown
  /// by `action` is final, for example a schema that does not fit.
  ///
  /// - Throws: `StartupError` with `unavailable` when `limit` has passed; `CancellationError` when the process is told
  ///   to stop.
  package func wait<Value>(
    for what: String, limit: Duration = .seconds(60), _ action: (Deadline) async throws -> Value
  ) async throws -> Value {
    let deadline = Deadline.after(limit)
    var pause = Duration.milliseconds(100)
    var attempt = 0
    while true {
      attempt += 1
      do {
        return try await action(min(deadline, .after(.seconds(10))))
      } catch let error as StartupError {
        throw error
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        log.warning(
          "startup.waiting",
          ["for": .string(what), "attempt": .integer(Int64(attempt)), "cause": .string(String(describing: error))])
        guard deadline.remaining > pause else {
          throw StartupError(
            .unavailable, "\(what) was not usable within \(limit): \(error). Check its address and that it runs.")
        }
      }
      try await group.next().sleep(for: pause)
      pause = min(pause * 2, .seconds(1))
    }
  }

  /// A channel to another daemon, over which this process proves its name; closed when the process ends.
  /// All of the addresses, and all that their names stand for, take calls in turn while they say that they serve.
  ///
  /// - Parameters:
  ///   - daemon: its short name, `tickets`: what answers at the address must prove to be it.
  ///   - isLive: whether it is for many long streams: none of them, however slow its reader, holds up another.
  package func channel(to daemon: String, at addresses: [ServiceAddress], isLive: Bool = false) -> RPCChannel {
    var configuration = RPCChannelConfiguration()
    if isLive {
      configuration.limits.streamWindowBytes = 64 << 10
      configuration.limits.connectionWindowBytes = 1 << 30
    }
    configuration.balancing = .roundRobin
    configuration.healthService = ""
    configuration.resolveInterval = .seconds(10)
    configuration.keepalive = Keepalive(time: .seconds(30))
    configuration.tls = RPCChannelTLS(tls.client, serverName: CertifiedName.of(daemon))
    let target = RPCTarget(
      addresses.map { address in
        switch address {
        case .tcp(let host, let port): .tcp(host: host.contains(":") ? "[\(host)]" : host, port: port)
        case .unix(let path): .unix(path: path)
        }
      })
    let channel = RPCChannel(group: group, target: target, configuration: configuration)
    onShutdown("channel to \(daemon)") { await channel.close() }
    return channel
  }

  var probes: [ReadinessProbe] { parts.withLock { $0.probes } }

  /// Runs the drain actions.
  func runDrain() async {
    for action in parts.withLock({ $0.drain }) { await action() }
  }

  /// Runs the shutdown actions, last one first, each once.
  func runShutdown() async {
    while let (name, action) = parts.withLock({ $0.shutdown.popLast() }) {
      log.debug("shutdown.part", ["part": .string(name)])
      await action()
    }
  }
}

/// What a daemon serves.
package struct ServiceParts: Sendable {
  /// The gRPC services.
  package var services: [RPCService]
  /// Who may call them; nil when callers prove themselves otherwise, as at the gateway.
  package var rules: [CallerRule]?
  /// Answers requests that are not gRPC.
  package var http: (any HTTPHandler)?
  /// Interceptors of the daemon's own, after those of every daemon.
  package var interceptors: [any ServerInterceptor]
  /// What clients may make the server hold or do.
  package var limits: RPCServerLimits

  /// Services for other daemons: each call proves its caller, and the rules say who may call what.
  package init(_ services: [RPCService], callers rules: [CallerRule]) {
    self.services = services
    self.rules = rules
    http = nil
    interceptors = []
    limits = RPCServerLimits()
  }

  /// Services that anyone may call: `interceptors` or the handlers see to who may do what.
  package init(
    _ services: [RPCService], interceptors: [any ServerInterceptor], http: (any HTTPHandler)? = nil
  ) {
    self.services = services
    rules = nil
    self.http = http
    self.interceptors = interceptors
    limits = RPCServerLimits()
  }
}
