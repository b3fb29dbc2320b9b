import EventLoop
import Glibc
import Postgres

/// A whole cluster under supervision: from nothing to serving, and back to nothing.
struct Cluster: Sendable {
  let config: OperatorConfig
  let directory: DataDirectory
  /// Of each daemon.
  let copies: ClusterCopies
  let console: Console
  /// Runs the supervisor and the signals; never anything that takes long.
  let supervision: EventLoopGroup
  /// Runs the operator's own connections.
  let clients: EventLoopGroup
  let supervisor: Supervisor

  init(
    _ config: OperatorConfig, _ directory: DataDirectory, _ console: Console, copies: ClusterCopies = ClusterCopies()
  ) throws(OperatorError) {
    do {
      supervision = try EventLoopGroup.start(count: 1)
      clients = try EventLoopGroup.start(count: 1)
    } catch {
      throw OperatorError("no event loop: \(error)", advice: "Check `ulimit -n` and `ulimit -u`.")
    }
    self.config = config
    self.directory = directory
    self.copies = copies
    self.console = console
    supervisor = Supervisor(loop: supervision.next(), logs: directory.logs, owner: directory.user) { notice in
      console.progress(Self.words(notice, directory.logs))
    }
  }

  /// Makes the database usable: the private server runs, or the existing one answers; its schema is up to date.
  func startDatabase() async throws -> ClusterDatabase {
    var postgres: PrivatePostgres?
    if config.existingDatabaseURL == nil {
      let server = try PrivatePostgres(directory, path: config.path)
      try await start(server)
      postgres = server
    }
    let database = try ClusterDatabase(config, postgres, group: clients)
    let applied = try await database.migrate()
    console.progress(
      applied.isEmpty
        ? "Schema is up to date"
        : "Schema: \(applied.count) migration\(applied.count == 1 ? "" : "s") applied,"
          + " the last \(applied.last?.name ?? "")"
    )
    return database
  }

  private func start(_ server: PrivatePostgres) async throws {
    if try server.endLeftover(within: .seconds(30)) {
      console.progress("PostgreSQL of an earlier run was still there and is stopped")
    }
    if !server.exists {
      console.progress("Creating a private PostgreSQL \(server.binaries.version) in \(directory.postgres)")
      try server.create()
    }
    try Task.checkCancellation()
    try await supervisor.start(try server.program(connectionsMax: ClusterPlan.connectionsMax(copies)))
    let deadline = Deadline.after(.seconds(120))
    while true {
      if let death = await supervisor.death(of: PrivatePostgres.name) {
        throw OperatorError(
          "PostgreSQL \(death.status) while it was starting", advice: death.lastLines.joined(separator: "\n"))
      }
      if let pid = await supervisor.pid(of: PrivatePostgres.name), server.isReady(pid: pid) { break }
      guard !deadline.hasPassed else {
        throw OperatorError("PostgreSQL is not ready after 2 minutes", advice: "See \(directory.logs)/postgres.log")
      }
      try await clients.next().sleep(for: .milliseconds(20))
    }
    console.progress("PostgreSQL \(server.binaries.version) is ready (user \(directory.user.name), local socket only)")
  }

  /// Starts daemons and edge, and waits until each reports SERVING.
  func startDaemons(_ installation: Installation, _ ports: ClusterPorts) async throws {
    let surroundings = ClusterPlan.Surroundings(
      directory: directory, ports: ports, copies: copies, passedOn: config)
    let plan = ClusterPlan.copies(copies)
    for copy in plan {
      let program = Program(
        "\(installation.daemons)/\(copy.daemon.executable)",
        environment: Program.plainEnvironment.merging(ClusterPlan.environment(of: copy, surroundings)) { $1 },
        directory: directory.path, user: directory.user)
      try await supervisor.start(SupervisedProgram(name: copy.name, program: program))
    }
    let readiness = Readiness(group: clients, tls: try directory.certificates.tls())
    for copy in plan {
      try await readiness.wait(for: copy.name, port: ports[copy.name], supervisor, logs: directory.logs)
      console.progress("handoff-\(copy.name) is serving")
    }
    // Two processes: the second ends at once when the first is gone, and both at a SIGQUIT when all calls are
    // answered. One process alone would ignore that signal.
    let edge = Program(
      installation.edge, ClusterPlan.edgeArguments(ports, directory.certificates, copies),
      directory: directory.path, user: directory.user)
    try await supervisor.start(
      SupervisedProgram(name: ClusterPlan.edgeName, program: edge, stopSignal: SIGQUIT, stopWithin: .seconds(10)))
    for name in [ClusterPlan.edgeName, ClusterPlan.secureEdgeName] {
      try await readiness.wait(
        for: name, of: ClusterPlan.edgeName, port: ports[name], supervisor, logs: directory.logs)
    }
    // Who answered may have been somebody else's server, which took the port just before ours could.
    for name in plan.map(\.name) + [ClusterPlan.edgeName] {
      try await readiness.requireAlive(name, supervisor, logs: directory.logs)
    }
    console.progress("The edge is serving")
  }

  /// Stops everything that was started, the last first.
  func stop() async {
    await supervisor.stopAll { [console] name in console.progress("Stopping \(name)") }
  }

  private static func words(_ notice: SupervisorNotice, _ logs: String) -> String {
    switch notice {
    case .died(let name, let status, let delay):
      "\(name) \(status); it is started again in \(seconds(delay)) (see \(logs)/\(name).log)"
    case .restarted(let name): "\(name) is started again"
    case .restartFailed(let name, let message, let delay):
      "\(name) cannot be started: \(message); next attempt in \(seconds(delay))"
    case .killed(let name): "\(name) did not stop in time and is killed"
    }
  }

  private static func seconds(_ duration: Duration) -> String {
    let tenths = Int(duration / .milliseconds(100))
    return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
  }
}
