// driver.cpp: see driver.h. The bookkeeping follows templates/tb/tb.sv.j2, phase by phase.
#include "driver.h"

#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

namespace regress {
namespace {

enum Bad { NONE, DATA, LAST, EXTRA, UNKNOWN, NOT_HELD, FRAME_ERROR, STUCK, IN_RESET };
enum State { RESET, RUN, DRAIN, RELOAD, DONE };

struct Job {
    std::string name;
    long first, frames;
    int source_stall, sink_stall, sink_gap;
    uint32_t seed;
    long resets, reset_gap, patience, drain, reload;
};

uint32_t next_random(uint32_t x) {
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ (x << 5);
}

std::string hex(const Beat& beat) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (size_t i = beat.size(); i-- > 0;) {
        text += digits[beat[i] >> 4];
        text += digits[beat[i] & 15];
    }
    return text.empty() ? "0" : text;
}

// One end of a stream: where it is in its file, and what makes it stall.
struct End {
    const Pins* pins;
    std::vector<uint8_t> file, after;    // after: expected once other weights were written
    long split = 0;                      // frame from which on that is; 0: never
    long frame = 0, beat = 0;            // next to offer, or to take
    long sent_frame = 0, sent_beat = 0;  // inputs: next to be taken by the core
    int burst = 0;
    uint32_t random = 1;
    bool bad = false, held = false, held_last = false;
    Beat held_data;
    // Pins as they will be after the edge.
    bool valid = false, ready = false, last = false;
    Beat data;

    static std::vector<uint8_t> read(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        return std::vector<uint8_t>(std::istreambuf_iterator<char>(in), {});
    }
    // Beat of a frame, least significant byte first; the files have the most significant first.
    Beat at(long f, long b) const {
        Beat found(pins->bytes, 0);
        bool again = split != 0 && f >= split;
        const std::vector<uint8_t>& from_file = again && !after.empty() ? after : file;
        size_t from = size_t((again ? f - split : f) * pins->beats + b) * pins->bytes;
        if (from + pins->bytes <= from_file.size())
            for (int i = 0; i < pins->bytes; i++) found[i] = from_file[from + pins->bytes - 1 - i];
        return found;
    }
    Beat shown() const {
        Beat found(pins->bytes);
        std::memcpy(found.data(), pins->tdata, pins->bytes);
        return found;
    }
    void start(long f) {
        frame = sent_frame = f;
        beat = sent_beat = 0;
        bad = held = false;
    }
    bool stalls(int share) const { return burst != 0 || int(random & 255) < share; }
    void roll(int share) {
        random = next_random(random);
        if (burst != 0)
            burst--;
        else if (share != 0 && (random >> 21) == 0)
            burst = int((random >> 13) & 255);
    }
};

struct Word {
    uint32_t memory, word, chunk, data;
};

struct Runner {
    Core& core;
    std::vector<Word> words;
    size_t written = 0;  // words, of the reload under way
    bool writing = false;
    std::vector<Job> jobs;
    std::vector<End> ins, outs;
    size_t at = 0;
    Job job;
    State state = RESET;
    FILE* times = nullptr;
    bool reset_pin = false, over = false;
    uint64_t cycle = 0;
    long errors = 0, end_frame = 0, out_frame = 0, began = 0, idle = 0, wait_left = 0, reset_cycles = 0;
    long resets_left = 0, reset_in = 0;
    std::string first;

    explicit Runner(Core& given) : core(given) {
        for (size_t k = 0; k < core.inputs.size(); k++) ins.push_back(make(core.inputs[k], "input_", k));
        for (size_t k = 0; k < core.outputs.size(); k++) outs.push_back(make(core.outputs[k], "expected_", k));
        std::ifstream in(std::string(core.name) + "/other.txt");
        for (Word w; in >> w.memory >> w.word >> w.chunk >> w.data;) words.push_back(w);
    }

    End make(const Pins& pins, const char* stem, size_t k) {
        End end;
        end.pins = &pins;
        end.data.assign(pins.bytes, 0);
        std::string folder = std::string(core.name) + "/", number = std::to_string(k) + ".bin";
        end.file = End::read(folder + stem + number);
        if (stem[0] == 'e') end.after = End::read(folder + "after_" + number);
        return end;
    }

