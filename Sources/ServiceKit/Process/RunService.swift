import Crypto
import EventLoop
import FoundationEssentials
import Glibc
import RPC
import RPCProtos
import Synchronization

/// What `runService` needs to know of a daemon before it reads its configuration.
package struct ServiceDescription: Sendable {
  let name: String
  let summary: String
  let listen: ConfigKey<[ServiceAddress]>
  let adminListen: ConfigKey<[ServiceAddress]>
  let keys: [any AnyConfigKey]
  let rules: [ConfigRule]

  /// Describes the daemon `handoff-<name>`.
  ///
  /// The listening addresses, what proves the daemon's name, the number of loops and the log level need not be in
  /// `keys`: every daemon has them.
  /// The admin port's default is 100 above `port`.
  package init(
    _ name: String, summary: String, port: Int, keys: [any AnyConfigKey], rules: [ConfigRule] = []
  ) {
    self.name = name
    self.summary = summary
    listen = CommonKeys.listen(port: port)
    adminListen = CommonKeys.adminListen(port: port + 100)
    self.keys = [listen, adminListen] + CommonKeys.tls + keys + [CommonKeys.loops, CommonKeys.logLevel]
    self.rules = rules
  }

  var program: String { "handoff-\(name)" }
}

/// Runs a daemon from its start to the exit of the process.
///
/// Reads the configuration (exit 64 when it is wrong), opens the admin port, lets `build` make the parts, serves them
/// and gRPC's health and reflection services, and on SIGTERM or SIGINT reports itself as not serving, drains for up to
/// 10 seconds, shuts the parts down in reverse and exits 0. A second signal ends it at once. `build` may wait for what
/// it needs with `ServiceProcess.wait`; its errors end the process with the code of a `StartupError`, else with 70.
///
/// To be called first thing in `main.swift`.
package func runService(
  _ description: ServiceDescription, build: @escaping @Sendable (ServiceProcess) async throws -> ServiceParts
) async -> Never {
  let signals = TerminationSignals()
  let config = readConfig(description)
  let log = Logger(service: description.program, level: config.logLevel, output: .standardError)
  log.info("service.starting", ["process": .integer(Int64(getpid()))])
  for (name, text) in config.effective {
    log.info("config.effective", ["key": .string(name), "value": .string(text)])
  }
  let code: ExitCode
  do {
    try await Daemon(description, config, log, signals).run(build)
    code = .ok
  } catch let error as StartupError {
    log.error("service.failed", ["problem": .string(error.description)])
    code = error.exitCode
  } catch is CancellationError {
    code = .ok
  } catch let error as SocketError {
    log.error("service.failed", ["problem": .string(error.description)])
    code = .system
  } catch {
    log.error("service.failed", ["problem": .string(String(describing: error))])
    code = .software
  }
  log.info("service.stopped", ["exit": .integer(Int64(code.rawValue))])
  exit(code.rawValue)
}

/// The configuration, or the end of the process: this is the one place that reads environment and arguments.
private func readConfig(_ description: ServiceDescription) -> Config {
  let arguments = CommandLine.arguments.dropFirst()
  if arguments == ["--help"] || arguments == ["-h"] {
    print(helpText(program: description.program, summary: description.summary, keys: description.keys), terminator: "")
    exit(ExitCode.ok.rawValue)
  }
  guard arguments.isEmpty else {
    complain("\(description.program) takes no arguments but --help; it is configured by environment variables\n")
  }
  do throws(ConfigProblems) {
    return try Config(
      description.keys, rules: description.rules, environment: ProcessInfo.processInfo.environment)
  } catch {
    complain("\(description.program) cannot start with this configuration:\n\(error)See --help for every variable.\n")
  }
}

