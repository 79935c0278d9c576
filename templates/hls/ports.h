// ports.h: AXI4-Stream ports of the core, and what a debugging build looks at.
#ifndef GS_PORTS_H
#define GS_PORTS_H

#include "types.h"

// Vitis HLS knows TLAST only of its own type; Vivado HLS knows it by the name of the member.
#if defined(__SYNTHESIS__) && !defined(GS_VIVADO_HLS)
#include <ap_axi_sdata.h>
#endif

namespace gs {

#if defined(__SYNTHESIS__) && !defined(GS_VIVADO_HLS)
template <int D>
struct Axis {
    typedef ap_axiu<D, 0, 0, 0> t;
};
template <int D>
void fill_keep(ap_axiu<D, 0, 0, 0>& beat) {
#pragma HLS INLINE
    beat.keep = -1;
    beat.strb = -1;
}
#else
template <int D>
struct Beat {
    ap_uint<D> data;
    ap_uint<1> last;
};
template <int D>
struct Axis {
    typedef Beat<D> t;
};
template <int D>
void fill_keep(Beat<D>&) {}
#endif

// A frame of BEATS beats into the core; tlast is not looked at.
template <int D, int W, int BEATS>
void enter(hls::stream<typename Axis<D>::t>& port, hls::stream<ap_uint<W> >& m) {
    for (int beat = 0; beat < BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename Axis<D>::t taken = port.read();
        m.write(ap_uint<W>(taken.data));
    }
}

// A frame of BEATS beats out of the core, tlast with the last one.
template <int D, int W, int BEATS>
void leave(hls::stream<ap_uint<W> >& s, hls::stream<typename Axis<D>::t>& port) {
    for (int beat = 0; beat < BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename Axis<D>::t given;
        given.data = ap_uint<D>(s.read());
        given.last = beat == BEATS - 1;
        fill_keep(given);
        port.write(given);
    }
}

}  // namespace gs

#ifdef GS_TAP
#include <cstdio>
#include <string>

namespace gs {

inline std::string& tap_folder() {
    static std::string folder;
    return folder;
}

// Appends what a stream holds to FOLDER/tap_NAME.bin, most significant byte first.
template <int W>
void tap(const char* name, hls::stream<ap_uint<W> >& stream) {
    std::FILE* file = std::fopen((tap_folder() + "/tap_" + name + ".bin").c_str(), "ab");
    const int bytes = (W + 7) / 8, count = int(stream.size());
    for (int n = 0; n < count; n++) {
        ap_uint<W> beat = stream.read();
        stream.write(beat);
        ap_uint<8 * bytes> padded = beat;
        for (int b = bytes - 1; file && b >= 0; b--) {
            std::fputc(int(ap_uint<8>(padded.range(8 * b + 7, 8 * b)).to_uint()), file);
        }
    }
    if (file) std::fclose(file);
}

}  // namespace gs
#endif

#endif
