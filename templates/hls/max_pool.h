// max_pool.h: the largest code of each window, PE channels side by side.
//
// Windows come as in depthwise.h.
// C: X, X_W, Y_W, PE, TAPS (in a beat), BEATS, VECTORS.
#ifndef GS_MAX_POOL_H
#define GS_MAX_POOL_H

#include "types.h"

namespace gs {

template <class C>
void max_pool(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typename C::X::code_t best[C::PE];
#pragma HLS ARRAY_PARTITION variable=best complete

    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
            typename C::X::code_t x[C::TAPS * C::PE];
#pragma HLS ARRAY_PARTITION variable=x complete
            unpack<typename C::X>(s.read(), x);
            for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                for (int tap = 0; tap < C::TAPS; tap++) {
#pragma HLS UNROLL
                    const typename C::X::code_t value = x[tap * C::PE + p];
                    if ((beat == 0 && tap == 0) || value > best[p]) best[p] = value;
                }
            }
            if (beat == C::BEATS - 1) {
                ap_uint<C::Y_W> out;
                pack<typename C::X>(best, out);
                m.write(out);
            }
        }
    }
}

}  // namespace gs

#endif
