import Glibc
import ServiceKit

/// What the doctor looks at on the machine, cluster or not.
struct MachineChecks: Sendable {
  let config: OperatorConfig

  /// Debian 12's patched libnghttp2, and the first one upstream without its known denial-of-service defects.
  static let nghttp2DebianMin = "1.52.0-1+deb12u3"
  static let nghttp2Min = [1, 67, 0]
  /// Descriptors that a daemon with thousands of clients needs.
  private static let openFilesMin: UInt64 = 4096
  private static let freeBytesMin: UInt64 = 1 << 30

  func findings() -> [Diagnosis] {
    [postgres, unprivilegedUser, edge, nghttp2, daemons, openFiles].compactMap { $0 }
  }

  private var postgres: Diagnosis {
    if config.existingDatabaseURL != nil { return .ok("PostgreSQL: an existing server is used") }
    do throws(OperatorError) {
      let found = try PostgresBinaries.find(path: config.path, major: nil)
      return .ok("PostgreSQL \(found.version) in \(found.directory)")
    } catch {
      return .bad(error)
    }
  }

  private var unprivilegedUser: Diagnosis? {
    guard geteuid() == 0 else { return nil }
    do throws(OperatorError) {
      let user = try ServiceUser.choose(dataOwner: nil, sudoUser: config.sudoUser)
      return .ok("Started as root, the processes run as user \(user.name)")
    } catch {
      return .bad(error)
    }
  }

  private var edge: Diagnosis {
    guard let path = Installation.nghttpx(path: config.path) else {
      return .bad("nghttpx, the edge, is not installed", "apt-get install nghttp2-proxy")
    }
    guard let result = try? Program(path, ["--version"]).run(timeout: .seconds(10)), result.succeeded else {
      return .bad("\(path) does not run", "apt-get install --reinstall nghttp2-proxy")
    }
    return .ok("\(path): \(result.output.split(separator: "\n").first ?? "")")
  }

  /// Whether the library is free of known defects.
  var nghttp2: Diagnosis {
    let query = Program("/usr/bin/dpkg-query", ["-W", "-f=${Version}", "libnghttp2-14"])
    guard let result = try? query.run(timeout: .seconds(10)), result.succeeded else {
      return .warn(
        "libnghttp2: no Debian package, so its version was not checked",
        "It must be \(Self.nghttp2Min.map(String.init).joined(separator: ".")) or newer.")
    }
    let version = result.output
    if isNewEnough(version) { return .ok("libnghttp2 \(version)") }
    return .bad(
      "libnghttp2 \(version) has known denial-of-service defects", "apt-get update && apt-get install libnghttp2-14")
  }

  /// Whether a Debian version is the patched one of Debian 12 or later, or upstream's fixed one.
  private func isNewEnough(_ version: String) -> Bool {
    let upstream = version.prefix { $0 != "-" }.split(separator: ".").map { Int($0) ?? 0 }
    if !upstream.lexicographicallyPrecedes(Self.nghttp2Min) { return true }
    let compare = Program("/usr/bin/dpkg", ["--compare-versions", version, "ge", Self.nghttp2DebianMin])
    let isPatched = (try? compare.run(timeout: .seconds(10)))?.succeeded ?? false
    return isPatched && version.contains("deb12u")
  }

  private var daemons: Diagnosis {
    do throws(OperatorError) {
      let directory = try Installation.ownDirectory()
      let missing = ClusterPlan.daemons.filter { access("\(directory)/\($0.executable)", X_OK) != 0 }
      return missing.isEmpty
        ? .ok("The daemons lie in \(directory)")
        : .bad(
          "\(missing.map(\.executable).joined(separator: ", ")) not found in \(directory)",
          "Build everything: scripts/up, or swift build -c release --static-swift-stdlib")
    } catch {
      return .bad(error)
    }
  }

  private var openFiles: Diagnosis {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return .warn("The limit of open files is unknown", "Check: ulimit -n")
    }
    return limit.rlim_cur >= Self.openFilesMin
      ? .ok("A process may open \(limit.rlim_cur) files")
      : .warn(
        "A process may open \(limit.rlim_cur) files, enough for about as many clients",
        "Raise the limit before handoff up: ulimit -n 65536")
  }

  /// Whether there is room for data at `path`.
  static func space(at path: String) -> Diagnosis? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
    let text = "\(free >> 20) MiB are free at \(path)"
    return free >= freeBytesMin ? .ok(text) : .warn(text, "Make room: PostgreSQL stops when the disk is full.")
  }
}
