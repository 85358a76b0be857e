// swift-tools-version: 6.1
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target of this package; arrows in `dependencies` point downward in the target map only.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name + "Tests", dependencies: dependencies + ["TestSupport"], swiftSettings: swiftSettings)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "Atelier",
    products: [
        .executable(name: "atelier", targets: ["atelier"]),
        .library(name: "Atelier", targets: ["Generation", "Training", "World"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // 0: C kernels and system libraries
        .target(name: "CKernels", linkerSettings: [.linkedLibrary("gomp"), .linkedLibrary("m")]),
        .systemLibrary(name: "COpenBLAS"),
        .systemLibrary(name: "COneDNN"),
        .systemLibrary(name: "CPNG"),
        .systemLibrary(name: "CJPEG"),
        .systemLibrary(name: "CCairo"),
        // libpng and libjpeg report errors with longjmp, which Swift frames cannot survive: the calls are made from C.
        .target(name: "CImageCodecs", dependencies: ["CPNG", "CJPEG"]),
        // 1
        library("TensorCore", ["CKernels", "COpenBLAS", "COneDNN"]),
        library("Tokenizers"),
        // 2
        library("Weights", ["TensorCore"]),
        library("Samplers", ["TensorCore"]),
        library("Optimizers", ["TensorCore"]),
        .target(name: "Imaging", dependencies: ["TensorCore", "CImageCodecs"], swiftSettings: swiftSettings),
        library("Drawing", ["CCairo", "Imaging"]),
        library("Recipes", [yams]),
        .target(
            name: "CUDABackend", dependencies: ["TensorCore"], resources: [.embedInCode("Kernels")],
            swiftSettings: swiftSettings),
        // 3
        library("Layers", ["TensorCore", "Weights"]),
        // 4
        library("DiffusionModels", ["Layers", "Weights", "TensorCore"]),
        library("TextModels", ["Layers", "Weights", "Tokenizers", "TensorCore"]),
        library("Adapters", ["Layers", "Weights", "Recipes", "TensorCore"]),
        // 5
        library(
            "Generation",
            [
                "DiffusionModels", "TextModels", "Adapters", "Layers", "Weights", "Samplers", "Optimizers", "Tokenizers",
                "Imaging", "Recipes",
                "TensorCore",
            ]),
        library("World", ["Drawing", "Imaging", "TensorCore"]),
        library(
            "Interpretability",
            [
                "DiffusionModels", "TextModels", "Layers", "Weights", "Samplers", "Tokenizers", "Drawing", "Imaging",
                "TensorCore",
            ]),
        // 6
        library(
            "Measurement",
            [
                "Generation", "World", "Drawing", "Adapters", "Layers", "Weights", "Samplers", "Recipes", "Imaging",
                "TensorCore",
            ]),
        library(
            "Training",
            [
                "Measurement", "Generation", "World", "DiffusionModels", "TextModels", "Adapters", "Layers", "Weights",
                "Samplers",
                "Optimizers",
                "Recipes", "Tokenizers", "Imaging", "TensorCore",
            ]),
        // 7
        library("Jobs", ["Training", "Generation", "Adapters", "Samplers", "Imaging", "Recipes", "TensorCore"]),
        // 9
        .executableTarget(
            name: "atelier",
            dependencies: [
                "Jobs", "Generation", "Training", "Measurement", "World", "Interpretability", "DiffusionModels",
                "TextModels", "Adapters", "Layers", "Recipes", "Weights", "Samplers", "Tokenizers", "Imaging",
                "Drawing", "CUDABackend", "TensorCore", argumentParser,
            ],
            swiftSettings: swiftSettings),
        // Tests mirror Sources. `TestSupport` finds fixtures and compares tensors.
        .target(
            name: "TestSupport", dependencies: ["CUDABackend", "TensorCore", "Weights"], path: "Tests/TestSupport",
            swiftSettings: swiftSettings),
        tests("TensorCore", ["TensorCore", "CUDABackend"]),
        tests("Tokenizers", ["Tokenizers"]),
        tests("Weights", ["Weights", "TensorCore"]),
        tests("Samplers", ["Samplers", "TensorCore"]),
        tests("Optimizers", ["Optimizers", "TensorCore"]),
        tests("Imaging", ["Imaging", "TensorCore"]),
        tests("Drawing", ["Drawing", "Imaging"]),
        tests("Recipes", ["Recipes"]),
        tests("Layers", ["Layers", "Weights", "TensorCore"]),
        tests("TextModels", ["TextModels", "Layers", "Weights", "Tokenizers", "TensorCore"]),
        tests("DiffusionModels", ["DiffusionModels", "Layers", "Weights", "TensorCore"]),
        tests(
            "Adapters",
            ["Adapters", "Generation", "DiffusionModels", "TextModels", "Layers", "Weights", "TensorCore"]),
        tests("Generation", ["Generation", "Adapters", "Samplers", "Imaging", "Weights", "TensorCore"]),
        tests("World", ["World", "Imaging"]),
        tests(
            "Interpretability",
            [
                "Interpretability", "TextModels", "DiffusionModels", "Layers", "Weights", "Samplers", "Imaging",
                "TensorCore",
            ]),
        tests(
            "Measurement",
            [
                "Measurement", "Generation", "Adapters", "World", "Layers", "Drawing", "Imaging", "Weights",
                "TensorCore",
            ]),
        tests(
            "Training",
            [
                "Training", "Measurement", "World", "Adapters", "Generation", "DiffusionModels", "Layers", "Samplers",
                "Recipes", "Weights", "Optimizers", "Imaging", "TensorCore",
            ]),
        tests("CUDABackend", ["CUDABackend", "TensorCore"]),
        tests("Jobs", ["Jobs", "Generation", "Imaging", "Recipes", "TensorCore"]),
        tests(
            "atelier",
            [
                "atelier", "Training", "Measurement", "Generation", "World", "Adapters", "Recipes", "Weights",
                "Imaging", "TensorCore",
            ]),
    ]
)
