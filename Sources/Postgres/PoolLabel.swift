/// What `pg_stat_activity` shows of a process that holds a pool: `handoff-tickets max=33 copy=1f0c52a9`. The labels of
/// all connections tell how many there can be.
package struct PoolLabel: Sendable, Equatable {
  /// The program.
  package let program: String
  /// Connections that the process may hold, the one that listens included.
  package let connectionsMax: Int
  /// A number of the process's own, so that copies of a program can be told apart.
  package let copy: UInt32

  /// Labels a process's pool.
  package init(_ program: String, connectionsMax: Int, copy: UInt32) {
    self.program = program
    self.connectionsMax = connectionsMax
    self.copy = copy
  }

  /// Reads an `application_name`; nil when it is no label.
  package init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count >= 3, words[1].hasPrefix("max="), words[2].hasPrefix("copy="),
      let connectionsMax = Int(words[1].dropFirst(4)), connectionsMax > 0,
      let copy = UInt32(words[2].dropFirst(5), radix: 16)
    else { return nil }
    self.init(String(words[0]), connectionsMax: connectionsMax, copy: copy)
  }

  /// The `application_name`; PostgreSQL keeps 63 characters of one.
  package var text: String { "\(program) max=\(connectionsMax) copy=\(String(copy, radix: 16))" }
}
