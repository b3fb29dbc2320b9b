import EventLoop
import Gateway
import RPC
import ServiceDatabase
import ServiceKit

let description = ServiceDescription(
  "gateway", summary: "Serves the public ticket API, as gRPC and as JSON, and signs agents in.", port: 7100,
  keys: CommonKeys.database + [
    GatewayKeys.sessionLifetime, GatewayKeys.crossOrigins, GatewayKeys.credentialCalls, GatewayKeys.addressCalls,
    CommonKeys.ticketsAddress, CommonKeys.assignmentAddress, CommonKeys.mailAddress, CommonKeys.maskingAddress,
  ],
  rules: [CommonKeys.databaseRule])

await runService(description) { process in
  let config = process.config
  let pool = try await process.openDatabase()
  let sessions = Sessions(pool: pool, lifetime: config[GatewayKeys.sessionLifetime])
  let backends = Backends(
    tickets: process.channel(to: "tickets", at: config[CommonKeys.ticketsAddress]),
    liveTickets: process.channel(to: "tickets", at: config[CommonKeys.ticketsAddress], isLive: true),
    assignment: process.channel(to: "assignment", at: config[CommonKeys.assignmentAddress]),
    mail: process.channel(to: "mail", at: config[CommonKeys.mailAddress]),
    masking: process.channel(to: "masking", at: config[CommonKeys.maskingAddress]))
  let audit = AuditLog(pool: pool) { entry, error in
    process.log.error("audit.not_stored", entry.fields(error))
  }
  let limits = GatewayLimits(
    credentialPerSecond: config[GatewayKeys.credentialCalls], addressPerSecond: config[GatewayKeys.addressCalls])
  let gateway = GatewayService(backends: backends, sessions: sessions, pool: pool, audit: audit, limits: limits)
  let cleaning = sessions.removeExpiredRegularly(on: process.group.next()) { error in
    process.log.warning("sessions.cleaning_failed", ["cause": .string(String(describing: error))])
  }
  let watching = gateway.streams.watchSessions(on: process.group.next()) { error in
    process.log.warning("streams.check_failed", ["cause": .string(String(describing: error))])
  }
  process.metrics.observed("handoff_live_streams", "Streams of changes that are open.") {
    Double(gateway.streams.count)
  }
  process.onDrain { gateway.streams.shutDown() }
  let counting = audit.recordCountsRegularly(on: process.group.next())
  process.onShutdown("sessions") {
    cleaning.cancel()
    watching.cancel()
    counting.cancel()
    await audit.recordCounts()
  }
  let http = try HTTPGateway(gateway, crossOrigin: config[GatewayKeys.crossOrigins])
  process.onShutdown("reference") { http.shutDown() }
  var parts = ServiceParts(gateway.rpcServices, interceptors: [], http: http)
  parts.limits.httpBodyBytesMax = HTTPGateway.jsonBytesMax
  parts.limits.httpBytesAwaitedMax = HTTPGateway.refusedBytesMax
  return parts
}
