import Foundation
import Testing

@testable import Operator

@Suite("The doctor")
struct DoctorTests {
  @Test("a finding is one line, with how to mend it below")
  func lines() {
    #expect(Diagnosis.ok("fine").line == "ok    fine")
    #expect(Diagnosis.bad("broken", "do this\nor that").line == "bad   broken\n      → do this\n      → or that")
  }

  @Test("it looks at PostgreSQL, nghttpx, libnghttp2, limits, ports and the budget of connections")
  func machine() async throws {
    let scratch = try Scratch()
    let config = try OperatorConfig(environment: ["PATH": "/usr/bin:/bin"])
    let findings = await Doctor(try Arguments(["doctor", "--data", "\(scratch.path)/none"]), config).findings()
    let text = findings.map(\.line).joined(separator: "\n")
    for word in ["PostgreSQL", "nghttpx", "libnghttp2", "files", "ports", "database connections"] {
      #expect(text.contains(word), "\(word) in:\n\(text)")
    }
  }

  @Test("data that others may read is bad, and the remedy is a command")
  func openData() async throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let config = try OperatorConfig(environment: ["PATH": "/usr/bin:/bin"])
    let doctor = Doctor(try Arguments(["doctor", "--data", directory.requested]), config)
    #expect(await doctor.findings().contains { $0.text.contains("closed to others") })
    chmod(directory.keys, 0o755)
    let finding = await doctor.findings().first { $0.text.contains("is open to other users") }
    #expect(finding?.grade == .bad)
    #expect(finding?.remedy == "chmod 700 \(directory.keys)")
  }

  @Test("the private server has room for all pools")
  func connectionBudget() {
    #expect(ClusterPlan.connectionsMax + 10 < PrivatePostgres.connectionsMax)
  }

  @Test("an unknown variable is refused with code 64 and the name it may have meant")
  func environment() {
    let error = #expect(throws: OperatorError.self) {
      try OperatorConfig(environment: ["HANDOFF_LOG_LEVELS": "debug"])
    }
    #expect(error?.exitCode == 64)
    #expect(error?.advice.contains("HANDOFF_LOG_LEVEL?") == true)
  }

  @Test("what is handed on reaches the daemons it is for, and only them")
  func handedOn() throws {
    let config = try OperatorConfig(environment: [
      "HANDOFF_LOG_LEVEL": "debug", "HANDOFF_MAIL_SMTP_URL": "smtp://mail.example.com",
    ])
    #expect(config.variables(for: "tickets") == ["HANDOFF_LOG_LEVEL": "debug"])
    #expect(config.variables(for: "mail")["HANDOFF_MAIL_SMTP_URL"] == "smtp://mail.example.com")
    #expect(config.usesSMTP)
  }
}
