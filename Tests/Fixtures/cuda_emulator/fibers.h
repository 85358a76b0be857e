// The interface of the block runner: one emulated thread block at a time, its threads as fibers.
#pragma once
#include "launch_state.h"

using KernelEntry = void (*)(void **parameters);

// Runs one block of `state->blockSize` threads to its end; `state` belongs to the kernel's module.
// `kernelName` is for messages. Returns whether any thread waited at a barrier or a collective.
bool emulatorRunBlock(EmulatorState *state, KernelEntry entry, void **parameters, const char *kernelName);
