// Written by `atelier bench ops --write-table`; rows of instruction sets that the machine lacks are kept.

extension KernelTable {
    static let rows: [Row] = [
        Row("x86-64-v4", .forward, .unitStride3x3, pixels: 16, .smallWinograd),
        Row("x86-64-v4", .forward, .unitStride3x3, pixels: 64, channels: 128, .winograd),
        Row("x86-64-v4", .forward, .unitStride3x3, pixels: 64, .smallWinograd),
        Row("x86-64-v4", .forward, .unitStride3x3, .winograd),
        Row("x86-64-v4", .forward, .other, .directChannelsLast),
        Row("x86-64-v4", .inputGradient, .unitStride3x3, pixels: 16, channels: 128, .smallWinograd),
        Row("x86-64-v4", .inputGradient, .unitStride3x3, pixels: 16, .directBlocked),
        Row("x86-64-v4", .inputGradient, .unitStride3x3, pixels: 64, channels: 128, .winograd),
        Row("x86-64-v4", .inputGradient, .unitStride3x3, pixels: 64, .smallWinograd),
        Row("x86-64-v4", .inputGradient, .unitStride3x3, .winograd),
        Row("x86-64-v4", .inputGradient, .other, .directChannelsLast),
        Row("x86-64-v4", .weightGradient, .unitStride3x3, pixels: 16, channels: 8, .directChannelsLast),
        Row("x86-64-v4", .weightGradient, .unitStride3x3, pixels: 16, .smallWinograd),
        Row("x86-64-v4", .weightGradient, .unitStride3x3, pixels: 64, channels: 8, .directChannelsLast),
        Row("x86-64-v4", .weightGradient, .unitStride3x3, .winograd),
        Row("x86-64-v4", .weightGradient, .other, .directChannelsLast),
        Row("x86-64-v3", .forward, .unitStride3x3, pixels: 64, .smallWinograd),
        Row("x86-64-v3", .forward, .unitStride3x3, .winograd),
        Row("x86-64-v3", .forward, .other, .directBlocked),
        Row("x86-64-v3", .inputGradient, .unitStride3x3, pixels: 64, .smallWinograd),
        Row("x86-64-v3", .inputGradient, .unitStride3x3, .winograd),
        Row("x86-64-v3", .inputGradient, .other, .directBlocked),
        Row("x86-64-v3", .weightGradient, .unitStride3x3, pixels: 64, .smallWinograd),
        Row("x86-64-v3", .weightGradient, .unitStride3x3, .winograd),
        Row("x86-64-v3", .weightGradient, .other, .directBlocked),
    ]
}