private func complain(_ text: String) -> Never {
  _ = Array(text.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  exit(ExitCode.usage.rawValue)
}

/// One run of a daemon.
private final class Daemon: Sendable {
  private enum Phase: Int, AtomicRepresentable {
    case starting, serving, draining
  }

  private let description: ServiceDescription
  private let config: Config
  private let log: Logger
  private let signals: TerminationSignals
  private let phase = Atomic<Phase>(.starting)
  private let health = HealthService()
  private static let drainLimit = Duration.seconds(10)

  init(_ description: ServiceDescription, _ config: Config, _ log: Logger, _ signals: TerminationSignals) {
    self.description = description
    self.config = config
    self.log = log
    self.signals = signals
  }

  func run(_ build: @escaping @Sendable (ServiceProcess) async throws -> ServiceParts) async throws {
    let tls = try self.tls()
    let group = try EventLoopGroup.start(count: config[CommonKeys.loops])
    let metrics = Metrics()
    metrics.declareProcess(service: description.program, log: .standardError)
    let process = ServiceProcess(
      name: description.name, config: config, log: log, metrics: metrics, group: group, tls: tls)
    watch(tls, process)
    process.readyWhen("service") { [self] in problem }
    let admin = try listening("HANDOFF_ADMIN_LISTEN") { () throws(SocketError) in
      try AdminServer(listen: addresses(description.adminListen), metrics: metrics) { process.probes }
    }
    log.info("admin.listening", ["address": .string(text(admin.addresses))])

    let startup = Task { [self] in
      let parts = try await build(process)
      try Task.checkCancellation()
      return try await serve(parts, process)
    }
    let (told, teller) = AsyncStream.makeStream(of: Int32.self)
    signals.onFirst { number in
      teller.yield(number)
      startup.cancel()
    }
    let started = await startup.result
    if case .success(let server) = started {
      for await number in told {
        log.info("service.draining", ["signal": .string(number == SIGTERM ? "SIGTERM" : "SIGINT")])
        break
      }
      phase.store(.draining, ordering: .relaxed)
      health.shutDown()
      await process.runDrain()
      await server.drain(within: Self.drainLimit)
    }
    await process.runShutdown()
    admin.stop()
    group.shutdown()
    _ = try started.get()
  }

  private func tls() throws(StartupError) -> ServiceTLS {
    do {
      return try ServiceTLS(config.tlsFiles, log: log)
    } catch {
      let names = "\(CommonKeys.tlsCertificateFile.name), …_KEY_FILE, …_CA_FILE"
      throw StartupError(.config, "TLS cannot be set up from \(names): \(TLSFiles.words(error))")
    }
  }

  /// Has new certificates noticed, and the time of the one in use shown.
  private func watch(_ tls: ServiceTLS, _ process: ServiceProcess) {
    let watching = tls.watch(on: process.group.next())
    process.onShutdown("certificates") { watching.cancel() }
    process.metrics.observed(
      "handoff_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires."
    ) { Double(tls.expireTime) }
  }

  private func serve(_ parts: ServiceParts, _ process: ServiceProcess) async throws -> RPCServer {
    var interceptors: [any ServerInterceptor] = []
    if let rules = parts.rules { interceptors.append(CallerAuthenticator(rules: rules)) }
    interceptors += parts.interceptors
    var services = parts.services + [health.rpcService]
    services += ReflectionService(services: services.map(\.name), files: ProtoFiles.all).rpcServices
    interceptors.append(CallMetrics(process.metrics, services: services))
    interceptors.append(CallLog(log))
    var configuration = RPCServerConfiguration(listen: addresses(description.listen))
    configuration.limits = parts.limits
    // The channels of the other daemons ping every 30 seconds.
    configuration.limits.pingIntervalMin = .seconds(15)
    configuration.status = RPCError.toClient
    // Who serves everybody does not ask everybody for a certificate.
    configuration.tls = try process.tls.server(parts.rules == nil ? .accepted : .required)
    let refused = process.metrics.counter(
      "handoff_connections_refused_total", "Connections whose client did not speak TLS or HTTP/2 as it must."
    ).with()
    configuration.refusedPeer = { [log] peer, reason in
      refused.add()
      log.warning("connection.refused", ["peer": .string(peer), "problem": .string(reason)])
    }
    let server = RPCServer(
      group: process.group, configuration: configuration, services: services, interceptors: interceptors,
      http: parts.http)
    do {
      try await server.start()
    } catch let error as SocketError {
      let place = "\(text(configuration.listen)) (\(description.listen.name))"
      throw StartupError(.system, "cannot listen on \(place): \(error)")
    }
    phase.store(.serving, ordering: .relaxed)
    // The empty name stands for the whole process.
    for name in [""] + parts.services.map(\.name) { health.set(name, .serving) }
    log.info("service.ready", ["address": .string(text(server.boundAddresses))])
    return server
  }

  private func listening<Server>(
    _ key: String, _ start: () throws(SocketError) -> Server
  ) throws(StartupError) -> Server {
    do throws(SocketError) {
      return try start()
    } catch {
      throw StartupError(.system, "cannot listen on the addresses of \(key): \(error)")
    }
  }

  /// Why the daemon is not ready, as far as its own life goes.
  private var problem: String? {
    switch phase.load(ordering: .relaxed) {
    case .starting: "starting"
    case .serving: nil
    case .draining: "draining"
    }
  }

  private func addresses(_ key: ConfigKey<[ServiceAddress]>) -> [SocketAddress] {
    config[key].compactMap(\.socketAddress)
  }

  private func text(_ addresses: [SocketAddress]) -> String {
    addresses.map(\.description).joined(separator: ",")
  }
}
