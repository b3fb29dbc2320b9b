/// How a daemon ends, as sysexits(3) numbers it.
package enum ExitCode: Int32, Sendable {
  /// Stopped by a signal, after draining.
  case ok = 0
  /// EX_USAGE: the environment or the arguments are wrong.
  case usage = 64
  /// EX_UNAVAILABLE: something it needs could not be reached in time.
  case unavailable = 69
  /// EX_SOFTWARE: a defect.
  case software = 70
  /// EX_OSERR: the system refuses, for example an address that is in use.
  case system = 71
  /// EX_CONFIG: what it found does not fit, for example a schema older than the program.
  case config = 78
}

/// Why a daemon cannot start: how it ends and what the operator can do.
package struct StartupError: Error, Sendable, CustomStringConvertible {
  /// How the process ends, so that a supervisor can tell what trying again is worth.
  package let exitCode: ExitCode
  /// What is wrong and what to do, for the operator; no secrets.
  package let description: String

  /// `description` says what is wrong and what to do.
  package init(_ exitCode: ExitCode, _ description: String) {
    self.exitCode = exitCode
    self.description = description
  }
}
