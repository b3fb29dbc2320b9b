import Foundation
import Synchronization

/// The PostgreSQL server that the tests of this process use.
///
/// `HANDOFF_TEST_DATABASE_URL` names an existing one (a superuser's URL). Without it, a private cluster is made in
/// memory, or in a temporary directory, on first use: a unix socket only, no fsync. A watchdog shell owns it and
/// removes it as soon as this process is gone, however it ends.
package struct PostgresCluster: Sendable {
  /// A superuser's URL of the database `postgres`.
  package let url: String

  /// Why there is no server to test against.
  package struct Unavailable: Error, CustomStringConvertible {
    /// What is missing and what to do.
    package let description: String
  }

  private static let started = Mutex<Result<PostgresCluster, Unavailable>?>(nil)

  /// The cluster, started by the first caller while others wait; blocks for about a second then.
  ///
  /// - Throws: ``Unavailable`` with instructions: a test without a server fails, it is not skipped.
  package static func shared() throws -> PostgresCluster {
    try started.withLock { state in
      if let state { return try state.get() }
      let result = Result { () throws(Unavailable) in try start() }
      state = result
      return try result.get()
    }
  }

  /// The URL of another database of the cluster.
  package func url(database: String) -> String {
    let query = url.firstIndex(of: "?") ?? url.endIndex
    let base = url[..<query]
    let authority = base.range(of: "://").map { $0.upperBound } ?? base.startIndex
    let path = base[authority...].firstIndex(of: "/") ?? base.endIndex
    return base[..<path] + "/" + database + url[query...]
  }

  private static func start() throws(Unavailable) -> PostgresCluster {
    if let url = ProcessInfo.processInfo.environment["HANDOFF_TEST_DATABASE_URL"], !url.isEmpty {
      return PostgresCluster(url: url)
    }
    guard let programs = findPrograms() else {
      throw Unavailable(
        description: """
          These tests need PostgreSQL. Install the server (Debian: apt-get install postgresql), \
          or set HANDOFF_TEST_DATABASE_URL to the URL of a superuser of a server for tests.
          """)
    }
    let directory = "\(parent())/handoff-test-\(getpid())"
    guard let line = launchWatchdog(programs, directory), line == "ready" else {
      throw Unavailable(description: "PostgreSQL in \(programs) did not start a cluster in \(directory).")
    }
    let host = directory.replacingOccurrences(of: "/", with: "%2F")
    return PostgresCluster(url: "postgresql://postgres@\(host)/postgres")
  }

  // In memory when there is room: every test creates and drops a database of hundreds of files, and ext4 takes longer
  // for each new file the more have just been deleted.
  private static func parent() -> String {
    let memory = "/dev/shm"
    let roomMin: Int64 = 2 << 30
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: memory)
    guard access(memory, W_OK) == 0, let room = attributes?[.systemFreeSize] as? NSNumber, room.int64Value >= roomMin
    else { return "/tmp" }
    return memory
  }

  private static func findPrograms() -> String? {
    var candidates: [String] = []
    for versions in ["/usr/lib/postgresql"] {
      let found = (try? FileManager.default.contentsOfDirectory(atPath: versions)) ?? []
      candidates += found.sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }.map { "\(versions)/\($0)/bin" }
    }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    candidates += path.split(separator: ":").map(String.init)
    return candidates.first {
      access("\($0)/initdb", X_OK) == 0 && access("\($0)/pg_ctl", X_OK) == 0
    }
  }

  /// Starts the shell that owns the cluster and returns the line it says when the server runs or could not start.
  private static func launchWatchdog(_ programs: String, _ directory: String) -> String? {
    let watchdog = Process()
    // A session of its own: an interrupt from the terminal must not reach it before it has cleaned up.
    watchdog.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
    watchdog.arguments = ["/bin/sh", "-c", script, "handoff-test-postgres", programs, directory]
    let lifeline = Pipe()
    let output = Pipe()
    watchdog.standardInput = lifeline
    watchdog.standardOutput = output
    do { try watchdog.run() } catch { return nil }
    // The lifeline stays open until this process ends; nobody else may inherit it.
    let writing = lifeline.fileHandleForWriting.fileDescriptor
    _ = fcntl(writing, F_SETFD, FD_CLOEXEC)
    _ = Unmanaged.passRetained(lifeline)
    let answer = output.fileHandleForReading.availableData
    return String(decoding: answer, as: UTF8.self).split(separator: "\n").first.map(String.init)
  }

  // $1 programs, $2 directory. initdb refuses to run as root, so root becomes an ordinary user. Reading standard input
  // ends when the test process is gone.
  private static let script = """
    trap '' INT TERM HUP
    bin=$1 dir=$2
    if [ "$(id -u)" = 0 ]; then
      user=nobody; id postgres >/dev/null 2>&1 && user=postgres
      as="setpriv --reuid=$user --regid=$(id -g $user) --clear-groups"
      install -d -m 0700 -o $user "$dir" || exit 1
    else
      as=; install -d -m 0700 "$dir" || exit 1
    fi
    cd "$dir" || exit 1
    log=$dir/log
    $as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
      >/dev/null 2>"$dir/initdb.log" </dev/null &&
    $as "$bin/pg_ctl" -D "$dir/data" -l "$log" -w -t 60 -s start </dev/null >/dev/null 2>&1 -o "-k '$dir' \
      -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=600 \
      -c shared_buffers=64MB -c max_wal_size=256MB -c autovacuum=off -c timezone=UTC" &&
    echo ready || echo failed
    exec >/dev/null
    while read -r _; do :; done
    $as "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop </dev/null >/dev/null 2>&1
    cd / && rm -rf "$dir"
    """
}