    void begin() {
        if (at == jobs.size()) {
            over = true;
            return;
        }
        job = jobs[at];
        times = std::fopen((folder() + "/times.txt").c_str(), "w");
        cycle = 0;
        errors = 0;
        first.clear();
        end_frame = job.first + (job.reload ? job.reload : job.frames);
        written = 0;
        writing = false;
        out_frame = job.first;
        idle = 0;
        reset_cycles = wait_left = 9;  // one more than tb.sv.j2, which waits a cycle for its start
        resets_left = job.resets;
        reset_in = 1;
        reset_pin = false;
        state = RESET;
        uint32_t spread = 0;
        for (End& end : ins) {
            end.random = (job.seed * 0x9E3779B1u) ^ (0x5BD1E995u + spread);
            spread += 0x3C6EF372u;
        }
        spread = 0;
        for (End& end : outs) {
            end.random = (job.seed * 0x85EBCA6Bu) ^ (0x27D4EB2Fu + spread);
            spread += 0x3C6EF372u;
        }
        for (std::vector<End>* ends : {&ins, &outs})
            for (End& end : *ends) {
                end.split = job.reload ? job.first + job.reload : 0;
                if (end.random == 0) end.random = 1;
                end.burst = 0;
                end.valid = end.ready = end.last = false;
            }
        rewind(job.first);
    }

    std::string folder() const { return std::string(core.name) + "/" + job.name; }

    void rewind(long frame) {
        began = frame;
        for (std::vector<End>* ends : {&ins, &outs})
            for (End& end : *ends) end.start(frame);
    }

    void fail(Bad kind, long port, long frame, long beat, const Beat& want, const Beat& found) {
        if (errors++ == 0) {
            std::ostringstream told;
            told << "first " << int(kind) << ' ' << port << ' ' << frame << ' ' << beat << ' ' << cycle << ' '
                 << hex(want) << ' ' << hex(found);
            first = told.str();
        }
    }

    // Outputs as they are before the edge; decides the pins after it.
    void edge() {
        cycle++;
        for (End& end : ins) end.roll(job.source_stall);
        for (End& end : outs) end.roll(job.sink_stall);
        if (state == RUN || state == DRAIN) {
            idle++;
            if (*core.frame_error) fail(FRAME_ERROR, -1, out_frame, 0, {}, {});
            for (size_t k = 0; k < outs.size(); k++) taken(outs[k], long(k));
            bool whole = true;
            for (End& end : outs) whole = whole && end.frame > out_frame;
            if (whole) {
                std::fprintf(times, "o %ld %llu\n", out_frame, (unsigned long long)cycle);
                out_frame++;
            }
            for (End& end : ins) offered(end);
        }
        for (End& end : outs) end.ready = (state == RUN || state == DRAIN) && !end.stalls(job.sink_stall);
        phase();
    }

    void taken(End& end, long k) {
        const Pins& pins = *end.pins;
        bool valid = *pins.tvalid & 1, last = *pins.tlast & 1, ready = *pins.tready & 1;
        if (!valid && !end.held) return;
        Beat found = end.shown();
        if (end.held && (!valid || found != end.held_data || last != end.held_last))
            fail(NOT_HELD, k, end.frame, end.beat, end.held_data, found);
        end.held = valid && !ready;
        if (end.held) {
            end.held_data = found;
            end.held_last = last;
        }
        if (!valid || !ready) return;
        idle = 0;
        if (job.sink_gap != 0) end.burst = int(long(end.random & 0x7FFFFFFFu) % job.sink_gap);
        if (end.frame >= end_frame) {
            fail(EXTRA, k, end.frame, end.beat, {}, found);
            return;
        }
        Beat want = end.at(end.frame, end.beat);
        if (found != want) {
            fail(DATA, k, end.frame, end.beat, want, found);
            end.bad = true;
        }
        if (last != (end.beat == pins.beats - 1)) {
            fail(LAST, k, end.frame, end.beat, want, found);
            end.bad = true;
        }
        if (++end.beat == pins.beats) {
            if (end.bad) std::fprintf(times, "b %ld %ld\n", end.frame, k);
            end.beat = 0;
            end.frame++;
            end.bad = false;
        }
    }

    void offered(End& end) {
        const Pins& pins = *end.pins;
        bool valid = *pins.tvalid & 1, ready = *pins.tready & 1;
        if (valid && ready) {
            idle = 0;
            if (end.sent_beat == 0 && end.sent_frame == began) {
                std::fprintf(times, "i %ld %llu\n", began, (unsigned long long)cycle);
                began++;
            }
            if (++end.sent_beat == pins.beats) {
                end.sent_beat = 0;
                end.sent_frame++;
            }
        }
        if (valid && !ready) return;
        if (end.frame < end_frame && !end.stalls(job.source_stall)) {
            end.data = end.at(end.frame, end.beat);
            end.valid = true;
            end.last = end.beat == pins.beats - 1;
            if (++end.beat == pins.beats) {
                end.beat = 0;
                end.frame++;
            }
        } else {
            end.valid = false;
            for (uint8_t& byte : end.data) byte = uint8_t(~byte);  // garbage: nobody may look at it
            end.last = (end.random >> 8) & 1;
        }
    }

