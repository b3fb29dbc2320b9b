import Foundation
import Postgres
import Testing

@testable import Operator

@Suite("The doctor")
struct DoctorTests {
  @Test("a finding is one line, with how to mend it below")
  func lines() {
    #expect(Diagnosis.ok("fine").line == "ok    fine")
    #expect(Diagnosis.bad("broken", "do this\nor that").line == "bad   broken\n      → do this\n      → or that")
  }

  @Test("it looks at PostgreSQL, nghttpx, libnghttp2, limits and ports")
  func machine() async throws {
    let scratch = try Scratch()
    let config = try OperatorConfig(environment: ["PATH": "/usr/bin:/bin"])
    let findings = await Doctor(try Arguments(["doctor", "--data", "\(scratch.path)/none"]), config).findings()
    let text = findings.map(\.line).joined(separator: "\n")
    for word in ["PostgreSQL", "nghttpx", "libnghttp2", "files", "ports"] {
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

  @Test("every copy of a daemon counts with all that it may open, whatever it has open now")
  func copies() {
    func open(_ count: Int, _ program: String, max: Int, copy: UInt32) -> [String] {
      let label = PoolLabel(program, connectionsMax: max, copy: copy).text
      return [String](repeating: label, count: count - 1) + ["\(label) (listen)"]
    }
    let labels: [String?] =
      open(4, "handoff-tickets", max: 33, copy: 1) + open(1, "handoff-tickets", max: 33, copy: .max)
      + open(2, "handoff-mail", max: 13, copy: 3) + ["psql", nil, "handoff max=0 copy=1", "handoff-mail max=x copy=2"]
    let budget = ConnectionBudget(serverMax: 97, labels: labels)
    #expect(
      budget.shares == [
        .init(program: "handoff-mail", copies: 1, connectionsMax: 13),
        .init(program: "handoff-tickets", copies: 2, connectionsMax: 66),
      ])
    #expect(budget.connectionsMax == 79 && budget.opened == 11 && budget.others == 4)
    let finding = budget.finding(planned: 0)
    #expect(finding.grade == .ok)
    #expect(
      finding.text == "The daemons together may open 79 of 97 database connections (1 × handoff-mail 13,"
        + " 2 × handoff-tickets 66); 11 are open, 4 of them by other programs")
    // What is planned counts, too, and so does what others hold.
    #expect(budget.finding(planned: 92).grade == .ok && budget.finding(planned: 93).grade == .bad)
    #expect(budget.finding(planned: 93).remedy.contains("max_connections of the server by at least 10"))
  }

  @Test("a server that quotes rows in its log is told, with the statements that mend it")
  func databaseLog() {
    #expect(DatabaseLog.finding(DatabaseLog.withoutValues).grade == .ok)
    var settings = DatabaseLog.withoutValues
    settings["log_error_verbosity"] = "default"
    let finding = DatabaseLog.finding(settings)
    #expect(finding.grade == .warn)
    #expect(finding.remedy == "ALTER SYSTEM SET log_error_verbosity = 'terse';\nSELECT pg_reload_conf();")
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
    let ofMail = [
      "HANDOFF_MAIL_SMTP_URL": "smtp://mail.example.com", "HANDOFF_MAIL_REPLY_SEPARATOR": "-",
      "HANDOFF_MAIL_SENDER_ADDRESS": "care@shop.example",
      "HANDOFF_MAIL_RAW_RETENTION": "30d", "HANDOFF_MAIL_ACCOUNT_ALLOWED_ADDRESSES": "10.0.0.0/8",
      "HANDOFF_MAIL_ACCOUNT_CA_FILE": "/etc/ca.pem", "HANDOFF_MAIL_ACCOUNT_ALLOW_CLEAR": "true",
      "HANDOFF_MAIL_ACCOUNT_INTERVAL": "1m",
    ]
    let config = try OperatorConfig(environment: ofMail.merging(["HANDOFF_LOG_LEVEL": "debug"]) { $1 })
    #expect(config.variables(for: "tickets") == ["HANDOFF_LOG_LEVEL": "debug"])
    #expect(config.variables(for: "mail") == ofMail.merging(["HANDOFF_LOG_LEVEL": "debug"]) { $1 })
    #expect(config.usesSMTP)
  }
}
