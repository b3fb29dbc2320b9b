import CSpawn
import Glibc

/// A program to start.
struct Program: Sendable {
  /// Absolute path of the executable.
  var path: String
  /// Arguments after the program's name.
  var arguments: [String]
  /// The whole environment; nothing is inherited.
  var environment: [String: String]
  /// Working directory.
  var directory: String
  /// Who it runs as.
  var user: ServiceUser
  /// What it gets when `handoff` ends, even by SIGKILL.
  var deathSignal: Int32

  /// A program that is killed when `handoff` ends.
  init(
    _ path: String, _ arguments: [String] = [], environment: [String: String] = Program.plainEnvironment,
    directory: String = "/", user: ServiceUser = .current, deathSignal: Int32 = SIGKILL
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
    self.user = user
    self.deathSignal = deathSignal
  }

  /// What every program needs and nothing of the operator's own environment.
  static let plainEnvironment = [
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC",
  ]

  /// Starts the program; `input` and `output` (standard output and error) are borrowed, -1 means /dev/null.
  ///
  /// The kernel sends `deathSignal` when the calling *thread* ends, so call it on one that lives as long as the
  /// process.
  func start(input: Int32 = -1, output: Int32 = -1) throws(OperatorError) -> ChildProcess {
    var pid: pid_t = 0
    var pidfd: Int32 = -1
    let code = withCStrings([path] + arguments) { arguments in
      withCStrings(environment.map { "\($0)=\($1)" }) { environment in
        user.groups.withUnsafeBufferPointer { groups in
          path.withCString { path in
            directory.withCString { directory in
              var request = handoff_spawn_request(
                path: path, arguments: arguments, environment: environment, directory: directory, input: input,
                output: output, changes_user: user.isAnother ? 1 : 0, user: user.uid, group: user.gid,
                groups: groups.baseAddress, group_count: groups.count, death_signal: deathSignal)
              return handoff_spawn(&request, &pid, &pidfd)
            }
          }
        }
      }
    }
    guard code == 0 else {
      throw OperatorError(
        "\(path) could not be started as user \(user.name): \(errorText(code))",
        advice: "Run `handoff doctor`; it names what is missing.")
    }
    return ChildProcess(pid: pid, descriptor: pidfd)
  }
}

/// A started program that was not waited for yet.
struct ChildProcess: Sendable {
  /// Process id, which is also that of its process group.
  let pid: pid_t
  /// A pidfd: readable once the process has ended.
  let descriptor: Int32

  /// Sends `signal` to the process.
  func signal(_ signal: Int32) { kill(pid, signal) }

  /// Waits for the process, which must have ended, and ends what it left behind in its group.
  func reap() -> ExitStatus {
    // While the process is a zombie its id cannot belong to anybody else.
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    close(descriptor)
    return ExitStatus(waitStatus: status)
  }
}

/// How a process ended.
enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
  /// It ended itself with this code.
  case exited(Int32)
  /// A signal ended it.
  case killed(Int32)

  init(waitStatus: Int32) {
    let signal = waitStatus & 0x7f
    self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .killed(signal)
  }

  var description: String {
    switch self {
    case .exited(let code): "ended with code \(code)"
    case .killed(let signal): "was ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    }
  }
}

/// Calls `body` with a NULL-ended array of C strings.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var pointers = strings.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("the array has at least its end") }
    return body(base)
  }
}

/// The system's words for an `errno` value.
func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