    void phase() {
        switch (state) {
            case RESET:
                reset_pin = false;
                if (--wait_left == 0) {
                    for (size_t k = 0; k < outs.size(); k++)
                        if (reset_cycles > 2 && (*outs[k].pins->tvalid & 1)) fail(IN_RESET, long(k), out_frame, 0, {}, outs[k].shown());
                    reset_pin = true;
                    idle = 0;
                    state = RUN;
                }
                break;
            case RUN:
                reset_in--;
                if (out_frame >= end_frame) {
                    wait_left = job.drain;
                    state = DRAIN;
                } else if (idle > job.patience) {
                    stuck();
                } else if (resets_left != 0 && reset_in <= 0) {
                    reset();
                }
                break;
            case DRAIN: {
                bool sent = true;
                for (End& end : ins) sent = sent && end.sent_frame >= end_frame;
                if (idle > job.patience || sent) wait_left--;
                if (wait_left <= 0) state = job.reload && written == 0 ? RELOAD : DONE;
                break;
            }
            case RELOAD:
                writing = written < words.size();
                if (writing) {
                    written++;
                } else {
                    end_frame = job.first + job.frames;
                    idle = 0;
                    state = RUN;
                }
                break;
            case DONE: finish(); break;
        }
    }

    void stuck() {
        long port = 0, beat = 0;
        for (size_t k = 0; k < outs.size(); k++)
            if (outs[k].frame == out_frame) {
                port = long(k);
                beat = outs[k].beat;
            }
        fail(STUCK, port, out_frame, beat, {}, {});
        state = DONE;
    }

    void reset() {
        bool mid = false;
        for (End& end : ins) {
            if (end.sent_beat != 0 || end.sent_frame != out_frame) mid = true;
            end.valid = false;
        }
        for (End& end : outs) end.ready = false;
        std::fprintf(times, "r %ld %llu %d\n", out_frame, (unsigned long long)cycle, int(mid));
        resets_left--;
        reset_in = 1 + long(ins[0].random & 0x7FFFFFFFu) % job.reset_gap;
        reset_cycles = wait_left = 2 + long((outs[0].random >> 9) & 3);
        reset_pin = false;
        rewind(out_frame);
        state = RESET;
    }

    void finish() {
        for (size_t k = 0; k < outs.size(); k++) std::fprintf(times, "e %ld %zu\n", outs[k].frame, k);
        std::fclose(times);
        std::ofstream told(folder() + "/result.txt");
        told << "errors " << errors << "\ncycles " << cycle << "\n";
        if (!first.empty()) told << first << "\n";
        at++;
        begin();
    }

    // Pins after the edge.
    void drive() {
        *core.aresetn = reset_pin;
        for (End& end : ins) {
            std::memcpy(end.pins->tdata, end.data.data(), end.data.size());
            *end.pins->tvalid = end.valid;
            *end.pins->tlast = end.last;
        }
        for (End& end : outs) *end.pins->tready = end.ready;
        if (core.reload.on == nullptr) return;
        *core.reload.on = writing;
        if (!writing) return;
        const Word& w = words[written - 1];
        *core.reload.memory = w.memory;
        *core.reload.word = w.word;
        *core.reload.chunk = w.chunk;
        *core.reload.data = w.data;
    }
};

bool read_jobs(std::map<std::string, std::unique_ptr<Runner>>& runners) {
    std::ifstream in("jobs.txt");
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string core;
        Job job;
        words >> core >> job.name >> job.first >> job.frames >> job.source_stall >> job.sink_stall >> job.sink_gap >>
            job.seed >> job.resets >> job.reset_gap >> job.patience >> job.drain >> job.reload;
        if (!words || !runners.count(core)) {
            std::cerr << "jobs.txt: cannot read \"" << line << "\"\n";
            return false;
        }
        runners[core]->jobs.push_back(job);
    }
    return true;
}

}  // namespace

int run(std::vector<Core>& cores, Eval eval, void* model) {
    std::map<std::string, std::unique_ptr<Runner>> runners;
    for (Core& core : cores) runners[core.name] = std::make_unique<Runner>(core);
    if (!read_jobs(runners)) return 2;
    std::vector<Runner*> running;
    for (auto& entry : runners) {
        entry.second->begin();
        *entry.second->core.aclk = 0;
        entry.second->drive();
        if (!entry.second->over) running.push_back(entry.second.get());
    }
    eval(model);
    while (!running.empty()) {
        for (Runner* runner : running) {
            runner->edge();
            *runner->core.aclk = 1;
        }
        eval(model);  // registers take what was there before the edge
        size_t kept = 0;
        for (Runner* runner : running) {
            runner->drive();
            *runner->core.aclk = 0;
            if (!runner->over) running[kept++] = runner;
        }
        running.resize(kept);
        eval(model);
    }
    return 0;
}

}  // namespace regress
