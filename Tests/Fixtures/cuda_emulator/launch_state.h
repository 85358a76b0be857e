// The record through which the emulated driver and a compiled kernel talk during a launch.
// It is compiled into the driver and also put in front of every kernel source, so it includes nothing.

struct EmulatorIndex {
    unsigned x, y, z;
};

enum EmulatorCollective {
    emulator_sync_warp,
    emulator_shuffle_index,
    emulator_shuffle_xor,
    emulator_shuffle_up,
    emulator_shuffle_down,
    emulator_ballot
};

struct EmulatorState {
    EmulatorIndex thread, block, blockSize, gridSize;
    void *dynamicShared;
    void (*syncBlock)();
    unsigned long long (*collective)(int kind, unsigned mask, int operand, int width, unsigned long long value);
};
