import CSpawn
import Glibc

/// The user that the cluster's processes run as.
///
/// PostgreSQL refuses to run as root, and nothing else of the cluster needs to: when root runs `handoff up`, all
/// processes drop to one unprivileged user. Anybody else runs them as themselves.
struct ServiceUser: Sendable, Equatable {
  /// The login name, or the number of a user without one.
  let name: String
  /// User id.
  let uid: uid_t
  /// Primary group id.
  let gid: gid_t
  /// Supplementary groups, the primary one included.
  let groups: [gid_t]

  /// The user who runs this process.
  static var current: ServiceUser {
    ServiceUser(id: geteuid())
      ?? ServiceUser(name: "\(geteuid())", uid: geteuid(), gid: getegid(), groups: [getegid()])
  }

  /// Whether this is another user than the one who runs this process, who then must be root.
  var isAnother: Bool { uid != geteuid() }

  private init(name: String, uid: uid_t, gid: gid_t, groups: [gid_t]) {
    self.name = name
    self.uid = uid
    self.gid = gid
    self.groups = groups
  }

  /// The user with this id; nil when the machine does not know it.
  init?(id: uid_t) {
    self.init { entry, buffer, length, result in getpwuid_r(id, entry, buffer, length, result) }
  }

  /// The user with this login name; nil when the machine does not know it.
  init?(named name: String) {
    self.init { entry, buffer, length, result in getpwnam_r(name, entry, buffer, length, result) }
  }

  private typealias Lookup = (
    UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
  ) -> Int32

  private init?(_ lookup: Lookup) {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    let size = buffer.count
    let result = buffer.withUnsafeMutableBufferPointer { bytes -> ServiceUser? in
      guard let base = bytes.baseAddress, lookup(&entry, base, size, &found) == 0, found != nil,
        let name = entry.pw_name
      else { return nil }
      var count: Int32 = 256
      var groups = [gid_t](repeating: 0, count: Int(count))
      guard getgrouplist(name, entry.pw_gid, &groups, &count) >= 0 else { return nil }
      return ServiceUser(
        name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid, groups: Array(groups.prefix(Int(count))))
    }
    guard let result else { return nil }
    self = result
  }

  /// Who the cluster's processes run as.
  ///
  /// For anybody but root: themselves. For root: the owner of the data that is there already, else whoever called sudo,
  /// else `postgres`, else `nobody`.
  static func choose(dataOwner: uid_t?, sudoUser: String?) throws(OperatorError) -> ServiceUser {
    guard geteuid() == 0 else { return current }
    if let dataOwner, dataOwner != 0, let user = ServiceUser(id: dataOwner) { return user }
    if let sudoUser, let id = uid_t(sudoUser), id != 0, let user = ServiceUser(id: id) { return user }
    for name in ["postgres", "nobody"] {
      if let user = ServiceUser(named: name), user.uid != 0 { return user }
    }
    throw OperatorError(
      "there is no unprivileged user to run PostgreSQL as",
      advice: "Run handoff as an ordinary user, or create one: useradd --system postgres")
  }

  /// Whether this user may use `path` in `mode` (`R_OK`, `W_OK`, `X_OK`), every directory on the way included.
  func canAccess(_ path: String, _ mode: Int32) -> Bool {
    handoff_access_as(uid, gid, groups, groups.count, path, mode) == 0
  }
}
