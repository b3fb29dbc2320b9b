import EventLoop
import RPC
import ServiceKit

// A daemon made of nothing but `runService`, which the tests start, call and stop.

let mode = ConfigKey<String>.choice(
  "HANDOFF_MODE", default: "serve", of: ["serve", "wait", "refuse", "fail"], doc: "What goes wrong at start.")
let limit = ConfigKey<Duration>.duration(
  "HANDOFF_LIMIT", default: "60s", range: .milliseconds(1)...(.seconds(60)), doc: "How long to wait for the impossible."
)

struct Unreachable: Error {}

await runService(
  ServiceDescription(
    "probe", summary: "a daemon for tests.", port: 7190, keys: [mode, limit])
) { process in
  process.onShutdown("first") {}
  switch process.config[mode] {
  case "wait": try await process.wait(for: "the impossible", limit: process.config[limit]) { _ in throw Unreachable() }
  case "refuse": throw StartupError(.config, "the schema is older than this program; run: handoff migrate")
  case "fail": throw Unreachable()
  default: break
  }
  process.onShutdown("second") {}
  let service = RPCService(
    name: "handoff.probe.v1.ProbeService",
    methods: [
      .raw("Echo") { request, _ in request },
      .raw("Wait") { request, _ in
        // Long enough for a test to begin the drain meanwhile, far within the drain's limit.
        process.log.info("probe.waiting")
        try await EventLoop.current?.sleep(for: .milliseconds(500))
        return request
      },
      .raw("Who") { _, call in Array("\(try call.actor())".utf8) },
      .raw("Fail") { _, _ in throw ServiceError(.internal, cause: Unreachable()) },
      .raw("Stale") { _, _ in
        throw ServiceError(.staleVersion, metadata: ["current_version": "7"])
      },
      .raw("Invalid") { _, _ in throw ServiceError.invalid("ticket.subject", "is empty; write one") },
    ])
  return ServiceParts(
    [service],
    callers: [
      CallerRule("ProbeService", callers: ["gateway"]),
      CallerRule("ProbeService", ["Echo", "Who"], callers: ["tickets"]),
    ])
}
