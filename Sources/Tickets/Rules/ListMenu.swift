/// The list menus of the product; numbers as in the API.
enum ListMenu: Int32, CaseIterable, Sendable {
  /// Every ticket but spam.
  case all = 1
  /// Nobody holds it.
  case unassigned = 2
  /// The caller holds it, in PROCESSING.
  case myProcessing = 3
  /// The caller holds it, in PENDING.
  case myPending = 4
  /// The caller holds it, in RESOLVED; whoever resolved it.
  case myResolved = 5
  /// The caller holds it, in COMPLETED; whoever or whatever completed it.
  case myCompleted = 6
  /// A group of the caller is in charge.
  case myGroups = 7
  /// Ever escalated to an issue service or to Dooray!.
  case escalated = 8
  /// The spam box.
  case spam = 9
  /// The caller holds it, and promised to call the customer back.
  case myCallBacks = 10
  /// Ever escalated to an issue service.
  case escalatedToIssue = 11
  /// Ever escalated to Dooray!.
  case escalatedToDooray = 12
  /// The caller holds it, and it waits for the answer to its escalation.
  case myEscalated = 13

  /// The menu with a number of the API; a menu that is left out means all; nil for a number that is none.
  init?(number: Int32) { self.init(rawValue: number == 0 ? Self.all.rawValue : number) }
}

/// Which tickets are in a menu.
struct MenuSet: Equatable, Sendable {
  /// Who must hold a ticket.
  enum Holder: Sendable {
    /// Anyone or nobody.
    case anyone
    /// Nobody.
    case nobody
    /// The calling agent.
    case caller
  }

  /// Who holds them.
  var holder = Holder.anyone
  /// The names of the states; empty: all.
  var states: [String] = []
  /// Whether a group of the caller is in charge.
  var isOfCallersGroups = false
  /// Where they were ever escalated to, any of these; empty: whether they were or not.
  var escalatedTo: [String] = []
  /// Whether they are in the spam box; no other menu shows what is there.
  var isSpam = false
  /// Whether a call to the customer is promised.
  var hasCallBack = false

  /// Whether only an agent can ask.
  var needsAgent: Bool { holder == .caller || isOfCallersGroups }
}

extension ListMenu {
  /// The menu's set.
  var set: MenuSet {
    switch self {
    case .all: MenuSet()
    case .unassigned: MenuSet(holder: .nobody)
    case .myProcessing: MenuSet(holder: .caller, states: ["PROCESSING"])
    case .myPending: MenuSet(holder: .caller, states: ["PENDING"])
    case .myResolved: MenuSet(holder: .caller, states: ["RESOLVED"])
    case .myCompleted: MenuSet(holder: .caller, states: ["COMPLETED"])
    case .myGroups: MenuSet(isOfCallersGroups: true)
    case .escalated: MenuSet(escalatedTo: ["ISSUE", "DOORAY", "BOTH"])
    case .spam: MenuSet(isSpam: true)
    case .myCallBacks: MenuSet(holder: .caller, hasCallBack: true)
    case .escalatedToIssue: MenuSet(escalatedTo: ["ISSUE", "BOTH"])
    case .escalatedToDooray: MenuSet(escalatedTo: ["DOORAY", "BOTH"])
    case .myEscalated: MenuSet(holder: .caller, states: ["ESCALATING", "DOORAY_ESCALATED", "DOORAY_IN_PROGRESS"])
    }
  }
}
