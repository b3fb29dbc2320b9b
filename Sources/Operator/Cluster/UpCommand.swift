import EventLoop
import Glibc

/// `handoff up`: a whole cluster on this machine, until it is told to stop.
enum UpCommand {
  /// Starts the cluster, waits for Ctrl-C or SIGTERM, and stops it.
  static func run(
    _ arguments: Arguments, _ config: OperatorConfig, _ signals: StopSignals, _ console: Console
  ) async throws(OperatorError) {
    let copies = if let text = arguments.texts[.copies] { try ClusterCopies(text) } else { ClusterCopies() }
    let installation = try Installation.find(path: config.path)
    let dooray = arguments.texts[.withFakeDooray] == nil ? nil : try FakeDooray.find(config)
    let library = MachineChecks(config: config).nghttp2
    guard library.grade != .bad else { throw OperatorError(library.text, advice: library.remedy) }
    let directory = try DataDirectory.prepare(arguments.data, sudoUser: config.sudoUser)
    let lock = try InstanceLock(directory)
    if directory.path != directory.requested {
      console.line(
        """
        User \(directory.user.name), who runs the processes, cannot reach \(directory.requested).
        The data lies in \(directory.path) instead; \(directory.requested) links to it.
        """)
    }
    let ports = try ClusterPorts.choose(edge: arguments.port, copies: copies, withFakeDooray: dooray != nil)
    let cluster = try Cluster(config, directory, console, copies: copies)
    let (stops, teller) = AsyncStream.makeStream(of: Int.self)
    let start = Task { try await Self.start(cluster, installation, ports, dooray) }
    signals.deliver(on: cluster.supervision.next()) { count in
      start.cancel()
      teller.yield(count)
      if count > 1 { cluster.supervisor.killAll() }
    }
    let result = await start.result
    if case .success(let screen) = result {
      await cluster.supervisor.keepRunning()
      console.line(screen)
      for await _ in stops { break }
      console.line("")
    }
    await cluster.stop()
    // Other clusters keep off the ports until the last daemon has ended.
    withExtendedLifetime(ports) {}
    unlink(directory.addresses)
    _ = consume lock
    switch result {
    case .success: console.progress("Everything is stopped; the data stays in \(directory.requested)")
    case .failure(let error as OperatorError): throw error
    case .failure(is CancellationError): console.progress("Stopped before the cluster was ready")
    case .failure(let error): throw OperatorError("the cluster could not be started: \(error)")
    }
  }

  /// From nothing to serving; returns what to show.
  private static func start(
    _ cluster: Cluster, _ installation: Installation, _ ports: ClusterPorts, _ dooray: FakeDooray?
  ) async throws -> String {
    let directory = cluster.directory
    let start = MonotonicTime.current
    cluster.console.progress("Data directory: \(directory.requested)")
    try ClusterSecrets.prepare(directory)
    let made = try directory.certificates.prepare(guests: dooray == nil ? [] : [FakeDooray.certificate])
    if !made.isEmpty { cluster.console.progress("New certificates in \(directory.requested)/tls") }
    if !ports.moved.isEmpty {
      let list = ports.moved.map { "\($0.name) \(ports[$0.name]) instead of \($0.from)" }.joined(separator: ", ")
      cluster.console.progress("Other programs use the usual ports; these listen elsewhere: \(list)")
    }
    let programs = try installation.reachable(in: directory)
    let database = try await cluster.startDatabase()
    try await database.prepareRoles(directory)
    _ = try await Seed(database, directory, cluster.console).runIfEmpty()
    if let dooray { try await cluster.supervisor.start(try dooray.program(in: directory, ports, cluster.config)) }
    try await cluster.startDaemons(programs, ports)
    if dooray != nil { try await FakeDoorayConnection.make(in: cluster, ports) }
    let addresses = ClusterAddresses(
      ports, cluster.copies, mailDirectory: cluster.config.usesSMTP ? nil : directory.mail)
    try PrivateFile.write(addresses.text, to: directory.addresses, owner: directory.user)
    return try screen(cluster, ports, took: MonotonicTime.current.since(start))
  }

  /// Everything a person needs to know, on one screen.
  private static func screen(
    _ cluster: Cluster, _ ports: ClusterPorts, took: Duration
  ) throws(OperatorError) -> String {
    let directory = cluster.directory
    let shown = directory.requested
    let tenths = Int(took / .milliseconds(100))
    let mails =
      cluster.config.smtpURL.map { "to \($0)" } ?? "\(shown)/mail (one .eml file each; none leaves this machine)"
    let edge = padded("http://127.0.0.1:\(ports[ClusterPlan.edgeName])/v1/", 28)
    let secureEdge = padded("https://127.0.0.1:\(ports[ClusterPlan.secureEdgeName])/v1/", 28)
    let dooray =
      ports.contains(FakeDooray.name)
      ? "\n  Dooray!     \(FakeDooray.url(ports))/ a fake one: move its tasks and comment on them in a browser" : ""
    let gateway = padded("127.0.0.1:\(ports[ClusterPlan.gatewayName])", 28)
    var text = """

      Handoff is running (ready after \(tenths / 10).\(tenths % 10) s).

        Ticket API  \(edge) JSON and gRPC, on this machine only
                    \(secureEdge) the same with TLS
        gRPC        \(gateway) the gateway itself, with TLS
        Authority   \(shown)/tls/ca.pem (what clients with TLS have to trust)
        Mails       \(mails)
        Logs        \(shown)/logs
        Keys        \(shown)/keys (back them up together with the database)\(dooray)


      """
    if let signIns = try PrivateFile.read(directory.newSignIns) {
      unlink(directory.newSignIns)
      text += "  Sign-ins of the demo organization (shown once, kept in \(shown)/sign-ins.txt):\n\n"
      for line in signIns.split(separator: "\n") where !line.hasPrefix("#") { text += "    \(line)\n" }
    } else {
      text += "  Sign-ins of the demo organization: \(shown)/sign-ins.txt\n"
    }
    let option = directory.requested == DataDirectory.absolutePath(".handoff") ? "" : " --data \(shown)"
    return text + """

        Watch a ticket go through all of it, in another terminal:  \(ownName) demo\(option)
        Stop: Ctrl-C, or kill \(getpid())

      """
  }

  /// How a person calls this program from here: its name, or a path that is short when it lies below.
  private static var ownName: String {
    let name = CommandLine.arguments.first ?? "handoff"
    guard name.contains("/") else { return name }
    let here = DataDirectory.absolutePath(".")
    let path = DataDirectory.absolutePath(name)
    return path.hasPrefix("\(here)/") ? String(path.dropFirst(here.utf8.count + 1)) : path
  }
}
