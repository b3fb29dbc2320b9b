import HandoffAPI
import RPC

/// Why the ticket went where it went, and what the triggers would do with others.
extension DemoStory {
  func explain(_ ticket: Ticket, _ reader: Person) async throws {
    step("Why did the ticket go to \(ticket.agentDisplayName)? (gRPC)")
    for language in ["ko", "en"] {
      let explanation = try await client.api.explainAssignment(
        ExplainAssignmentRequest(name: ticket.name, language: language), options(reader))
      try expect(explanation.text.contains(ticket.agentDisplayName), "the explanation is \(explanation.text)")
      show("HandoffService.ExplainAssignment → \(explanation.text)")
    }
  }

  func simulate(_ administrator: Person) async throws {
    step("What would a new trigger do? (gRPC; nothing is written)")
    let draft = Trigger(
      displayName: "환불은 긴급", conditions: [TriggerCondition(target: .title, operator: .contains, values: ["환불"])],
      results: [TriggerResult(result: .priority(.urgent))])
    let simulation = try await client.api.simulateTriggers(
      SimulateTriggersRequest(parent: service, ticketCount: 200, trigger: draft), options(administrator))
    let urgent = simulation.tickets.filter { $0.firings.contains { $0.trigger.isEmpty } }
    show("HandoffService.SimulateTriggers  title contains 환불 → priority URGENT")
    show("→ of the newest \(simulation.ticketCount) tickets it would fire on \(urgent.count)")
    for ticket in urgent.prefix(3) {
      for firing in ticket.firings where firing.trigger.isEmpty {
        let changes = firing.changes.map { "\($0.field) \($0.before) → \($0.after)" }
        show("  \(ticket.ticket): \(changes.isEmpty ? "nothing, it is so already" : changes.joined(separator: ", "))")
      }
    }
  }
}
