import Glibc
// Names the same C headers: the compiler ascribes `timespec` to whichever of the two it loads first.
import SwiftOverlayShims

extension Metrics {
  /// Declares what Prometheus expects of every process (memory, CPU, descriptors, start time), and the build's name.
  package func declareProcess(service: String, log: LogOutput) {
    let start = WallTime.now
    observed("process_start_time_seconds", "When the process started, in seconds since 1970.") {
      Double(start.seconds)
    }
    observed("process_cpu_seconds_total", "CPU time used, user and system.", type: .counter) {
      // POSIX has clock() count microseconds, whatever its true resolution.
      Double(clock()) / 1e6
    }
    observed("process_resident_memory_bytes", "Memory in use.") {
      Double(residentPages() * sysconf(Int32(_SC_PAGESIZE)))
    }
    observed("process_open_fds", "Open file descriptors.") { Double(openDescriptors()) }
    observed("handoff_log_lines_dropped_total", "Log lines dropped because their reader stalled.", type: .counter) {
      Double(log.droppedLines)
    }
    observed("handoff_service_info", "Always 1; the label names the service.", labels: ["service"]) {
      [([service], 1)]
    }
  }
}

/// The second number of /proc/self/statm (proc(5)).
private func residentPages() -> Int {
  guard let file = fopen("/proc/self/statm", "re") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 128)
  guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
  let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
}

private func openDescriptors() -> Int {
  guard let directory = opendir("/proc/self/fd") else { return 0 }
  defer { closedir(directory) }
  var count = 0
  while readdir(directory) != nil { count += 1 }
  // Not the entries `.` and `..`, nor the descriptor this listing uses.
  return max(0, count - 3)
}
