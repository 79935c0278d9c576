// driver.h: streams files through many cores in one Verilator model and compares every beat.
//
// Each core has a clock of its own, so that one that is done costs nothing more. What is driven,
// what is checked and what is written is what templates/tb/tb.sv.j2 does, with the same stalls for
// the same seeds: a run that fails here can be repeated with `gatesmith verify`. Compiled once for
// all models: it knows ports as memory.
#ifndef GATESMITH_REGRESS_DRIVER_H
#define GATESMITH_REGRESS_DRIVER_H

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace regress {

typedef std::vector<uint8_t> Beat;

// Pins of one stream; `bytes` of tdata, beats and files of a frame.
struct Pins {
    void* tdata;
    uint8_t* tvalid;
    uint8_t* tready;
    uint8_t* tlast;
    int bytes;
    long beats;
};

// Where a memory of a core is written; null where it has none.
struct Reload {
    uint8_t* on;
    uint32_t *memory, *word, *chunk, *data;
};

struct Core {
    const char* name;
    uint8_t* aclk;
    uint8_t* aresetn;
    uint8_t* frame_error;
    std::vector<Pins> inputs;
    std::vector<Pins> outputs;
    Reload reload;
};

// Evaluates the model after its pins have changed.
typedef void (*Eval)(void* model);

// Runs the jobs that jobs.txt in the working directory lists; returns the exit code.
//
// A line is CORE JOB FIRST FRAMES SOURCE_STALL SINK_STALL SINK_GAP SEED RESETS RESET_GAP PATIENCE DRAIN
// RELOAD. With RELOAD = N, the words of CORE/other.txt (memory, word, chunk, data) are written behind
// the first N frames of the job, when the core is drained; the frames of the files run again then,
// and CORE/after_K.bin is expected.
// CORE/input_K.bin and CORE/expected_K.bin are read, CORE/JOB/times.txt (see tb.sv.j2) and
// CORE/JOB/result.txt are written: "errors N", "cycles N" and, if something was wrong, "first KIND
// OUTPUT FRAME BEAT CYCLE EXPECTED FOUND".
int run(std::vector<Core>& cores, Eval eval, void* model);

}  // namespace regress

#endif
