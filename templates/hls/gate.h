// gate.h: a frame that goes on, or is dropped.
//
// A frame with exit = 0 passes, one with exit = 1 is taken and gives nothing. `goes` says which; behind
// a gate it travels beside every stream, once a frame, and a stage is called where it is 1.
// C: W, BEATS, D (Elem of a decision), D_W.
#ifndef GS_GATE_H
#define GS_GATE_H

#include "types.h"

namespace gs {

template <class C>
void gate(hls::stream<ap_uint<C::W> >& s0, hls::stream<ap_uint<C::D_W> >& s1,
          hls::stream<ap_uint<C::W> >& m, hls::stream<ap_uint<1> >& goes) {
    typename C::D::code_t decision[2];  // class, exit
#pragma HLS ARRAY_PARTITION variable=decision complete
    unpack<typename C::D>(s1.read(), decision);
    const bool leaves = decision[1] != 0;
    goes.write(ap_uint<1>(leaves ? 0 : 1));
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        const ap_uint<C::W> taken = s0.read();
        if (!leaves) m.write(taken);
    }
}

}  // namespace gs

#endif
