import Testing
import TicketLedger

@testable import Operator

@Suite("The demo data")
struct DemoGeneratorTests {
  private static let generator = DemoGenerator()

  private var all: [DemoTicket] {
    Self.generator.tickets.flatMap { ticket in [ticket] + ticket.steps.compactMap(\.issue) }
  }

  /// Where the steps leave a ticket.
  private func finalState(_ ticket: DemoTicket) -> String {
    ticket.steps.reduce("UNASSIGNED") { state, step in
      switch step.act {
      case .assign, .keep, .customerReply: "PROCESSING"
      case .forward: "PROCESSING"
      case .hold: "PENDING"
      case .resolve: "RESOLVED"
      case .resolveInternally(_, let reason, _): reason == .spam ? "SPAM" : "RESOLVED"
      case .comment: state
      case .complete, .autoComplete: "COMPLETED"
      case .escalate: "ESCALATING"
      case .receiveEscalationAnswer: "ESCALATION_ANSWERED"
      case .escalateToDooray: "DOORAY_ESCALATED"
      case .doorayWorking: "DOORAY_IN_PROGRESS"
      case .doorayClosed: "DOORAY_ANSWERED"
      }
    }
  }

  @Test("the same seed gives the same tickets, another seed others")
  func determinism() {
    #expect(DemoGenerator().tickets == Self.generator.tickets)
    #expect(DemoGenerator(seed: 7).tickets != Self.generator.tickets)
  }

  @Test("there are 500 tickets of both services, in every state, in Korean and English, over the last months")
  func variety() {
    #expect(all.count == 500)
    let states = Set(all.map(finalState))
    #expect(states == Set(TicketState.allCases.map(\.rawValue) + ["SPAM"]))
    #expect(Set(all.map(\.service)) == ["care", "tech"])
    #expect(all.filter { $0.language == "en" }.count > 60)
    #expect(Set(all.map(\.title)).count > 140)
    let oldest = all.map(\.age).max() ?? 0
    #expect(oldest > 120 * 86_400)
    #expect(all.contains { $0.age < 86_400 })
  }

  @Test("what happens to a ticket happens after its creation, in order and before now")
  func times() {
    for ticket in all {
      let times = [0] + ticket.steps.map(\.time)
      #expect(times == times.sorted())
      #expect(times.last.map { $0 < ticket.age } == true)
    }
  }

  @Test("a resolved ticket is younger than two weeks, after which it would have completed")
  func resolvedAge() {
    for ticket in all where finalState(ticket) == "RESOLVED" {
      let resolved = ticket.age - (ticket.steps.last?.time ?? 0)
      #expect(resolved < 14 * 86_400)
    }
  }

  @Test("agents, groups and types of every ticket are those of its service")
  func references() throws {
    for ticket in all {
      let service = try #require(DemoOrganization.service(ticket.service))
      let types = Set(service.submissionTypes.flatMap { [$0.key] + $0.children.map(\.key) })
      #expect(types.contains(ticket.type))
      for step in ticket.steps {
        switch step.act {
        case .assign(let agent, let group), .keep(let agent, let group), .forward(_, let agent, let group):
          let members = service.groups.first { $0.key == group }?.members ?? []
          #expect(members.contains(agent), "\(agent) of \(group)")
        case .resolve(_, _, let processing):
          let keys = service.processingTypes.flatMap { [$0.key] + $0.children.map(\.key) }
          #expect(keys.contains(processing))
        default: break
        }
      }
    }
    for service in DemoOrganization.services {
      let names = service.submissionTypes.flatMap { [$0] + $0.children }.map(\.displayName)
      #expect(Set(names).count == names.count)
      let members = service.groups.first { $0.key == service.rotation.group }?.members ?? []
      #expect(Set(service.rotation.agents).isSubset(of: members))
    }
    #expect(DemoOrganization.agents.count == 8)
  }

  @Test("addresses, phone numbers and resident registration numbers belong to nobody")
  func reserved() {
    let texts = all.flatMap { ticket in [ticket.title, ticket.inquiry] + ticket.steps.flatMap(\.texts) }
    for text in texts {
      for match in text.matches(of: /[a-z0-9.]+@([a-z.]*[a-z])/) {
        #expect(DemoRandom.domains.contains(String(match.1)), "\(match.0)")
      }
      for match in text.matches(of: /\d{6}-(\d)\d{6}/) { #expect(match.1 == "9" || match.1 == "0") }
      for match in text.matches(of: /\b01\d-(\d{4})-\d{4}/) { #expect(match.1 == "0000") }
      for match in text.matches(of: /\+1-\d{3}-(\d{3}-\d{2})\d{2}/) { #expect(match.1 == "555-01") }
      #expect(!text.contains("{"))
    }
    #expect(texts.contains { $0.contains(/\d{6}-9\d{6}/) })
    for customer in Self.generator.customers {
      #expect(DemoRandom.domains.contains { customer.email.hasSuffix("@\($0)") })
      #expect(customer.phone.hasPrefix("0100000") || customer.phone.hasPrefix("+120255501"))
    }
    #expect(Set(Self.generator.customers.map(\.email)).count == Self.generator.customers.count)
    #expect(DemoOrganization.people.allSatisfy { $0.email.hasSuffix("@example.com") })
  }

  @Test("every layout has a subject and the agent's answer")
  func layouts() {
    for layout in DemoLayouts.all {
      #expect(layout.body.contains("#{content}"))
      #expect(!layout.subject.isEmpty)
    }
    #expect(Set(DemoLayouts.all.map { "\($0.kind) \($0.language)" }).count == 6)
  }
}

extension DemoStep {
  fileprivate var issue: DemoTicket? {
    if case .escalate(_, _, let issue) = act { issue } else { nil }
  }

  fileprivate var texts: [String] {
    switch act {
    case .hold(_, let text), .resolve(_, let text, _), .resolveInternally(_, _, let text), .comment(_, let text),
      .customerReply(let text), .escalate(_, let text, _), .receiveEscalationAnswer(let text):
      [text]
    default: []
    }
  }
}
