// bench.h: what a test bench needs to feed a core from files and to compare what comes out.
//
// A beat is D / 8 bytes, the most significant first. Not for synthesis.
#ifndef GS_BENCH_H
#define GS_BENCH_H

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ports.h"

namespace gs {

typedef std::vector<unsigned char> Bytes;

inline bool read_file(const std::string& path, Bytes& bytes) {
    std::ifstream file(path.c_str(), std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return false;
    }
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    return true;
}

template <int D>
ap_uint<D> from_bytes(const unsigned char* bytes) {
    ap_uint<D> word = 0;
#ifdef GS_CHUNKS
    u64 chunk[(D + 63) / 64] = {0};
    for (int k = 0; k < D / 8; k++) chunk[k / 8] |= u64(bytes[D / 8 - 1 - k]) << (k % 8 * 8);
    for (int k = 0; k < (D + 63) / 64; k++) word.V.set_pVal(k, chunk[k]);
#else
    for (int k = 0; k < D / 8; k++) word.range(8 * k + 7, 8 * k) = ap_uint<8>(bytes[D / 8 - 1 - k]);
#endif
    return word;
}

template <int D>
void to_bytes(const ap_uint<D>& word, unsigned char* bytes) {
    for (int k = 0; k < D / 8; k++) {
#ifdef GS_CHUNKS
        bytes[D / 8 - 1 - k] = (unsigned char)(u64(word.V.get_pVal(k / 8)) >> (k % 8 * 8));
#else
        bytes[D / 8 - 1 - k] = (unsigned char)(ap_uint<8>(word.range(8 * k + 7, 8 * k)).to_uint());
#endif
    }
}

// One frame, from the bytes of a file into a port.
template <int D>
void send(const Bytes& bytes, long frame, int beats, hls::stream<typename Axis<D>::t>& port) {
    const int size = D / 8;
    for (int beat = 0; beat < beats; beat++) {
        typename Axis<D>::t given;
        given.data = from_bytes<D>(&bytes[(frame * beats + beat) * size]);
        given.last = beat == beats - 1;
        fill_keep(given);
        port.write(given);
    }
}

// What one output gave: compared with a file where there is one, kept in another.
struct Outcome {
    long wrong;            // frames
    long first;            // the first of them, -1 if there is none
    const char* what;      // what was wrong with it
    Bytes found;

    Outcome() : wrong(0), first(-1), what("") {}

    void fails(long frame, const char* why) {
        if (first < 0) {
            first = frame;
            what = why;
        }
        wrong++;
    }
};

template <int D>
void receive(hls::stream<typename Axis<D>::t>& port, long frame, int beats, const Bytes& expected,
             Outcome& outcome) {
    const int size = D / 8;
    Bytes frame_bytes(size_t(beats) * size);
    const char* why = 0;
    for (int beat = 0; beat < beats; beat++) {
        if (port.empty()) {
            why = "beats are missing";
            break;
        }
        typename Axis<D>::t taken = port.read();
        to_bytes<D>(taken.data, &frame_bytes[size_t(beat) * size]);
        if ((taken.last == 1) != (beat == beats - 1)) why = "tlast is not with the last beat";
    }
    while (!port.empty()) {
        port.read();
        why = "there are more beats than in a frame";
    }
    if (!why) {
        for (size_t k = 0; k < frame_bytes.size(); k++) {
            if (frame_bytes[k] != expected[size_t(frame) * frame_bytes.size() + k]) why = "data differs";
        }
    }
    if (why) outcome.fails(frame, why);
    outcome.found.insert(outcome.found.end(), frame_bytes.begin(), frame_bytes.end());
}

inline bool write_file(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path.c_str(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    if (!file) std::fprintf(stderr, "cannot write %s\n", path.c_str());
    return bool(file);
}

}  // namespace gs

#endif
