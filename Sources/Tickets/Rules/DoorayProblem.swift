/// What can be wrong with the connection to Dooray!; order as in the API.
enum DoorayProblem: CaseIterable, Sendable {
  case unreachable
  case failing
  case tooManyRequests
  case tokenRefused
  case otherOrganization
  case projectNotFound
  case noRepresentative
  case noKey
  case notAMember
  case otherPerson
  case secretLost

  /// Where it was found.
  enum Place: CaseIterable, Sendable {
    /// The organization's token.
    case organization
    case project
    /// An agent's key.
    case userKey
  }

  /// What was found and what to do about it, for an administrator.
  func text(at place: Place) -> String {
    switch (self, place) {
    case (.unreachable, _): "Dooray! does not answer; try later, or ask the operator whether its address is right"
    case (.failing, _): "Dooray! answers with an error of its own; try later"
    case (.tooManyRequests, _): "Dooray! takes no more requests for now; try later"
    case (.tokenRefused, .organization):
      "Dooray! refuses the token; have a new one issued, and enter it for the organization"
    case (.tokenRefused, .project): "Dooray! refuses the representative's key; enter a new one"
    case (.tokenRefused, .userKey): "Dooray! refuses the key; have the agent make a new one, and enter it"
    case (.otherOrganization, .organization):
      "the token belongs to another organization at Dooray!; compare the organization's id"
    case (.otherOrganization, .project):
      "the project belongs to another organization at Dooray!; add it to that one"
    case (.otherOrganization, .userKey):
      "the key belongs to another organization at Dooray!; have the agent make one in this organization"
    case (.projectNotFound, _):
      "there is no such project, or the organization's token may not see it; compare the project's id"
    case (.noRepresentative, _):
      "nobody represents the project, so only its members can escalate to it; choose a representative"
    case (.noKey, _): "the representative has no key to this organization; enter it"
    case (.notAMember, _): "the representative is no member of the project; add them at Dooray!, or choose another"
    case (.otherPerson, _): "the key belongs to somebody with another mail address; enter the agent's own key"
    case (.secretLost, .organization): "the stored token does not open any more; enter it again"
    case (.secretLost, _): "the stored key does not open any more; enter it again"
    }
  }

  /// What is said when nothing is wrong.
  static func allWell(at place: Place) -> String {
    switch place {
    case .organization: "the token works"
    case .project: "the project is there, and its representative is a member of it"
    case .userKey: "the key works"
    }
  }
}
