import Glibc

/// PostgreSQL's programs of one version on this machine.
struct PostgresBinaries: Sendable, Equatable {
  /// The directory that holds `postgres` and `initdb`.
  let directory: String
  /// `15.8` as `postgres --version` says it.
  let version: String

  /// The version that decides whether a data directory fits: 15 of `15.8`.
  var major: Int { Int(version.prefix { $0.isNumber }) ?? 0 }

  /// The oldest version that Handoff's SQL is tried with.
  static let majorMin = 15

  /// Every version found, the newest first.
  static func all(path: String) -> [PostgresBinaries] {
    var directories = path.split(separator: ":").compactMap { realDirectory(of: "\($0)/initdb") }
    for parent in ["/usr/lib/postgresql", "/usr/local/pgsql", "/usr"] {
      directories += entries(of: parent).map { "\(parent)/\($0)/bin" }
    }
    directories.append("/usr/local/pgsql/bin")
    var seen: Set<String> = []
    let usable = directories.filter { directory in
      seen.insert(directory).inserted && access("\(directory)/initdb", X_OK) == 0
        && access("\(directory)/postgres", X_OK) == 0
    }
    return usable.compactMap(PostgresBinaries.init(directory:)).sorted { $0.major > $1.major }
  }

  /// The programs that fit a data directory of version `major`, or the newest when there is no data yet.
  static func find(path: String, major: Int?) throws(OperatorError) -> PostgresBinaries {
    let all = all(path: path)
    if let major {
      if let found = all.first(where: { $0.major == major }) { return found }
      throw OperatorError(
        "the data was made by PostgreSQL \(major), and PostgreSQL \(major) is not installed",
        advice: "Install it: apt-get install postgresql-\(major)")
    }
    guard let newest = all.first else {
      throw OperatorError(
        "PostgreSQL's programs (initdb, postgres) were not found",
        advice: """
          Install them: apt-get install postgresql
          Or use an existing server: HANDOFF_DATABASE_URL=postgresql://… handoff up
          """)
    }
    guard newest.major >= majorMin else {
      throw OperatorError(
        "PostgreSQL \(newest.version) in \(newest.directory) is too old; Handoff needs \(majorMin) or newer",
        advice: "Install a newer one: apt-get install postgresql")
    }
    return newest
  }

  private init?(directory: String) {
    guard let result = try? Program("\(directory)/postgres", ["--version"]).run(timeout: .seconds(10)),
      result.succeeded,
      // "postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)"
      let version = result.output.split(separator: " ").dropFirst(2).first
    else { return nil }
    self.directory = directory
    self.version = String(version.prefix { !$0.isWhitespace })
  }

  private static func realDirectory(of program: String) -> String? {
    guard let resolved = realpath(program, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved).lastIndex(of: "/").map { String(String(cString: resolved)[..<$0]) }
  }

  private static func entries(of directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = Glibc.readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      // Under /usr only what Red Hat's packages call it.
      let isVersion = name.allSatisfy { $0.isNumber } || name.hasPrefix("pgsql-")
      if isVersion, !name.isEmpty { names.append(name) }
    }
    return names
  }
}
