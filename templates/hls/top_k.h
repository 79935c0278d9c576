// top_k.h: indices of the COUNT largest (or smallest) channels of each vector, best first.
//
// Among equal values the lower index comes first, with LAST the higher one.
// C: X, Y, X_W, Y_W, LANES, GROUPS (beats in a vector), VECTORS, COUNT, LARGEST_FIRST, LAST.
#ifndef GS_TOP_K_H
#define GS_TOP_K_H

#include "types.h"

namespace gs {

// Whether a goes before b, which has a lower index.
template <class C>
bool beats(typename C::X::code_t a, typename C::X::code_t b) {
#pragma HLS INLINE
    if (C::LAST && a == b) return true;
    return C::LARGEST_FIRST ? a > b : a < b;
}

template <class C>
void top_k(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typedef typename C::X::code_t code_t;
    code_t values[C::COUNT];
#pragma HLS ARRAY_PARTITION variable=values complete
    typename C::Y::code_t indices[C::COUNT];
#pragma HLS ARRAY_PARTITION variable=indices complete

    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
            unpack<typename C::X>(s.read(), x);
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                const int index = group * C::LANES + l;
                for (int k = C::COUNT - 1; k >= 0; k--) {
#pragma HLS UNROLL
                    // Places from the last up: each takes the element before it, or the new one.
                    // Place k is empty until index k.
                    const int before = k > 0 ? k - 1 : 0;
                    const bool here = index <= k || beats<C>(x[l], values[k]);
                    const bool above = k > 0 && (index <= before || beats<C>(x[l], values[before]));
                    if (here && above) {
                        values[k] = values[before];
                        indices[k] = indices[before];
                    } else if (here) {
                        values[k] = x[l];
                        indices[k] = typename C::Y::code_t(index);
                    }
                }
            }
            if (group == C::GROUPS - 1) {
                ap_uint<C::Y_W> out;
                pack<typename C::Y>(indices, out);
                m.write(out);
            }
        }
    }
}

}  // namespace gs

#endif
