import HandoffAPI
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Saving triggers")
struct TriggerTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func create(_ trigger: Trigger, by agent: AgentID = Desk.boss) async throws -> Trigger {
    try await office.service.createTrigger(
      CreateTriggerRequest(parent: "services/care", trigger: trigger), office.call("CreateTrigger", by: agent))
  }

  private static let good = Trigger(
    displayName: "긴급", conditions: [.isNew], results: [TriggerResult(result: .priority(.urgent))])

  @Test("a trigger is saved active and last, in canonical form, and read back as it was")
  func saving() async throws {
    var wanted = Self.good
    wanted.displayName = "  긴급  "
    wanted.conditions += [
      // A decomposed Hangul syllable.
      TriggerCondition(requirement: .optional, target: .title, operator: .contains, values: ["\u{1100}\u{1161}"]),
      TriggerCondition(target: .group, operator: .isEmpty),
      TriggerCondition(target: .agent, operator: .in, values: ["agents/1"]),
      TriggerCondition(target: .language, operator: .notIn, values: ["ko"]),
      TriggerCondition(target: .submissionType, operator: .in, values: ["services/care/submissionTypes/1"]),
    ]
    wanted.results += [
      TriggerResult(result: .submissionType("services/care/submissionTypes/1")),
      TriggerResult(result: .assign(.sequential, [Desk.kim, Desk.lee])),
      TriggerResult(result: .group("services/care/groups/2")),
    ]
    let first = try await create(wanted)
    let second = try await create(Self.good)
    #expect(first.displayName == "긴급" && first.active && first.version == 1)
    #expect([first.position, second.position] == [1, 2])
    #expect(first.conditions.map(\.requirement) == [.required, .optional, .required, .required, .required, .required])
    #expect(first.conditions[1].values[0].unicodeScalars.map(\.value) == [0xAC00])
    #expect(first.results == wanted.results && first.createTime == first.updateTime)
    let read = try await office.service.getTrigger(
      GetTriggerRequest(name: first.name), office.call("GetTrigger", by: Desk.boss))
    #expect(read == first)
    try await office.execute("UPDATE trigger_rule SET is_active = false WHERE position = 1")
    let third = try await create(Self.good)
    var names: [String] = []
    var token = ""
    repeat {
      let page = try await office.service.listTriggers(
        ListTriggersRequest(parent: "services/care", pageSize: 2, pageToken: token),
        office.call("ListTriggers", by: Desk.boss))
      names += page.triggers.map(\.name)
      token = page.nextPageToken
    } while !token.isEmpty
    #expect(names == [second.name, third.name, first.name])
  }

  /// A trigger that cannot be saved, and the fields that are wrong.
  struct Refused: Sendable {
    let name: String
    let fields: [String]
    let spoil: @Sendable (inout Trigger) -> Void

    init(_ name: String, _ fields: String..., spoil: @escaping @Sendable (inout Trigger) -> Void) {
      self.name = name
      self.fields = fields.map { "trigger.\($0)" }
      self.spoil = spoil
    }

    static func condition(
      _ target: TriggerCondition.Target, _ comparison: TriggerCondition.Operator, _ values: [String], _ field: String
    ) -> Refused {
      Refused("\(target) \(comparison) \(values.prefix(2))", "conditions[0].\(field)") {
        $0.conditions = [TriggerCondition(target: target, operator: comparison, values: values)]
      }
    }

    static func field(_ name: String, _ field: String) -> Refused {
      Refused("the field \(name)", "conditions[0].\(field)") {
        $0.conditions = [TriggerCondition(target: .field, operator: .in, values: ["x"], field: name)]
      }
    }

    static func group(_ group: ConditionGroup, _ field: String) -> Refused {
      Refused("a group: \(field)", "conditions[0].group\(field)") {
        $0.conditions = [TriggerCondition(group: group)]
      }
    }

    static func result(_ result: TriggerResult.Result?, _ fields: String...) -> Refused {
      Refused("\(String(describing: result).prefix(60))", "results[0]") {
        $0.results = [TriggerResult(result: result)]
      }.with(fields.map { "trigger.results[0]\($0)" })
    }

    private init(_ name: String, _ paths: [String], _ spoil: @escaping @Sendable (inout Trigger) -> Void) {
      self.name = name
      fields = paths
      self.spoil = spoil
    }

    private func with(_ paths: [String]) -> Refused { Refused(name, paths, spoil) }

    static let all: [Refused] = [
      Refused("no name", "display_name") { $0.displayName = " " },
      Refused("a name too long", "display_name") { $0.displayName = String(repeating: "이", count: 101) },
      Refused("no conditions", "conditions") { $0.conditions = [] },
      Refused("too many conditions", "conditions") { $0.conditions = Array(repeating: .isNew, count: 51) },
      Refused("no results", "results") { $0.results = [] },
      Refused("unknown requirement", "conditions[0].requirement") {
        $0.conditions[0].requirement = .init(rawValue: 9)
      },
      .condition(.unspecified, .in, ["x"], "target"),
      .condition(.init(rawValue: 99), .in, ["x"], "target"),
      .condition(.state, .contains, ["PENDING"], "operator"),
      .condition(.state, .unspecified, ["PENDING"], "operator"),
      .condition(.group, .contains, ["x"], "operator"),
      .condition(.title, .isEmpty, ["x"], "values"),
      .condition(.title, .in, [], "values"),
      .condition(.title, .in, Array(repeating: "x", count: 51), "values"),
      .condition(.title, .contains, [String(repeating: "x", count: 201)], "values[0]"),
      .condition(.title, .contains, ["a", ""], "values[1]"),
      .condition(.cause, .in, ["MOVED"], "values[0]"),
      .condition(.state, .in, ["PROCESSING", "open"], "values[1]"),
      .condition(.priority, .in, ["HUGE"], "values[0]"),
      .condition(.channel, .in, ["FAX"], "values[0]"),
      .condition(.language, .in, ["korean"], "values[0]"),
      .condition(.agent, .in, ["1"], "values[0]"),
      .condition(.agent, .in, ["agents/4"], "values[0]"),
      .condition(.group, .in, ["services/care/groups/99"], "values[0]"),
      .condition(.group, .in, ["services/tech/groups/3"], "values[0]"),
      .condition(.sourceService, .in, ["services/tech"], "target"),
      .condition(.createTime, .before, ["yesterday"], "values[0]"),
      .condition(.createTime, .after, ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"], "values"),
      .condition(.state, .changed, ["PENDING"], "values"),
      .condition(.processingType, .in, ["services/care/processingTypes/99"], "values[0]"),
      .group(ConditionGroup(kind: .any, conditions: []), ".conditions"),
      .group(ConditionGroup(conditions: [.isNew]), ".kind"),
      .group(
        ConditionGroup(
          kind: .none,
          conditions: [.isNew, TriggerCondition(requirement: .required, target: .title, operator: .isEmpty)]),
        ".conditions[1].requirement"),
      .group(
        ConditionGroup(kind: .all, conditions: [TriggerCondition(target: .state, operator: .in, values: ["NEW"])]),
        ".conditions[0].values[0]"),
      .group(
        (0..<4).reduce(ConditionGroup(kind: .all, conditions: [.isNew])) { inner, _ in
          ConditionGroup(kind: .any, conditions: [TriggerCondition(group: inner)])
        },
        ".conditions[0].group.conditions[0].group.conditions[0].group.conditions[0].group"),
      Refused("a group and a target", "conditions[0]") {
        $0.conditions = [TriggerCondition(target: .state, group: ConditionGroup(kind: .all, conditions: [.isNew]))]
      },
      Refused("too many lines in groups", "conditions") {
        $0.conditions = [
          TriggerCondition(group: ConditionGroup(kind: .any, conditions: Array(repeating: .isNew, count: 50)))
        ]
      },
      .condition(.submissionType, .in, ["services/tech/submissionTypes/2"], "values[0]"),
      .condition(.submissionType, .in, ["services/care/submissionTypes/2"], "values[0]"),
      .result(nil, ""),
      .result(.priority(.unspecified), ".priority"),
      .result(.priority(.init(rawValue: 9)), ".priority"),
      .result(.group("services/tech/groups/3"), ".group"),
      .result(.group("services/care/groups/99"), ".group"),
      .result(.submissionType("services/care/submissionTypes/99"), ".submission_type"),
      .result(.assign(.unspecified, [Desk.kim]), ".assign.mode"),
      .result(.assign(.random, []), ".assign.agents"),
      .result(.assign(.specific, [Desk.kim, Desk.lee]), ".assign.agents"),
      .result(.assign(.random, [Desk.kim, Desk.kim]), ".assign.agents[1]"),
      .result(.assign(.random, [Desk.kim, Desk.stranger]), ".assign.agents[1]"),
      .result(.assign(.random, [Desk.kim], group: Desk.back), ".assign.agents[0]"),
      .result(
        .assign(AssignResult(mode: .random, group: "", agents: ["kim"])), ".assign.group", ".assign.agents[0]"),
      .result(.callback(CallbackResult()), ".callback.url"),
      .result(.callback(CallbackResult(url: "http://example.com/")), ".callback.url"),
      .result(.notify(NotifyResult()), ".notify.recipient", ".notify.texts"),
      .result(.notify(NotifyResult(recipient: .init(rawValue: 9), texts: [.ko])), ".notify.recipient"),
      .result(
        .notify(NotifyResult(recipient: .group, texts: [.ko, .ko])), ".notify.texts[1].language"),
      .result(
        .notify(NotifyResult(recipient: .group, texts: [MailText(language: "korean", subject: "a\nb", body: " ")])),
        ".notify.texts[0].language", ".notify.texts[0].subject", ".notify.texts[0].body"),
      .result(
        .notify(NotifyResult(recipient: .group, texts: Array(repeating: .ko, count: 11))), ".notify.texts",
        ".notify.texts[1].language", ".notify.texts[2].language", ".notify.texts[3].language",
        ".notify.texts[4].language", ".notify.texts[5].language", ".notify.texts[6].language",
        ".notify.texts[7].language", ".notify.texts[8].language", ".notify.texts[9].language"),
      .result(.forwardOutside(ForwardOutsideResult(address: "nobody")), ".forward_outside.address"),
      .result(
        .forwardOutside(
          ForwardOutsideResult(
            address: "a@example.net",
            texts: [MailText(language: "ko", subject: "a", body: String(repeating: "x", count: 5001))])),
        ".forward_outside.texts[0].body"),
      .field("", "field"), .field("services/tech/fields/1", "field"), .field("services/care/fields/99", "field"),
      Refused("a field of another target", "conditions[0].field") {
        $0.conditions = [
          TriggerCondition(target: .title, operator: .isEmpty, field: "services/care/fields/1")
        ]
      },
      Refused("everything at once", "display_name", "conditions[1].values[0]", "results[1].group") {
        $0.displayName = ""
        $0.conditions.append(TriggerCondition(target: .priority, operator: .in, values: ["HUGE"]))
        $0.results.append(TriggerResult(result: .group("services/care/groups/99")))
      },
    ]
  }

  @Test("a trigger that makes no sense is refused, naming every field that is wrong")
  func refusals() async throws {
    for row in Refused.all {
      var trigger = Self.good
      row.spoil(&trigger)
      let wanted = trigger
      let error = await refusal { _ = try await create(wanted) }
      #expect(error?.reason == .requestInvalid, "\(row.name)")
      #expect(Set((error?.violations ?? []).map(\.field)) == Set(row.fields), "\(row.name): \(error?.message ?? "")")
    }
    #expect(try await office.desk.number("SELECT count(*) FROM trigger_rule") == 0)
  }

  @Test("every target of the table can be saved with each of its operators, and with no other")
  func table() async throws {
    let care = try await office.desk.ledger.directory.service(code: "care", deadline: office.desk.deadline)
    let tech = try await office.desk.ledger.directory.service(code: "tech", deadline: office.desk.deadline)
    for rule in TriggerTargetRule.all {
      for comparison in TriggerOperator.allCases {
        let value =
          switch (rule.target, rule.valueKind) {
          case (.cause, _): "CREATED"
          case (.state, _): "PENDING"
          case (.priority, _): "HIGH"
          case (.channel, _): "EMAIL"
          case (.language, _): "ko"
          case (_, .resource("agents")): "agents/1"
          case (_, .resource("services")): "services/care"
          case (_, .resource(let collection)): "services/tech/\(collection)/1"
          case (_, .time): "2026-01-31T09:30:00Z"
          case (_, _): "말"
          }
        let condition = TriggerCondition(
          target: .init(rawValue: rule.target.number), operator: .init(rawValue: comparison.number),
          values: comparison.values == .none ? [] : [value],
          field: rule.target == .field ? "services/tech/fields/1" : "")
        var reader = TriggerReader(service: tech)
        #expect(reader.conditions([condition]).0.count == (rule.operators.contains(comparison) ? 1 : 0))
        #expect(reader.check.violations.isEmpty == rule.operators.contains(comparison))
        guard rule.isForIssuesOnly else { continue }
        var other = TriggerReader(service: care)
        #expect(other.conditions([condition]).0.isEmpty)
      }
    }
    let vocabulary = try await office.service.getTriggerVocabulary(
      GetTriggerVocabularyRequest(name: "services/care/triggerVocabulary"),
      office.call("GetTriggerVocabulary", by: Desk.boss))
    let rules = TriggerTargetRule.all.filter { !$0.isForIssuesOnly }
    #expect(vocabulary.targets.map(\.target.rawValue) == rules.map(\.target.number))
    #expect(vocabulary.targets.map { $0.operators.map(\.rawValue) } == rules.map { $0.operators.map(\.number) })
    #expect(vocabulary.targets.first { $0.target == .priority }?.words == ["LOW", "NORMAL", "HIGH", "URGENT"])
    #expect(vocabulary.targets.first { $0.target == .group }?.collection == "groups")
  }

  @Test("settings are for administrators, and a service has a bounded number of triggers")
  func rights() async throws {
    #expect(await refusal { _ = try await create(Self.good, by: Desk.lee) }?.reason == .permissionDenied)
    let trigger = try await create(Self.good)
    let get = GetTriggerRequest(name: trigger.name)
    let list = ListTriggersRequest(parent: "services/care")
    let service = office.service
    for agent in [Desk.kim, Desk.lee] {
      let getting = await refusal { _ = try await service.getTrigger(get, office.call("GetTrigger", by: agent)) }
      let listing = await refusal { _ = try await service.listTriggers(list, office.call("ListTriggers", by: agent)) }
      #expect(getting?.reason == .permissionDenied && listing?.reason == .permissionDenied)
    }
    try await office.execute(
      """
      INSERT INTO trigger_rule (service_id, display_name, position, conditions, results)
      SELECT 1, 'x', n, '', '' FROM generate_series(2, \(TriggerStore.triggersMax)) AS n
      """)
    #expect(await refusal { _ = try await create(Self.good) }?.violations.map(\.field) == ["parent"])
  }
}

extension MailText {
  /// One that can be sent.
  fileprivate static let ko = MailText(language: "ko", subject: "제목", body: "내용")
}
