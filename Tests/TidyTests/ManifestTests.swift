import Testing

@Suite("The package, its sources and the code map agree")
struct ManifestTests {
  private let tree = SourceTree.current
  private let targets: [Manifest.Target]

  init() throws {
    targets = try Manifest.inSources(of: tree)
  }

  @Test("every directory of Sources is a target")
  func directories() {
    let directories = tree.paths.filter { $0.hasPrefix("Sources/") && $0.split(separator: "/").count == 2 }
      .filter { !$0.hasSuffix(".md") }
    #expect(directories == Set(targets.map { "Sources/\($0.name)" }))
  }

  @Test("a target depends on what its sources import, and on nothing else")
  func imports() {
    let names = Set(targets.map(\.name))
    for target in targets {
      let files = tree.files.filter { $0.target == target.name && $0.isSwift }
      // The others are C, whose includes name files and not targets.
      if files.isEmpty { continue }
      let imported = Set(files.flatMap { $0.imports.map(\.module) }).intersection(names)
      #expect(target.dependencies == imported, "\(target.name)")
    }
  }

  @Test("the code map has a row for every target, and tells its dependencies")
  func codeMap() throws {
    let page = try #require(tree.files.first { $0.path == "Sources/README.md" })
    var told: [String] = []
    for row in page.lines where row.hasPrefix("| `") {
      let cells = row.split(separator: "|", omittingEmptySubsequences: false)
      try #require(cells.count == 5, "\(row)")
      let names = Manifest.quoted(cells[1], by: "`")
      told += names
      // A cell with words tells a layer.
      let dependencies = Manifest.quoted(cells[3], by: "`")
      let isExact = cells[3].split(separator: " ").allSatisfy { $0 == "–" || $0.hasPrefix("`") && $0.hasSuffix("`") }
      for target in targets where isExact && names.contains(target.name) {
        #expect(target.dependencies == Set(dependencies), "\(target.name)")
      }
    }
    #expect(told.sorted() == targets.map(\.name).sorted())
  }

  @Test("declarations of targets are read in all their forms")
  func reading() {
    let text = """
      // library("None", [])
      func library(_ name: String) -> Target { .target(name: name) }
      fence("CA", pkgConfig: "a", apt: "a-dev"),
      library("B", ["CA"], exclude: ["x"]),
      .testTarget(
        name: "C", dependencies: [
          "B", "CA",
        ], path: "p"),
      """
    let targets = Manifest(SourceFile(path: "Package.swift", text: text)).targets
    #expect(targets.map(\.name) == ["CA", "B", "C"])
    #expect(targets.map(\.dependencies) == [[], ["CA"], ["B", "CA"]])
  }
}
