/// The tags of a project at Dooray!, and what their groups demand of a task.
struct DoorayTags: Sendable {
  /// Tags that belong together.
  struct Group: Sendable, Hashable {
    let id: String
    let name: String
    /// A task has one of them at least.
    let isMandatory: Bool
    /// A task has one of them at most.
    let isSingleChoice: Bool
  }

  struct Tag: Sendable {
    let id: String
    let name: String
    let group: Group?
  }

  let tags: [Tag]

  /// The groups that the tags are in, each once.
  var groups: [Group] {
    var seen: Set<String> = []
    return tags.compactMap(\.group).filter { seen.insert($0.id).inserted }
  }

  /// What is wrong with a choice, in words; empty: nothing.
  func problems(with chosen: [String]) -> [String] {
    let groupOfTag = Dictionary(tags.map { ($0.id, $0.group?.id) }) { first, _ in first }
    var problems = chosen.filter { groupOfTag[$0] == nil }.map { "the project has no tag \($0)" }
    if Set(chosen).count < chosen.count { problems.append("each tag can be chosen once") }
    for group in groups {
      let count = chosen.count { groupOfTag[$0].flatMap(\.self) == group.id }
      if group.isMandatory, count == 0 { problems.append("choose a tag of \(group.name)") }
      if group.isSingleChoice, count > 1 { problems.append("choose only one tag of \(group.name)") }
    }
    return problems
  }
}
