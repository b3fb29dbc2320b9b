import Crypto
import Glibc
import MessageJSON

/// The Dooray! of `handoff up --with-fake-dooray`: `scripts/fake-dooray` of the source tree, where agents of the demo's
/// `care` and a colleague in the warehouse work on two projects. What it knows stays in the data directory.
struct FakeDooray: Sendable {
  /// The name of its port, its log and its line among the addresses.
  static let name = "fake-dooray"
  /// The name of the port where it takes files.
  static let filesName = "fake-dooray-files"
  /// The name of the port where it takes messages for channels, with TLS.
  static let messengerName = "fake-dooray-messenger"
  static let usualPort: UInt16 = 7190
  /// What tells assignment that it may write there, and whom to believe.
  static let allowedAddresses = "HANDOFF_CALLBACK_ALLOWED_ADDRESSES"
  static let authoritiesVariable = "HANDOFF_CALLBACK_CA_FILE"
  /// Debian's bundle of authorities.
  private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"
  /// What its messenger proves itself with.
  static let certificate = ClusterCertificates.Holder(name: name, usage: [.server], isPublic: false)

  static let organization = "4000000000000000001"
  static let token = "fake-tenant-token"
  /// The first is escalated to by the demo.
  static let projects = [
    (id: "5000000000000000001", code: "LOGISTICS", displayName: "물류 Logistics"),
    (id: "5000000000000000002", code: "DEVELOPMENT", displayName: "개발 Development"),
  ]
  /// Who works at Dooray! and is no agent.
  static let colleague = "4000000000000000099"
  /// The channel that the demo's trigger writes into.
  static let channel = "물류 채널"
  /// The path of its hook.
  static let hook = "/services/\(organization)/warehouse/fake-secret"
  /// Of the mandatory group of the first project's tags.
  static let tag = "6000000000000000002"

  /// The path of the program.
  let script: String
  /// The path of Python.
  let python: String

  /// Finds the program: in `scripts` of the source tree that this executable was built in, or beside it.
  ///
  /// - Throws: `OperatorError` when it is not there, or another Dooray! is named.
  static func find(_ config: OperatorConfig) throws(OperatorError) -> FakeDooray {
    guard config.doorayURL == nil else {
      throw .usage(
        "\(CommandOption.withFakeDooray.rawValue) and HANDOFF_DOORAY_URL name two Dooray!",
        advice:
          "To work with the one at \(config.doorayURL ?? ""), leave out the option; for the fake one, the variable.")
    }
    var directory = try Installation.ownDirectory()
    var places = ["\(directory)/\(name)"]
    while let slash = directory.lastIndex(of: "/"), slash > directory.startIndex {
      directory = String(directory[..<slash])
      places.append("\(directory)/scripts/\(name)")
    }
    guard let script = places.first(where: { access($0, R_OK) == 0 }) else {
      throw OperatorError(
        "the fake Dooray! was not found: \(name) lies in the source tree under scripts",
        advice: "Run handoff from the source tree (scripts/up \(CommandOption.withFakeDooray.rawValue)), or copy"
          + " scripts/\(name) to \(places[0]).")
    }
    let pythons = (["/usr/bin"] + config.path.split(separator: ":").map(String.init)).map { "\($0)/python3" }
    guard let python = pythons.first(where: { access($0, X_OK) == 0 }) else {
      throw OperatorError("python3, which runs the fake Dooray!, was not found", advice: "apt-get install python3")
    }
    return FakeDooray(script: script, python: python)
  }

  static func url(_ ports: ClusterPorts) -> String { "http://127.0.0.1:\(ports[name])" }

  /// The URL of the channel's hook.
  static func hookURL(_ ports: ClusterPorts) -> String { "https://127.0.0.1:\(ports[messengerName])\(hook)" }

  /// Those that receivers of callbacks are checked against: the ones of before, and the cluster's own.
  static func authoritiesFile(_ directory: DataDirectory) -> String { "\(directory.path)/\(name)/authorities.pem" }

  /// The key of an agent of the demo organization.
  static func key(of person: DemoOrganization.Person) -> String { "fake-key-\(person.mailbox)" }

  /// What keeps it running; the program and its world are copied to where the processes' user can read them.
  func program(
    in directory: DataDirectory, _ ports: ClusterPorts, _ config: OperatorConfig
  ) throws(OperatorError) -> SupervisedProgram {
    let place = "\(directory.path)/\(Self.name)"
    try PrivateFile.makeDirectory(place, owner: directory.user)
    guard let text = try PrivateFile.read(script) else { throw OperatorError("\(script) is not there any more") }
    try PrivateFile.write(text, to: "\(place)/program", owner: directory.user)
    let world = String(decoding: JSONWriter.bytes(of: Self.world), as: UTF8.self)
    try PrivateFile.write(world, to: "\(place)/world.json", owner: directory.user)
    let certificates = directory.certificates
    let believed = [config.callbackAuthorities ?? Self.systemAuthorities, certificates.authorityFile]
    let authorities = try believed.map { path throws(OperatorError) in try PrivateFile.read(path) ?? "" }
    try PrivateFile.write(
      authorities.joined(separator: "\n"), to: Self.authoritiesFile(directory), owner: directory.user)
    return SupervisedProgram(
      name: Self.name,
      program: Program(
        python,
        [
          "\(place)/program", "--serve", "--port", "\(ports[Self.name])", "--file-port", "\(ports[Self.filesName])",
          "--messenger-port", "\(ports[Self.messengerName])", "--certificate",
          certificates.certificateFile(of: Self.name), "--key", certificates.keyFile(of: Self.name),
          "--world", "\(place)/world.json", "--state", "\(place)/state.json",
        ], directory: directory.path, user: directory.user))
  }

  /// Who and what there is at first, as the program reads it.
  static var world: JSONValue {
    let people = DemoOrganization.people.enumerated().map { number, person in
      (id: "40000000000000000\(10 + number)", person: person)
    }
    var members = [
      member("4000000000000000002", "아람마켓", "dooray@example.com", token),
      member(colleague, "남창고", "warehouse@example.com", "fake-key-warehouse"),
    ]
    for (id, person) in people { members.append(member(id, person.displayName, person.email, key(of: person))) }
    let agents = people.filter { $0.person.isAdministrator || ["seoyeon", "junho"].contains($0.person.key) }
    let inside = JSONValue.array((agents.map(\.id) + [colleague]).map { .string($0) })
    let shown = projects.enumerated().map { number, project -> JSONValue in
      let tags: [JSONValue] = number == 0 ? [tagged(tag, "배송"), tagged("6000000000000000003", "재고")] : []
      return object([
        ("id", .string(project.id)), ("code", .string(project.code)), ("organization", .string(organization)),
        ("members", inside), ("tags", .array(tags)),
      ])
    }
    return object([
      ("members", .array(members)), ("projects", .array(shown)), ("messengers", .array([.string(hook)])),
    ])
  }

  private static func member(_ id: String, _ name: String, _ email: String, _ token: String) -> JSONValue {
    object([
      ("id", .string(id)), ("name", .string(name)), ("email", .string(email)), ("token", .string(token)),
      ("organization", .string(organization)),
    ])
  }

  /// A tag of the group of which a task of the first project must have one.
  private static func tagged(_ id: String, _ name: String) -> JSONValue {
    let group = object([
      ("id", .string("6000000000000000001")), ("name", .string("종류")), ("mandatory", .bool(true)),
      ("selectOne", .bool(true)),
    ])
    return object([("id", .string(id)), ("name", .string(name)), ("group", group)])
  }

  private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(members.map { JSONMember(name: $0.0, value: $0.1) })
  }
}
