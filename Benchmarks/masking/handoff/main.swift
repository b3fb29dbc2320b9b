import EventLoop
import Glibc
import HandoffTestKit

// masking-bench ROUNDS: prints readings, one `name value` a line, for scripts/bench masking.

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100
DetectionBench.run(rounds: 7)
let bench = Task(executorPreference: TestLoops.group.next()) {
  do {
    try await StoreBench.run(rounds: rounds)
    exit(0)
  } catch {
    print("failed: \(error)")
    exit(1)
  }
}
await bench.value
