import EventLoop
import Glibc
import Postgres

/// `handoff doctor`: what is missing or wrong on this machine, and how to mend it.
struct Doctor: Sendable {
  private let arguments: Arguments
  private let config: OperatorConfig

  init(_ arguments: Arguments, _ config: OperatorConfig) {
    self.arguments = arguments
    self.config = config
  }

  /// Prints what was found; true when a cluster can run.
  func report(to console: Console) async -> Bool {
    let findings = await findings()
    for finding in findings { console.line(finding.line) }
    let bad = findings.count { $0.grade == .bad }
    let warnings = findings.count { $0.grade == .warn }
    let warned = warnings == 0 ? "" : ", \(warnings) warning\(warnings == 1 ? "" : "s")"
    console.line("")
    console.line(
      bad == 0
        ? "A cluster can run here\(warned)."
        : "\(bad) thing\(bad == 1 ? " keeps" : "s keep") a cluster from running\(warned).")
    return bad == 0
  }

  /// Everything that was looked at.
  func findings() async -> [Diagnosis] {
    var findings = MachineChecks(config: config).findings()
    let directory: DataDirectory?
    do throws(OperatorError) {
      directory = try DataDirectory.existing(arguments.data)
    } catch {
      return findings + [.bad(error)]
    }
    if let directory { findings += dataFindings(directory) + certificateFindings(directory) }
    findings.append(contentsOf: [MachineChecks.space(at: directory?.path ?? ".")].compactMap { $0 })
    guard let group = try? EventLoopGroup.start(count: 1) else {
      return findings + [.bad("no event loop could be started", "Check: ulimit -n, ulimit -u")]
    }
    if let directory, InstanceLock.runningProcess(directory) != nil {
      findings += await clusterFindings(directory, group)
      findings += await databaseFindings(directory, group)
    } else {
      findings += portFindings()
      // Its daemons may run elsewhere, in containers for example.
      if config.existingDatabaseURL != nil { findings += await databaseFindings(directory, group) }
    }
    group.shutdown()
    return findings
  }

  private func dataFindings(_ directory: DataDirectory) -> [Diagnosis] {
    var findings: [Diagnosis] = []
    let place = directory.path == directory.requested ? directory.path : "\(directory.path) (\(directory.requested))"
    for path in [directory.path, directory.secrets, directory.keys] {
      var status = stat()
      guard lstat(path, &status) == 0 else {
        findings.append(.bad("\(path) is missing", "Put it back from a backup, or start anew with another --data DIR."))
        continue
      }
      if status.st_mode & 0o077 != 0 {
        findings.append(.bad("\(path) is open to other users", "chmod 700 \(path)"))
      } else if status.st_uid != directory.user.uid {
        findings.append(
          .bad("\(path) does not belong to \(directory.user.name)", "chown \(directory.user.name) \(path)"))
      }
    }
    return findings.isEmpty ? [.ok("Data of user \(directory.user.name) in \(place), closed to others")] : findings
  }

  private func certificateFindings(_ directory: DataDirectory) -> [Diagnosis] {
    let certificates = directory.certificates
    let renewal = "They are renewed at a start: stop the cluster, then handoff up"
    var daysLeft: Int64?
    for holder in ClusterCertificates.holders {
      guard let found = try? certificates.certificate(certificates.certificateFile(of: holder.name)) else { continue }
      daysLeft = min(daysLeft ?? found.daysLeft, found.daysLeft)
    }
    guard let daysLeft else { return [] }
    if daysLeft < 0 { return [.bad("Certificates in \(directory.tls) have expired", renewal)] }
    let text = "The certificates are good for \(daysLeft) days"
    return [daysLeft < ClusterCertificates.daysLeftMin ? .warn(text, renewal) : .ok(text)]
  }

  private func portFindings() -> [Diagnosis] {
    var taken = ClusterPlan.daemons.filter { !ClusterPorts.isFree($0.port) }.map { "\($0.port) (\($0.name))" }
    let edge = arguments.port ?? ClusterPlan.edgePort
    let edgeIsFree = ClusterPorts.isFree(edge)
    if !edgeIsFree { taken.append("\(edge) (\(ClusterPlan.edgeName))") }
    if taken.isEmpty { return [.ok("The usual ports are free")] }
    let list = taken.joined(separator: ", ")
    return arguments.port != nil && !edgeIsFree
      ? [.bad("Taken by other programs: ports \(list)", "Name another one: --port PORT")]
      : [.warn("Taken by other programs: ports \(list)", "handoff up chooses others and says so.")]
  }

  private func clusterFindings(_ directory: DataDirectory, _ group: EventLoopGroup) async -> [Diagnosis] {
    let process = InstanceLock.runningProcess(directory) ?? "?"
    guard let addresses = try? ClusterAddresses.ofRunning(directory) else {
      return [.warn("The cluster (process \(process)) is starting or stopping", "Ask again in a few seconds.")]
    }
    var findings: [Diagnosis] = [.ok("A cluster runs (process \(process))")]
    let readiness: Readiness
    do throws(OperatorError) {
      readiness = Readiness(group: group, tls: try directory.certificates.tls())
    } catch {
      return findings + [.bad(error)]
    }
    for (name, port) in addresses.servers {
      let log = name == ClusterPlan.secureEdgeName ? ClusterPlan.edgeName : name
      findings.append(
        await readiness.isServing(name, port: port, within: .seconds(10))
          ? .ok("\(name) serves at 127.0.0.1:\(port)")
          : .bad("\(name) does not serve at 127.0.0.1:\(port)", "See \(directory.requested)/logs/\(log).log"))
    }
    return findings
  }

  private func databaseFindings(_ directory: DataDirectory?, _ group: EventLoopGroup) async -> [Diagnosis] {
    do throws(OperatorError) {
      var postgres: PrivatePostgres?
      if config.existingDatabaseURL == nil, let directory {
        postgres = try PrivatePostgres(directory, path: config.path)
      }
      let pool = try ClusterDatabase(config, postgres, group: group).pool()
      let deadline = Deadline.after(.seconds(20))
      var findings: [Diagnosis]
      do {
        let (budget, version) = try await Self.connectionBudget(
          pool, waitingOn: postgres == nil ? nil : group.next(), deadline)
        findings = [
          .ok("The database answers (PostgreSQL \(version))"), budget.finding(planned: ClusterPlan.connectionsMax()),
          DatabaseLog.finding(try await DatabaseLog.settings(pool, deadline: deadline)),
        ]
      } catch {
        let file = directory.map { "See \($0.requested)/logs/postgres.log" }
        findings = [
          .bad("The database does not answer: \(error)", (postgres == nil ? nil : file) ?? "See the log of its server.")
        ]
      }
      await pool.close()
      return findings
    } catch {
      return [.bad(error)]
    }
  }

  /// Asks the server; with a loop to wait on, until somebody answers.
  ///
  /// The cluster starts its own server again when it dies, and that one first waits for the old one's processes to end
  /// and reads its log: until then connections are refused, or there is nobody to refuse them.
  private static func connectionBudget(
    _ pool: PostgresPool, waitingOn loop: EventLoop?, _ deadline: Deadline
  ) async throws -> (budget: ConnectionBudget, version: String) {
    while true {
      do {
        return try await ConnectionBudget.read(pool, deadline: deadline)
      } catch let error as PostgresError where error.isUnavailable && !deadline.hasPassed {
        guard let loop else { throw error }
        try await loop.sleep(for: .milliseconds(250))
      }
    }
  }
}
